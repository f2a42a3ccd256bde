"""NF-RegNets: the released code's numbers, and what its own counter says of its cost."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.nets import WSConv2d, count_macs, create_model, model_info
from normfree.nets.haiku_names import from_haiku

SHAPE = {"width": [12, 18, 30, 36], "depth": [1, 2, 2, 1]}


@pytest.fixture
def arrays(golden_file):
    return golden_file("dm_nf_regnet_tiny.npz")


@pytest.fixture
def model(arrays):
    network = create_model("nf_regnet_b0", 10, drop_rate=0.0, stochastic_depth_rate=0.0, **SHAPE).double()
    network.load_state_dict({name: value.double() for name, value in from_haiku(arrays.under("param:")).items()})
    return network.eval()


def relative(got: Tensor, expected: Tensor) -> float:
    return float((got.detach() - expected).abs().max() / expected.abs().max().clamp(min=1e-300))


@pytest.mark.parametrize("size", ["64x64", "51x37"])
def test_logits_pool_and_blocks(model, arrays, size):
    outputs: list[Tensor] = []
    for module in (model.stem_conv, *model.blocks):
        module.register_forward_hook(lambda _m, _i, y: outputs.append(y.detach()))
    x = arrays.images(f"input:{size}")
    assert relative(model(x), arrays[f"out:{size}:logits"]) < 1e-10
    assert relative(model.forward_features(x).mean((2, 3)), arrays[f"out:{size}:pool"]) < 1e-10
    for index, output in enumerate(outputs[:7]):
        assert relative(output.var((0, 2, 3), correction=0).mean(), arrays[f"out:{size}:avg_var_{index}"]) < 1e-10
        squared_mean = output.mean((0, 2, 3)).square().mean()
        assert relative(squared_mean, arrays[f"out:{size}:avg_sq_mean_{index}"]) < 1e-10


def test_gradients(model, arrays):
    """The golden gradients are rounded to float32."""
    loss = F.cross_entropy(model(arrays.images("input:64x64")), arrays["labels"], label_smoothing=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["loss_ls0.1"]), rel=1e-12)
    expected = from_haiku(arrays.under("grad:"))
    assert set(expected) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert relative(parameter.grad, expected[name].double()) < 1e-6, name


def test_variance_and_stochastic_depth_of_every_block(arrays):
    network = create_model("nf_regnet_b0", 10, **SHAPE)
    for index, block in enumerate(network.blocks):
        assert 1 / block.expected_std == pytest.approx(float(arrays["beta"][index]), rel=1e-14)
        assert block.stochastic_depth_rate == pytest.approx(float(arrays["stochdepth_rate"][index]), rel=1e-14)
        assert block.alpha == float(arrays["alpha"][index])


@pytest.mark.parametrize("level", range(6))
def test_flops_of_the_released_counter(golden_file, level):
    """It halves sides without rounding: B2, and B5 at 456 px, end on maps of 7.5, 8.5 and 14.25 pixels there.

    The network itself rounds up, and so does `count_macs`.
    """
    row, info = golden_file("dm_variants.json")[f"NF-RegNet-B{level}"], model_info(f"nf_regnet_b{level}")
    with torch.device("meta"):
        network = create_model(info.name).eval()
    for size, published in ((info.train_size, row["flops_train"]), (info.test_size, row["flops_test"])):
        fractional = _macs_with_fractional_sides(network, size)
        assert fractional == published
        assert (count_macs(network, size) == published) == (size % 32 == 0)


def _macs_with_fractional_sides(network: nn.Module, size: int) -> float:
    total = 0.0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        halvings = 0 if output.ndim == 2 else next(k for k in range(9) if -(-size // 2**k) == output.shape[2])
        total += module.weight.numel() * (1 if output.ndim == 2 else (size / 2**halvings) ** 2)

    layers = [module for module in network.modules() if isinstance(module, (WSConv2d, nn.Linear))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    network(torch.empty(1, 3, size, size, device="meta"))
    for handle in handles:
        handle.remove()
    return total


def test_a_group_wider_than_the_block_is_named():
    with pytest.raises(ValueError, match="group_size=64 is more than a block's inner width=36"):
        create_model("nf_regnet_b0", group_size=64)


def test_a_fresh_network_is_its_shortcuts_and_gates_act_on_the_inner_map():
    network = create_model("nf_regnet_b0", 5, **SHAPE)
    nn.init.normal_(network.classifier.weight)
    x = torch.randn(2, 3, 33, 32)
    before = network.eval()(x)
    for block in network.blocks:
        nn.init.normal_(block.conv1.bias)
        assert block.squeeze_excite.expand.out_features == block.conv1.out_channels
    assert torch.equal(network(x), before)
