"""Convolutions, activations and scalars of the released code."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from normfree.nets import WSConv2d, create_model
from normfree.nets.activations import ACTIVATIONS
from normfree.nets.scaling import expected_stds
from normfree.nets.stochastic_depth import stochastic_depth_rates
from normfree.nets.weight_standardization import standardize_weight

CASES = [
    "a_3x3_s1",
    "b_3x3_s2_even",
    "c_3x3_s2_odd",
    "d_1x1",
    "e_grouped_s2",
    "f_7x7_s2",
    "g_depthwise",
    "h_fan_in_1",
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("case", CASES)
def test_weight_standardized_convolution(golden_file, case, layout):
    arrays = golden_file("dm_wsconv.npz")
    assert sorted({key.split(":")[0] for key in arrays}) == CASES
    kernel, stride, groups = arrays[f"{case}:cfg"].tolist()
    weight = arrays[f"{case}:w"].double().permute(3, 2, 0, 1)
    x = arrays.images(f"{case}:x").contiguous(memory_format=layout).requires_grad_()
    conv = WSConv2d(x.shape[1], weight.shape[0], kernel, stride, groups).double()
    conv.load_state_dict({"weight": weight, "gain": arrays[f"{case}:gain"], "bias": arrays[f"{case}:bias"]})
    conv = conv.to(memory_format=layout)
    y = conv(x)
    y.sin().sum().backward()
    expected = {
        "y": (y.permute(0, 2, 3, 1), 1e-12),
        "w_std": (conv.effective()[0].permute(2, 3, 1, 0), 1e-12),
        "d_x": (x.grad.permute(0, 2, 3, 1), 1e-11),
        "d_w": (conv.weight.grad.permute(2, 3, 1, 0), 1e-9),
        "d_gain": (conv.gain.grad, 1e-11),
        "d_bias": (conv.bias.grad, 1e-11),
    }
    for key, (got, tolerance) in expected.items():
        wanted = arrays[f"{case}:{key}"]
        error = float((got.detach() - wanted).abs().max())
        assert error <= tolerance * max(1.0, float(wanted.abs().max())), key


def test_standardization_gradient_is_the_derivative():
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    weight[1] = 0.3 + 1e-4 * weight[1]
    gain = torch.rand(4, dtype=torch.float64) + 0.5
    inputs = (weight.requires_grad_(), gain.requires_grad_(), 1.7)
    assert torch.autograd.gradcheck(standardize_weight, inputs, eps=1e-7)


def test_activations(golden_file):
    arrays = golden_file("dm_activations.npz")
    names = sorted(set(arrays) - {"x"})
    assert len(names) == 13
    for name in names:
        nonlinearity = ACTIVATIONS[name]
        got = nonlinearity.function(arrays["x"]) * nonlinearity.gamma
        assert float((got - arrays[name]).abs().max()) < 1e-12, name


@pytest.mark.parametrize("level", ["0", "1", "2", "3", "4", "5", "6", "7", "4+"])
def test_beta_and_drop_rates_of_the_f_series(golden_file, level):
    row = golden_file("dm_variants.json")[f"F{level}"]
    with torch.device("meta"):
        model = create_model("nfnet_f" + level.replace("+", "_plus"))
    assert [1 / block.expected_std for block in model.blocks] == pytest.approx(row["beta"], rel=1e-14)
    rates = [block.stochastic_depth_rate for block in model.blocks]
    assert rates == pytest.approx(row["stochdepth_at_0_25"], rel=1e-14)


def test_variance_starts_again_after_the_first_block_of_a_stage():
    alpha = 0.5
    assert expected_stds([2, 2], alpha) == pytest.approx([1, 1.25**0.5, 1.5**0.5, 1.25**0.5])
    assert stochastic_depth_rates(0.2, 4) == pytest.approx([0, 0.05, 0.1, 0.15])


class OperationNames(TorchDispatchMode):
    """Notes every operation."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func._schema.name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_standardization_copies_no_weight(layout):
    """Flattening a channels-last weight the usual way would copy it."""
    conv = WSConv2d(16, 24, 3).to(memory_format=layout)
    with OperationNames() as operations:
        weight = conv.effective()[0]
        weight.backward(torch.randn_like(weight))
    assert weight.is_contiguous(memory_format=layout)
    assert not {"aten::clone", "aten::copy_", "aten::contiguous"} & set(operations.names)
    assert conv.weight.grad.is_contiguous(memory_format=layout)


def test_standardization_below_and_above_the_floor_is_one_function():
    """The quick way on a processor and the formula itself, on filters around the floor and far from it."""
    torch.manual_seed(0)
    weight = torch.randn(6, 5, 3, 3, dtype=torch.float64)
    gain = torch.rand(6, dtype=torch.float64) + 0.5
    for smallest in (1.0, 2e-3, 1.01e-2 / 45**0.5, 0.99e-2 / 45**0.5, 1e-12, 0.0):
        scaled = (
            weight * torch.tensor([1, 3, 1, 1, 1, smallest], dtype=torch.float64).view(-1, 1, 1, 1)
        ).requires_grad_()
        gains = gain.clone().requires_grad_()
        found = torch.autograd.grad(standardize_weight(scaled, gains, 1.7).sin().sum(), (scaled, gains))
        centred = scaled - scaled.mean((1, 2, 3), keepdim=True)
        variance = centred.square().sum((1, 2, 3), keepdim=True).clamp(min=1e-4)
        wanted_weight = centred * gains.view(-1, 1, 1, 1) * 1.7 / variance.sqrt()
        wanted = torch.autograd.grad(wanted_weight.sin().sum(), (scaled, gains))
        torch.testing.assert_close(standardize_weight(scaled, gains, 1.7), wanted_weight, rtol=1e-12, atol=1e-14)
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
