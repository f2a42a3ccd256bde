"""BatchNorm twins of NFNets: the same network but for what normalises it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normfree.nets import (
    WSConv2d,
    count_macs,
    count_parameters,
    create_model,
    list_models,
    model_info,
    model_options,
    norm_batch,
)
from normfree.nets.normalizers import normalizer_options
from normfree.nets.padding import SameConv2d
from normfree.nets.squeeze_excite import SqueezeExcite


def meta(name, **overrides):
    with torch.device("meta"):
        return create_model(name, **overrides)


def layers(network):
    """Name to shape, stride and groups of every convolution, and shapes of gates and classifier."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, (WSConv2d, SameConv2d)):
            stride = module.stride if isinstance(module.stride, int) else module.stride[0]
            found[name] = (tuple(module.weight.shape), stride, module.groups)
        elif isinstance(module, nn.Linear):
            found[name] = tuple(module.weight.shape)
    return found


@pytest.mark.parametrize("name", list_models("bn_nfnet"))
def test_every_layer_is_the_twins(name):
    info = model_info(name)
    twin = model_info(info.twin)
    assert (twin.twin, twin.train_size, twin.test_size) == (name, info.train_size, info.test_size)
    ours, theirs = meta(name), meta(info.twin)
    assert layers(ours) == layers(theirs)
    assert count_macs(ours, 64) == count_macs(theirs, 64)
    for block, other in zip(ours.blocks, theirs.blocks, strict=True):
        assert (block.stage, block.stride) == (other.stage, other.stride)
        assert block.stochastic_depth_rate == other.stochastic_depth_rate
        assert block.activation is other.activation
    options, others = model_options(name), model_options(info.twin)
    assert set(options) - set(others) == {"normalizer", *normalizer_options()}
    assert set(others) - set(options) == {"alpha", "standardization", "round_groups"}
    assert all(options[key] == others[key] for key in set(options) & set(others))


@pytest.mark.parametrize("name", list_models("bn_nfnet"))
def test_what_normalises_it(name):
    """A BatchNorm before each nonlinearity: one a convolution, but for the projections and the first of the stem."""
    network = meta(name)
    assert not [key for key, _ in network.named_parameters() if "gain" in key]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [module for module in network.modules() if isinstance(module, SameConv2d)]
    projections = sum(block.conv_shortcut is not None for block in network.blocks)
    assert len(norms) == len(convolutions) - projections - 1
    assert all(conv.bias is None for conv in convolutions)
    linear = sum(p.numel() for m in network.modules() if isinstance(m, nn.Linear) for p in m.parameters())
    scales = sum(2 * norm.num_features for norm in norms)
    assert count_parameters(network) == scales + linear + sum(conv.weight.numel() for conv in convolutions)


def test_gates_are_not_doubled_and_the_branch_is_normalised():
    block = create_model("bn_nfnet_nano", 3).blocks[0]
    assert isinstance(block.squeeze_excite, SqueezeExcite)
    nn.init.zeros_(block.squeeze_excite.expand.weight)
    x = torch.randn(4, 16, 8, 8)
    activated = block.activation(block.bn0(x))
    branch = activated
    for conv, norm in ((block.conv0, block.bn1), (block.conv1, block.bn1b), (block.conv1b, block.bn2)):
        branch = block.activation(norm(conv(branch)))
    expected = block.conv_shortcut(activated) + 0.5 * block.conv2(branch)
    torch.testing.assert_close(block(x), expected)


def test_it_trains_with_every_option_and_knows_its_batch():
    model = create_model("bn_nfnet_nano", 3, ghost_batch=2, stochastic_depth_rate=0.3, drop_rate=0.1)
    assert norm_batch(model, 8) == 2
    model(torch.randn(4, 3, 15, 17)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(ValueError, match="group_size=64 is more than half of a stage's width=32"):
        create_model("bn_nfnet_nano", group_size=64)
    with pytest.raises(ValueError, match="half of a stage's width=40 is no multiple of group_size=16"):
        create_model("bn_nfnet_nano", width=[40, 64, 128])


@pytest.mark.parametrize("name", ["nfnet_nano", "bn_nfnet_nano"])
def test_the_bottleneck_ratio_is_the_width_of_the_inner_convolutions(name: str) -> None:
    for ratio, inner in ((None, [16, 32, 32, 64]), (0.5, [16, 32, 32, 64]), (1.0, [32, 64, 64, 128])):
        network = create_model(name, **({} if ratio is None else {"bottleneck_ratio": ratio}))
        assert [block.conv1.out_channels for block in network.blocks] == inner
    with pytest.raises(ValueError, match=r"0\.75 times a stage's width=32 is no multiple of group_size=16; give"):
        create_model(name, bottleneck_ratio=0.75)
    with pytest.raises(ValueError, match="bottleneck_ratio=0: give a number above 0"):
        create_model(name, bottleneck_ratio=0)
