"""AGC and global-norm clipping against the released code, timm and torch."""

from __future__ import annotations

import pytest
import torch
from tests.clip.conftest import HOST_BACKENDS
from torch import Tensor

from normfree.clip import clip_grad_agc_, clip_grad_norm_

SETTINGS = [(0.01, 0.001), (0.1, 0.01)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
PER_UNIT_IN_TIMM = {"lin_1x6", "conv_1x1x1x8", "r3_4x3x2"}


def leaf(parameter: Tensor, gradient: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    tensor = parameter.to(dtype).clone().requires_grad_()
    tensor.grad = gradient.to(dtype).clone()
    return tensor


def largest_error(got: Tensor, expected: Tensor) -> float:
    error = (got.double() - expected).abs().max()
    return float(error / expected.abs().max().clamp(min=1e-30))


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("clip_factor", "eps"), SETTINGS)
@pytest.mark.parametrize(("code", "recorded"), [("dm", 23), ("dm_sgd", 19)])
def test_released_code(vectors, cases, code, recorded, clip_factor, eps, dtype, backend):
    tensors = {case: leaf(vectors[f"{case}:param"], vectors[f"{case}:grad"], dtype) for case in cases}
    clip_grad_agc_(tensors.values(), clip_factor, eps, backend=backend)
    compared = 0
    for case, tensor in tensors.items():
        expected = vectors.get(f"{case}:{code}:{clip_factor}:{eps}")
        if expected is not None:
            compared += 1
            assert largest_error(tensor.grad, expected) <= TOLERANCE[dtype], case
    assert compared == recorded


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize(("clip_factor", "eps"), SETTINGS)
def test_timm_units(vectors, cases, clip_factor, eps, backend):
    for case in cases:
        key = f":{clip_factor}:{eps}"
        tensor = leaf(vectors[f"{case}:param"], vectors[f"{case}:grad"])
        clip_grad_agc_(tensor, clip_factor, eps, unit="timm", backend=backend)
        assert largest_error(tensor.grad, vectors[f"{case}:timm{key}"]) <= 1e-12, case
        differs = largest_error(vectors[f"{case}:timm{key}"], vectors[f"{case}:dm{key}"]) > 1e-9
        assert differs <= (case in PER_UNIT_IN_TIMM or case == "gain4d_8x1x1x1")


def test_gains_kept_as_vectors_are_one_unit():
    parameter, gradient = torch.ones(8, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    vector = leaf(parameter, gradient)
    clip_grad_agc_(vector)
    assert torch.linalg.vector_norm(vector.grad) == pytest.approx(0.01 * 8**0.5)
    timm_gain = leaf(parameter.view(8, 1, 1, 1), gradient.view(8, 1, 1, 1))
    clip_grad_agc_(timm_gain)
    torch.testing.assert_close(timm_gain.grad.flatten(), vector.grad, rtol=1e-12, atol=0)


@pytest.mark.parametrize("max_norm", [0.1, 1.0])
def test_global_norm_is_torchs(vectors, cases, max_norm):
    tensors = {case: leaf(vectors[f"{case}:param"], vectors[f"{case}:grad"]) for case in cases}
    statistics = clip_grad_norm_(tensors.values(), max_norm)
    assert float(statistics.norm_before) == pytest.approx(float(vectors[f"_norm:{max_norm}:total"]), rel=1e-12)
    assert float(statistics.norm_after) == pytest.approx(max_norm, rel=1e-6)
    for case, tensor in tensors.items():
        assert largest_error(tensor.grad, vectors[f"{case}:torch_norm:{max_norm}"]) <= 1e-12
