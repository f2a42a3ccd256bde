"""What holds for every network, whatever its values."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from normfree.nets import create_model, list_models, model_info, skip_gains
from normfree.nets.padding import same_avg_pool2d, same_conv2d, same_max_pool2d, same_padding
from normfree.nets.residual import scaled_residual
from normfree.nets.weight_standardization import WSConv2d

SMALL = ["resnet20", "nf_resnet20", "nfnet_nano"]
NORM_FREE = ["nf_resnet20", "nfnet_nano"]


def build(name, **overrides):
    model = create_model(name, 10, **overrides)
    for gain in skip_gains(model):
        nn.init.uniform_(gain, 0.3, 0.9)
    return model


@pytest.mark.parametrize("name", NORM_FREE)
def test_a_sample_does_not_see_its_batch(name):
    model, x = build(name).double(), torch.randn(5, 3, 15, 17, dtype=torch.float64)
    with torch.no_grad():
        alone, together = torch.cat([model(sample[None]) for sample in x]), model(x)
    assert float((together - alone).abs().max()) <= 1e-12


@pytest.mark.parametrize("name", NORM_FREE)
def test_training_equals_evaluation_without_regularisers(name):
    model, x = build(name).double(), torch.randn(3, 3, 16, 16, dtype=torch.float64)
    assert torch.equal(model.train()(x), model.eval()(x))


@pytest.mark.parametrize("name", NORM_FREE)
def test_a_fresh_network_is_its_shortcuts(name):
    model = create_model(name, 10)
    gains = skip_gains(model)
    assert len(gains) == len(model.blocks)
    assert all(gain.shape == () and gain.item() == 0 for gain in gains)
    x = torch.randn(2, 3, 16, 16)
    before = model(x)
    for block in model.blocks:
        nn.init.normal_(block.conv1.bias)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [14, 32, 64])
def test_shapes(name, size):
    model = create_model(name, 7, in_channels=1).eval()
    x = torch.randn(2, 1, size, size)
    features = model.forward_features(x)
    assert features.shape[:1] == (2,)
    assert features.shape[2] == -(-size // 4)
    assert model(x).shape == (2, 7)
    assert isinstance(model.classifier, nn.Linear)
    pooled = create_model(name, 0, in_channels=1).eval()
    assert isinstance(pooled.classifier, nn.Identity)
    assert pooled(x).shape == (2, features.shape[1])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_autocast_keeps_weights_and_gradients_in_float32(name, layout):
    model = build(name).to(memory_format=layout)
    x = torch.randn(4, 3, 14, 14).contiguous(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(x)
    assert logits.dtype == torch.bfloat16
    logits.float().square().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()
    expected = model(x)
    logits, expected = logits.detach(), expected.detach()
    assert float((logits - expected).norm() / expected.norm().clamp(min=1e-6)) < 0.1


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name):
    model = build(name)
    if isinstance(model.classifier, nn.Linear):
        nn.init.normal_(model.classifier.weight)
    model(torch.randn(4, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_stochastic_depth_drops_samples_and_does_not_rescale():
    shortcut, branch = torch.zeros(2000, 3, 1, 1), torch.ones(2000, 3, 1, 1)
    out = scaled_residual(shortcut, branch, torch.full((2000, 3), 0.5), drop_rate=0.25)
    assert set(out.unique().tolist()) == {0.0, 0.5}
    assert torch.equal(out[:, 0], out[:, 2])
    assert float((out > 0).float().mean()) == pytest.approx(0.75, abs=0.05)


def test_stochastic_depth_is_off_in_evaluation_and_never_drops_the_first_block():
    model = build("nf_resnet20", stochastic_depth_rate=0.9).eval()
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(model(x), model(x))
    assert model.blocks[0].stochastic_depth_rate == 0
    model.train()
    torch.manual_seed(1)
    first = model(x)
    assert not torch.equal(first, model(x))


@pytest.mark.parametrize("name", SMALL)
def test_dropout_is_before_the_classifier_only(name):
    model = build(name, drop_rate=0.5)
    features = []
    model.classifier.register_forward_hook(lambda _m, inputs, _y: features.append(inputs[0]))
    model(torch.randn(4, 3, 16, 16))
    assert float((features[0] == 0).float().mean()) > 0.2
    model.eval()(torch.randn(4, 3, 16, 16))


def test_initial_values():
    torch.manual_seed(0)
    nf, bn = create_model("nf_resnet50", 10), create_model("resnet50", 10)
    conv = nf.blocks[8].conv1
    assert conv.weight.std().item() == pytest.approx((9 * 256) ** -0.5, rel=0.02)
    assert conv.weight.abs().max().item() > 3 * (9 * 256) ** -0.5
    assert (conv.gain == 1).all()
    assert (conv.bias == 0).all()
    assert nf.classifier.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert (bn.classifier.weight == 0).all()
    weight = bn.blocks[8].conv1.weight
    assert weight.abs().max().item() <= 2 * (9 * 256) ** -0.5 * (1 + 1e-6)
    assert weight.std().item() == pytest.approx(0.8796 * (9 * 256) ** -0.5, rel=0.02)


def test_same_padding_is_that_of_jax():
    assert same_padding(32, 3, 2) == (0, 1)
    assert same_padding(33, 3, 2) == (1, 1)
    assert same_padding(224, 7, 2) == (2, 3)
    assert same_padding(5, 1, 2) == (0, 0)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (6, 7), (2, 1), (1, 2)])
def test_pools_pad_like_jax(height, width):
    x = torch.randn(2, 3, height, width)
    top, bottom = same_padding(height, 3, 2)
    left, right = same_padding(width, 3, 2)
    padded = nn.functional.pad(x, (left, right, top, bottom), value=-torch.inf)
    assert torch.equal(same_max_pool2d(x), nn.functional.max_pool2d(padded, 3, 2))
    ones = torch.ones_like(x)
    assert torch.equal(same_avg_pool2d(ones), torch.ones(2, 3, -(-height // 2), -(-width // 2)))
    weight = torch.randn(4, 3, 3, 3)
    assert same_conv2d(x, weight, None, 2, 1).shape[2:] == (-(-height // 2), -(-width // 2))


@pytest.mark.parametrize("name", [name for name in list_models() if not name.startswith("nfnet_f")])
def test_every_network_says_what_normalises_it(name):
    with torch.device("meta"):
        model = create_model(name, 5, in_channels=2)
    assert model.normalizer == model_info(name).normalizer
    assert model(torch.empty(2, 2, 64, 64, device="meta")).shape == (2, 5)
    assert [block.stage for block in model.blocks] == sorted(block.stage for block in model.blocks)
    assert bool(skip_gains(model)) == (model.normalizer == "none" and model_info(name).family != "speednet")


@pytest.mark.parametrize("name", SMALL)
def test_torch_compile_sees_one_graph(name):
    overrides = {"ghost_batch": 2} if name == "resnet20" else {"stochastic_depth_rate": 0.1}
    model = build(name, depth=[1, 1], width=[32, 32], **overrides)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = torch.randn(4, 3, 8, 8)
    compiled(x).sum().backward()
    model.eval()
    torch.testing.assert_close(compiled(x), model(x))


@pytest.mark.parametrize("name", ["nf_resnet50", "nfnet_f0", "nf_regnet_b0"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_keep_the_memory_format_of_the_images(name: str, layout: torch.memory_format) -> None:
    """A 1x1 weight is contiguous in both formats: taken for the other one it would turn every map after it."""
    network = create_model(name, depth=[1, 1, 1, 1]).to(memory_format=layout)
    turned: list[str] = []

    def look(name: str, output: Tensor) -> None:
        if output.dim() == 4 and not output.is_contiguous(memory_format=layout):
            turned.append(name)

    for part, module in network.named_modules():
        if isinstance(module, WSConv2d):
            module.register_forward_hook(lambda _m, _i, output, part=part: look(part, output))
    network(torch.randn(2, 3, 64, 64).to(memory_format=layout))
    assert turned == []
