"""The faster tanh GELU beside torch's."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.nets.tanh_gelu import tanh_gelu

LARGE = (2, 64, 64, 65)
SPECIAL = [0.0, -0.0, 1e-30, 9.0, -9.0, 2e3, -2e3, 1e19, -1e19, float("inf"), -float("inf"), float("nan")]


def gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def maps(layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    return (3 * torch.randn(LARGE, generator=torch.Generator().manual_seed(0))).to(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_as_near_to_the_formula_as_torch(layout: torch.memory_format) -> None:
    x = maps(layout)
    exact, ours = gelu(x.double()), tanh_gelu(x)
    assert ours.stride() == x.stride()
    assert float((ours - exact).abs().max()) < 1e-6
    # No worse than what torch's own float32 is off, give or take a unit in the last place of 10.
    assert float((ours - exact).abs().max()) < float((gelu(x) - exact).abs().max()) + 1e-6
    assert not torch.equal(ours, gelu(x)), "this map was left to torch"


def test_its_gradient_is_torchs() -> None:
    x, grad = maps(), torch.randn(LARGE, generator=torch.Generator().manual_seed(1))
    ours, torchs = x.clone().requires_grad_(), x.clone().requires_grad_()
    tanh_gelu(ours).backward(grad)
    gelu(torchs).backward(grad)
    assert ours.grad is not None
    assert torchs.grad is not None
    assert torch.equal(ours.grad, torchs.grad)


def test_numbers_that_overflow_are_torchs() -> None:
    x = torch.tensor(SPECIAL).repeat(2**15)
    torch.testing.assert_close(tanh_gelu(x), gelu(x), rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    "x",
    [torch.randn(3, 8, 8, 8), maps().double(), maps().bfloat16(), maps()[:, :, ::2]],
    ids=["small", "float64", "bfloat16", "with gaps"],
)
def test_other_maps_are_left_to_torch(x: Tensor) -> None:
    assert torch.equal(tanh_gelu(x), gelu(x))


def test_a_first_import_on_the_meta_device_leaves_real_numbers() -> None:
    """Networks are costed there, and imported by the first that is."""
    code = "import torch\nwith torch.device('meta'):\n    from normfree.nets import tanh_gelu as t\n"
    code += "print(t._CONSTANT.device)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "cpu"
