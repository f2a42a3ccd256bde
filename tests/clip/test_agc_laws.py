"""What holds for every gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.clip.conftest import HOST_BACKENDS
from torch import Tensor

from normfree.clip import UNITS, clip_grad_agc_, clip_grad_norm_, unit_dims

SHAPES = [(), (1,), (7,), (5, 3), (1, 6), (4, 3, 2), (8, 4, 3, 3), (8, 1, 1, 1), (4, 3, 2, 2, 2)]


def leaf(shape, scale=1.0, dtype=torch.float32) -> Tensor:
    tensor = torch.randn(shape).to(dtype).requires_grad_()
    tensor.grad = (scale * torch.randn(shape)).to(dtype)
    return tensor


def unit_norms(tensor: Tensor, dims) -> Tensor:
    tensor = tensor.detach().double()
    return torch.linalg.vector_norm(tensor, dim=dims).flatten()


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("unit", list(UNITS))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.sampled_from([1e-4, 1e-2, 1.0, 1e4]), factor=st.floats(1e-3, 1.0))
def test_every_unit_respects_its_limit_and_keeps_its_direction(unit, backend, seed, scale, factor):
    torch.manual_seed(seed)
    tensors = [leaf(shape, scale, torch.float64) for shape in SHAPES]
    before = [t.grad.clone() for t in tensors]
    statistics = clip_grad_agc_(tensors, factor, unit=unit, backend=backend)
    units = clipped = 0
    for tensor, old in zip(tensors, before, strict=True):
        dims = unit_dims(tensor.shape, unit)
        norms, old_norms = unit_norms(tensor.grad, dims), unit_norms(old, dims)
        limits = factor * unit_norms(tensor, dims).clamp(min=1e-3)
        assert (norms <= limits * (1 + 1e-9)).logical_or(old_norms <= limits).all()
        kept = old_norms <= limits
        if dims is None:
            assert not kept.all() or torch.equal(tensor.grad, old)
        units, clipped = units + norms.numel(), clipped + int((~kept).sum())
        cosine = (tensor.grad * old).sum() / (tensor.grad.norm() * old.norm())
        assert cosine > 0
    assert statistics.units == units
    assert int(statistics.clipped_units) == clipped
    assert not statistics.nonfinite
    assert float(statistics.norm_before) == pytest.approx(float(torch.cat([g.flatten() for g in before]).norm()))
    after = torch.cat([t.grad.flatten() for t in tensors]).norm()
    assert float(statistics.norm_after) == pytest.approx(float(after))


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_unclipped_units_are_bit_identical(dtype, backend):
    weight = leaf((6, 8, 3, 3), 1e-6, dtype)
    weight.grad[2] *= 1e6
    before = weight.grad.clone()
    assert int(clip_grad_agc_(weight, backend=backend).clipped_units) == 1
    others = [0, 1, 3, 4, 5]
    assert torch.equal(weight.grad[others], before[others])
    assert not torch.equal(weight.grad[2], before[2])


def test_missing_and_zero_gradients():
    frozen, zero = torch.nn.Parameter(torch.ones(3)), leaf((3, 2), 0.0)
    frozen.requires_grad_(False)
    statistics = clip_grad_agc_([frozen, zero])
    assert frozen.grad is None
    assert (zero.grad == 0).all()
    assert statistics.units == 3
    empty = clip_grad_agc_([frozen])
    assert (empty.units, float(empty.norm_before), bool(empty.nonfinite)) == (0, 0.0, False)
    assert clip_grad_norm_([frozen], 1.0).units == 0


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("clip", [*HOST_BACKENDS, "norm"])
def test_what_is_not_finite_does_not_spread(clip, value):
    good, bad = leaf((4, 8), 10.0), leaf((4, 8), 10.0)
    bad.grad[1, 2] = value
    before = bad.grad.clone()
    tensors = [good, bad]
    statistics = clip_grad_norm_(tensors, 0.1) if clip == "norm" else clip_grad_agc_(tensors, backend=clip)
    assert statistics.nonfinite
    assert good.grad.isfinite().all()
    torch.testing.assert_close(bad.grad[1], before[1], equal_nan=True)
    assert bad.grad[[0, 2, 3]].isfinite().all()


def test_zero_parameters_move_by_eps():
    gain = torch.zeros((), requires_grad=True)
    gain.grad = torch.tensor(3.0)
    clip_grad_agc_(gain)
    assert float(gain.grad) == pytest.approx(1e-5, rel=1e-6)


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_a_floor_for_each_parameter_is_the_same_as_a_call_for_each(backend):
    shapes = [(8, 4, 3, 3), (8,), (), (8, 1, 1, 1), (), (5,)]
    together = [leaf(shape, 50.0) for shape in shapes]
    with torch.no_grad():
        for tensor in together[1:]:
            tensor.mul_(0.01)
    apart = [tensor.detach().clone().requires_grad_() for tensor in together]
    for one, other in zip(together, apart, strict=True):
        other.grad = one.grad.clone()
    floors = [1e-3, 0.1, 0.1, 1e-3, 1e-3, 0.5]
    statistics = clip_grad_agc_(together, 0.02, floors, backend=backend)
    alone = [clip_grad_agc_(one, 0.02, floor, backend=backend) for one, floor in zip(apart, floors, strict=True)]
    for one, other in zip(together, apart, strict=True):
        assert torch.equal(one.grad, other.grad)
    assert statistics.units == sum(one.units for one in alone)
    assert int(statistics.clipped_units) == sum(int(one.clipped_units) for one in alone)
    assert sorted(place for part in statistics.parts for place, _ in part.owners) == list(range(len(shapes)))


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("unit", list(UNITS))
def test_memory_layouts_agree(unit, backend):
    plain = leaf((8, 4, 3, 3), 10.0)
    layouts = [
        lambda t: t.contiguous(memory_format=torch.channels_last),
        lambda t: t.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
        lambda t: torch.stack([t, t], -1)[..., 0],
    ]
    others = []
    for layout in layouts:
        other = layout(plain.detach()).requires_grad_()
        other.grad = layout(plain.grad)
        others.append(other)
    clip_grad_agc_(plain, unit=unit, backend=backend)
    for other in others:
        strides = other.grad.stride()
        clip_grad_agc_(other, unit=unit, backend=backend)
        assert other.grad.stride() == strides
        torch.testing.assert_close(other.grad, plain.grad, rtol=1e-6, atol=0)


def test_bfloat16_norms_are_taken_in_float32():
    wide = leaf((4, 4096), 10.0, torch.float64)
    half = wide.detach().bfloat16().requires_grad_()
    half.grad = wide.grad.bfloat16()
    clip_grad_agc_([wide])
    clip_grad_agc_([half])
    torch.testing.assert_close(half.grad.double(), wide.grad, rtol=2e-2, atol=1e-7)


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_mixed_dtypes_in_one_call(backend):
    tensors = [leaf((3,), 9.0, dtype) for dtype in (torch.float32, torch.bfloat16, torch.float64)]
    tensors.append(leaf((4, 3), 9.0, torch.bfloat16))
    statistics = clip_grad_agc_(tensors, backend=backend)
    assert statistics.units == int(statistics.clipped_units) == 7
    assert clip_grad_norm_(tensors, 1e-3).units == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_factor": 0.0}, "clip_factor=0.0"),
        ({"eps": -1.0}, "eps=-1.0"),
        ({"eps": [0.1]}, "eps: 1 floors for 0 parameters; give one for each, or a number"),
        ({"clip_factor": torch.nan}, "clip_factor=nan: give a positive number"),
        ({"backend": "fast"}, "unknown clipping backend 'fast'; choose one of eager, native, bucketed, triton"),
        ({"unit": "layer"}, "unknown unit 'layer'; choose one of deepmind, timm, tensor"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        clip_grad_agc_([], **arguments)
    with pytest.raises(ValueError, match="max_norm=0"):
        clip_grad_norm_([], 0)
