"""Convolutions in bfloat16 computed in float32: the rounding of bfloat16 hardware."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from normfree.nets import create_model, emulated_bfloat16
from normfree.nets.emulated_bfloat16 import is_emulated, wide_conv2d
from normfree.nets.padding import same_conv2d

HALF_ULP = 2.0**-8


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("stride", "groups", "biased"), [(1, 1, True), (2, 4, True), (1, 8, False)])
def test_it_rounds_once_going_in_and_once_coming_out(layout, stride, groups, biased):
    torch.manual_seed(0)
    x = torch.randn(2, 16, 9, 11).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(24, 16 // groups, 3, 3).requires_grad_()
    bias = torch.randn(24).requires_grad_() if biased else None
    inputs = [one for one in (x, weight, bias) if one is not None]
    exact = [one.detach().bfloat16().double().requires_grad_() for one in inputs]
    expected = F.conv2d(exact[0], exact[1], exact[2] if biased else None, stride, 1, 1, groups)
    found = wide_conv2d(x, weight, bias, stride, (1, 1), groups)
    assert found.dtype == torch.bfloat16
    assert float(((found.detach() - expected.detach()) / expected.detach()).abs().max()) <= 1.01 * HALF_ULP
    gradient = torch.randn_like(found)
    wanted = torch.autograd.grad(expected, exact, gradient.double())
    for ours, theirs in zip(torch.autograd.grad(found, inputs, gradient), wanted, strict=True):
        assert ours.dtype == torch.float32
        assert float((ours - theirs).abs().max()) <= 1.01 * HALF_ULP * float(theirs.abs().max())


def test_only_bfloat16_is_kept_for_the_backward_pass():
    kept = []
    x, weight = torch.randn(2, 8, 6, 6, requires_grad=True), torch.randn(8, 8, 3, 3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.dtype) or one, lambda one: one):
        wide_conv2d(x, weight, None, 1, (1, 1), 1)
    assert set(kept) == {torch.bfloat16}


def test_where_it_is_used(monkeypatch):
    monkeypatch.setattr(emulated_bfloat16, "_without_bfloat16_arithmetic", lambda: True)
    x = torch.randn(1, 4, 8, 8)
    assert not is_emulated(x)
    assert is_emulated(x.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert is_emulated(x)
        assert not is_emulated(x.double())
        assert same_conv2d(x, torch.randn(4, 4, 3, 3), None, 2, 1).dtype == torch.bfloat16
    assert not is_emulated(torch.empty(1, device="meta", dtype=torch.bfloat16))
    monkeypatch.setattr(emulated_bfloat16, "_without_bfloat16_arithmetic", lambda: False)
    assert not is_emulated(x.bfloat16())


@pytest.mark.parametrize("name", ["nfnet_nano", "resnet20"])
def test_a_network_computes_what_it_does_with_torchs_own(name, monkeypatch):
    torch.manual_seed(0)
    model = create_model(name, 10, in_channels=1)
    torch.nn.init.normal_(model.classifier.weight, std=0.1)
    images, results = torch.randn(8, 1, 16, 16), []
    for emulated in (True, False):
        monkeypatch.setattr(emulated_bfloat16, "_without_bfloat16_arithmetic", lambda emulated=emulated: emulated)
        with torch.autocast("cpu", torch.bfloat16):
            results.append(model(images).float())
    torch.testing.assert_close(results[0], results[1], rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("machine", "supported", "without"),
    [("x86_64", False, True), ("x86_64", True, False), ("aarch64", False, False)],
)
def test_what_torch_says_of_the_processor_counts_on_x86_alone(machine, supported, without, monkeypatch):
    monkeypatch.setattr(emulated_bfloat16.platform, "machine", lambda: machine)
    for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, check, lambda: supported)
    assert emulated_bfloat16._without_bfloat16_arithmetic.__wrapped__() is without
