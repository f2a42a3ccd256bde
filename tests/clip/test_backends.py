"""The backends do the same, at the cost they promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from tests.clip.conftest import HOST_BACKENDS
from torch.utils._python_dispatch import TorchDispatchMode

from normfree.clip import backend, clip_grad_agc_, native
from normfree.nets import create_model

MOST_OPERATIONS = 150
VIEWS = {"view", "split_with_sizes", "unsqueeze", "select", "slice", "permute", "unbind", "lift_fresh"}


class Operations(TorchDispatchMode):
    """Names of what reaches a device."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.append(function.overloadpacket.__name__)
        return function(*arguments, **(keywords or {}))


def with_gradients(name: str, *, every: float) -> list[torch.Tensor]:
    """A network's parameters; the gradients of a share of the units are too large."""
    torch.manual_seed(0)
    parameters = list(create_model(name, 10).parameters())
    for parameter in parameters:
        noise = torch.randn_like(parameter)
        scale = torch.where(torch.rand(parameter.shape[:1]) < every, 1.0, 1e-6)
        parameter.grad = noise * scale.view(-1, *[1] * (parameter.ndim - 1)) if parameter.ndim else noise
    return parameters


def clipped(name: str, backend: str, every: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    parameters = with_gradients(name, every=every)
    done = clip_grad_agc_(parameters, backend=backend)
    norms = [norm for part in done.parts for norm in (part.gradient, part.limit)]
    return [p.grad for p in parameters if p.grad is not None], norms


@pytest.mark.parametrize("every", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("backend", HOST_BACKENDS[1:])
def test_all_bits_are_those_of_the_plain_one(backend: str, every: float) -> None:
    for name in ("nf_resnet20", "nfnet_nano"):
        plain, of_plain = clipped(name, "eager", every)
        other, of_other = clipped(name, backend, every)
        assert all(torch.equal(one, two) for one, two in zip(plain, other, strict=True))
        if backend == "native":
            assert all(torch.equal(one, two) for one, two in zip(of_plain, of_other, strict=True))


@pytest.mark.skipif(backend() != "native", reason="no C compiler")
def test_native_does_the_same_with_threads() -> None:
    alone, _ = clipped("nfnet_nano", "native", 0.5)
    torch.set_num_threads(3)
    together, _ = clipped("nfnet_nano", "native", 0.5)
    assert all(torch.equal(one, two) for one, two in zip(alone, together, strict=True))


@pytest.mark.parametrize("backend", ["bucketed", HOST_BACKENDS[-1]])
def test_few_operations_for_a_whole_nfnet_f0(backend: str) -> None:
    with torch.device("meta"):
        shapes = [p.shape for p in create_model("nfnet_f0").parameters()]
    assert len(shapes) == 233
    parameters = []
    for shape in shapes:
        thin = torch.Size([min(size, 4) if place == 0 else size for place, size in enumerate(shape)])
        parameter = torch.randn(thin, requires_grad=True)
        parameter.grad = torch.randn(thin)
        parameters.append(parameter)
    with Operations() as operations:
        clip_grad_agc_(parameters, backend=backend)
    assert {"_foreach_norm", "linalg_vector_norm"} <= set(operations.names)
    assert sum(name not in VIEWS for name in operations.names) <= MOST_OPERATIONS
    if backend == "native":
        return  # a processor has nothing to wait for
    assert "item" not in operations.names
    assert "_local_scalar_dense" not in operations.names
    assert "nonzero" not in operations.names


def test_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend("cpu") in ("native", "eager")
    assert backend("cuda") in ("triton", "bucketed")
    assert backend("mps") == "bucketed"
    small = torch.ones(8, 8, requires_grad=True)
    small.grad = torch.ones(8, 8)
    assert clip_grad_agc_(small).backend == "eager"
    monkeypatch.setattr(native, "WORTHWHILE", 10)
    assert clip_grad_agc_(small).backend == backend("cpu")


@pytest.mark.parametrize("reason", ["no compiler", "a compiler that fails", "off", "no cache"])
def test_without_the_c_function_everything_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if reason == "no compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CC", raising=False)
    elif reason == "a compiler that fails":
        monkeypatch.setenv("CC", "false")
    elif reason == "off":
        monkeypatch.setenv("NORMFREE_NATIVE", "0")
    else:
        (tmp_path / "normfree").write_text("a file")
    assert native.function.__wrapped__() is None


def test_a_function_that_adds_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if native.function.__wrapped__() is None:
        pytest.skip("no C compiler")
    assert [path.suffix for path in (tmp_path / "normfree").iterdir()] == [".so"]
    source = Path(native.__file__).with_name("native.c").read_text(encoding="utf-8")
    other = tmp_path / "native.c"
    other.write_text(source.replace("sum += sums[lane]", "sum += 1.000001f * sums[lane]"), encoding="utf-8")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native.function.__wrapped__() is None


def test_triton_kernel_against_the_released_code() -> None:
    """In Triton's interpreter, which must be chosen before Triton is imported."""
    script = Path(__file__).with_name("interpreted_triton.py")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    answer = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    if "triton is not installed" in answer.stdout:
        pytest.skip("Triton comes with PyTorch for CUDA")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["backend"] == "triton"
    assert found["compared"] == 2 * 23
    assert found["error"] <= 1e-6
    assert found["mixed"] == {"backend": "triton+bucketed", "units": 57, "launches": 3, "agrees": True, "kept": True}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events:UserWarning")
def test_one_launch_on_a_gpu(no_waiting: Callable[[], AbstractContextManager[None]]) -> None:
    parameters = [p.detach().cuda().requires_grad_() for p in with_gradients("nfnet_nano", every=0.3)]
    for parameter, on_host in zip(parameters, with_gradients("nfnet_nano", every=0.3), strict=True):
        assert on_host.grad is not None
        parameter.grad = on_host.grad.cuda()
    expected, _ = clipped("nfnet_nano", "eager", 0.3)
    warm = torch.ones(4, 4, device="cuda", requires_grad=True)
    warm.grad = torch.ones_like(warm)
    clip_grad_agc_([*parameters, warm], clip_factor=1e6)
    clip_grad_agc_(parameters, clip_factor=1e6)
    torch.cuda.synchronize()
    with no_waiting(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as log:
        done = clip_grad_agc_(parameters)
    assert done.backend == "triton"
    kernels = [event.name for event in log.events() if "memcpy" not in event.name.lower()]
    assert sum("agc_kernel" in name for name in kernels) == 1
    assert len([name for name in kernels if "kernel" in name.lower()]) <= 3
    for parameter, wanted in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad.cpu(), wanted, rtol=1e-5, atol=0)
