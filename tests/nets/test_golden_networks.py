"""The networks compute what the released code computes, in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.nets.haiku_names import from_haiku


def relative(got: Tensor, expected: Tensor) -> float:
    got = got.detach()
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-300))


def block_outputs(model, x):
    outputs: list[Tensor] = []
    handles = [block.register_forward_hook(lambda _m, _i, y: outputs.append(y)) for block in model.blocks]
    logits = model(x)
    for handle in handles:
        handle.remove()
    return logits, outputs


@pytest.mark.parametrize("size", ["32x32", "75x53"])
def test_nfnet_logits_and_blocks(nfnet_tiny, nfnet_arrays, size):
    logits, blocks = block_outputs(nfnet_tiny, nfnet_arrays.images(f"input:{size}"))
    assert relative(logits, nfnet_arrays[f"out:{size}:logits"]) < 1e-10
    for index, block in enumerate(blocks):
        name = f"inter:{size}:NFNet/~/nf_block" + (f"_{index}" if index else "")
        assert relative(block, nfnet_arrays.images(name)) < 1e-6
        variance = block.var((0, 2, 3), correction=0).mean()
        assert relative(variance, nfnet_arrays[f"out:{size}:avg_var_{index + 1}"]) < 1e-10


@pytest.mark.parametrize("size", ["32x32", "45x71"])
def test_nf_resnet_logits_and_blocks(nf_resnet_tiny, nf_resnet_arrays, size):
    logits, blocks = block_outputs(nf_resnet_tiny, nf_resnet_arrays.images(f"input:{size}"))
    assert relative(logits, nf_resnet_arrays[f"out:{size}:logits"]) < 1e-10
    for index, block in enumerate(blocks):
        variance = block.var((0, 2, 3), correction=0).mean()
        assert relative(variance, nf_resnet_arrays[f"out:{size}:avg_var_{index + 1}"]) < 1e-10


@pytest.mark.parametrize("network", ["nfnet", "nf_resnet"])
def test_gradients(request, network):
    model = request.getfixturevalue(f"{network}_tiny")
    arrays = request.getfixturevalue(f"{network}_arrays")
    logits = model(arrays.images("input:32x32"))
    loss = F.cross_entropy(logits, arrays["labels"], label_smoothing=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["loss_ls0.1"]), rel=1e-12)
    expected = from_haiku(arrays.under("grad:"))
    assert set(expected) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert relative(parameter.grad, expected[name]) < 1e-9, name


def test_batchnorm_resnet_with_batch_statistics(resnet_tiny, resnet_arrays):
    logits = resnet_tiny.train()(resnet_arrays.images("input"))
    assert relative(logits, resnet_arrays["train:logits"]) < 1e-10


def test_batchnorm_resnet_with_moving_averages(resnet_tiny, resnet_arrays):
    averages = from_haiku(resnet_arrays.under("state_after2:"))
    resnet_tiny.load_state_dict({k: v.double() for k, v in averages.items()}, strict=False)
    assert sum("running" in name for name in averages) == sum(
        "running" in name for name, _ in resnet_tiny.named_buffers()
    )
    logits = resnet_tiny.eval()(resnet_arrays.images("input"))
    assert relative(logits, resnet_arrays["eval:logits"]) < 1e-10


def test_channels_last_is_the_same_function(nfnet_tiny, nfnet_arrays):
    model = nfnet_tiny.to(memory_format=torch.channels_last)
    x = nfnet_arrays.images("input:75x53").contiguous(memory_format=torch.channels_last)
    assert relative(model(x), nfnet_arrays["out:75x53:logits"]) < 1e-10
