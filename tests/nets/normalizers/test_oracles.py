"""Each layer against torch's, timm's, or numbers worked out here in another way: values and gradients in float64."""

from __future__ import annotations

import math

import pytest
import timm.layers
import torch
from torch import Tensor, nn

from normfree.nets import create_model
from normfree.nets.normalizers import normalization
from normfree.nets.normalizers.branches import branches
from normfree.nets.normalizers.evonorm import EvoNormB0, EvoNormS0
from normfree.nets.normalizers.frn import FilterResponseNorm, FilterResponseNormTLU
from normfree.nets.normalizers.groupnorm import group_count, group_norm
from normfree.nets.normalizers.groupnorm_ws import StandardizedConv2d
from normfree.nets.normalizers.pointwise import DynamicErf, DynamicTanh, unit_gain

CHANNELS = 12
CLOSE = 1e-10


def drawn(layer: nn.Module) -> nn.Module:
    """Values under which every parameter matters."""
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.4, 1.4)
    return layer.double()


def agree(
    ours: nn.Module, theirs: nn.Module, names: dict[str, str], shape: tuple[int, ...] = (4, CHANNELS, 5, 7)
) -> None:
    """`names`: our parameters -> theirs; images, values and gradients."""
    drawn(ours)
    theirs = theirs.double()
    own, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert own.keys() == names.keys()
    with torch.no_grad():
        for mine, yours in names.items():
            other[yours].copy_(own[mine].view_as(other[yours]))
    x = torch.randn(shape, dtype=torch.float64)
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn_like(x)
    (ours(first) * weight).sum().backward()
    (theirs(second) * weight).sum().backward()
    pairs = [(ours(x), theirs(x)), (first.grad, second.grad)]
    pairs += [(own[mine].grad, other[yours].grad.view_as(own[mine])) for mine, yours in names.items()]
    for mine, yours in pairs:
        torch.testing.assert_close(mine, yours, rtol=CLOSE, atol=CLOSE)


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def test_groups_of_torch() -> None:
    agree(group_norm(CHANNELS, groups=3), nn.GroupNorm(3, CHANNELS), same("weight", "bias"))
    agree(
        normalization("instancenorm").kind.layer(CHANNELS),
        nn.InstanceNorm2d(CHANNELS, affine=True),
        same("weight", "bias"),
    )
    agree(normalization("layernorm").kind.layer(CHANNELS), nn.GroupNorm(1, CHANNELS), same("weight", "bias"))


def test_layernorm_is_torchs_over_the_whole_image() -> None:
    x = torch.randn(3, CHANNELS, 5, 4, dtype=torch.float64)
    ours = normalization("layernorm").kind.layer(CHANNELS).double()
    torch.testing.assert_close(ours(x), nn.functional.layer_norm(x, x.shape[1:]), rtol=CLOSE, atol=CLOSE)


def test_batchnorm_is_torchs() -> None:
    agree(normalization("batchnorm").kind.layer(CHANNELS), nn.BatchNorm2d(CHANNELS), same("weight", "bias"))


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm takes statistics in float32, whatever it is given."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


@pytest.mark.usefixtures("wide")
def test_frn_is_timms() -> None:
    theirs = timm.layers.FilterResponseNormTlu2d(CHANNELS, eps=1e-6)
    agree(FilterResponseNormTLU(CHANNELS), theirs, same("weight", "bias", "tau"))
    theirs = timm.layers.FilterResponseNormAct2d(CHANNELS, apply_act=False, eps=1e-6)
    agree(FilterResponseNorm(CHANNELS), theirs, same("weight", "bias"))


@pytest.mark.usefixtures("wide")
def test_evonorm_s0_is_timms() -> None:
    agree(EvoNormS0(CHANNELS, groups=4), timm.layers.EvoNorm2dS0(CHANNELS, groups=4), same("weight", "bias", "v"))


@pytest.mark.usefixtures("wide")
def test_evonorm_b0_is_timms_and_so_is_its_running_variance() -> None:
    ours, theirs = EvoNormB0(CHANNELS), timm.layers.EvoNorm2dB0(CHANNELS)
    agree(ours, theirs, same("weight", "bias", "v"))
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=CLOSE, atol=CLOSE)
    agree(ours.eval(), theirs.eval(), same("weight", "bias", "v"))


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_standardised_weights_are_timms(kernel: int, stride: int) -> None:
    ours = StandardizedConv2d(CHANNELS, 8, kernel, stride)
    theirs = timm.layers.StdConv2dSame(CHANNELS, 8, kernel, stride, eps=1e-6)
    drawn(ours)
    theirs.double().weight.data.copy_(ours.weight)
    x = torch.randn(3, CHANNELS, 9, 8, dtype=torch.float64)
    ours(x).square().sum().backward()
    theirs(x).square().sum().backward()
    torch.testing.assert_close(ours(x), theirs(x), rtol=CLOSE, atol=CLOSE)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=CLOSE, atol=CLOSE * 100)


class PlainTanh(nn.Module):
    """DyT as its formula is written."""

    def __init__(self, erf: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(()))
        self.shift = nn.Parameter(torch.zeros(())) if erf else 0.0
        self.weight, self.bias = (nn.Parameter(torch.zeros(CHANNELS)) for _ in range(2))
        self.erf = erf

    def forward(self, x: Tensor) -> Tensor:
        inner = x.permute(0, 2, 3, 1) * self.alpha + self.shift
        outer = 1 - torch.erfc(inner) if self.erf else 2 * torch.sigmoid(2 * inner) - 1
        return (outer * self.weight + self.bias).permute(0, 3, 1, 2)


def test_dyt_and_derf_are_their_formulas() -> None:
    agree(DynamicTanh(CHANNELS), PlainTanh(erf=False), same("alpha", "weight", "bias"))
    agree(DynamicErf(CHANNELS), PlainTanh(erf=True), same("alpha", "shift", "weight", "bias"))


@pytest.mark.parametrize("layer", [DynamicTanh, DynamicErf])
def test_bounded_functions_begin_as_published_or_at_unit_variance(layer: type[DynamicTanh] | type[DynamicErf]) -> None:
    published = layer(CHANNELS)
    assert (published.alpha.item(), published.weight.unique().tolist()) == (0.5, [1.0])
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200, CHANNELS, 40, 40, generator=generator)
    with torch.no_grad():
        assert layer(CHANNELS, preserve_variance=True)(z).var().item() == pytest.approx(1, abs=5e-3)
    # For tanh: E[tanh(z / 2) ** 2] by an integral of the logistic function.
    assert unit_gain(torch.erf, math.sqrt(0.5)) == pytest.approx(math.sqrt(3), rel=1e-9)  # 2 Phi(z) - 1 is uniform
    with pytest.raises(ValueError, match="alpha_init=-1"):
        layer(CHANNELS, alpha_init=-1)


@pytest.mark.parametrize(
    ("channels", "groups"), [(16, 4), (32, 8), (64, 16), (128, 32), (160, 32), (2048, 32), (6, 1), (3, 1)]
)
def test_groups_left_alone(channels: int, groups: int) -> None:
    assert group_count(channels) == groups


def deviations(network: nn.Module) -> list[list[float]]:
    """Root mean square of each convolution of each branch, times the square root of its fan-in."""
    return [
        [float(c.weight.detach().square().mean() * c.weight[0].numel()) ** 0.5 for c in convs]
        for convs in branches(network)
    ]


def test_fixup_begins_where_it_says() -> None:
    torch.manual_seed(0)
    basic = create_model("resnet56", 10, normalizer="fixup")
    for first, last in deviations(basic):
        # 27 blocks of two convolutions: He's sqrt(2) times 27 ** (-1 / 2).
        assert first == pytest.approx(1.4142 * 0.19245, rel=0.1)
        assert last == 0
    bottleneck = create_model("resnet50", 10, normalizer="fixup", width=[64, 128, 256, 512])
    for first, second, last in deviations(bottleneck):
        # 16 blocks of three: sqrt(2) times 16 ** (-1 / 4), which is 0.5.
        assert (first, second) == pytest.approx((0.7071, 0.7071), rel=0.1)
        assert last == 0
    assert basic.classifier.weight.abs().max() == 0
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(basic.blocks[1](x := torch.randn(2, 16, 8, 8)), x)


def test_fixup_is_its_formula() -> None:
    block = create_model("resnet20", 10, normalizer="fixup").double().blocks[1]
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    values = dict(block.named_parameters())
    y = torch.relu(x + values["bn0.bias_before"]) + values["bn0.bias_after"]
    y = nn.functional.conv2d(y, values["conv0.weight"], padding=1)
    y = torch.relu(y + values["bn1.bias_before"]) + values["bn1.bias_after"]
    y = nn.functional.conv2d(y, values["conv1.weight"], padding=1)
    expected = x + values["residual.multiplier"] * y + values["residual.offset_bias"]
    torch.testing.assert_close(block(x), expected, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", ["skipinit", "rezero"])
def test_branches_begin_closed_and_are_weighed_by_a_scalar(name: str) -> None:
    block = create_model("resnet20", 10, normalizer=name).double().blocks[1]
    x = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    assert torch.equal(block(x), x)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    values = dict(block.named_parameters())
    biases = [values.get(f"bn{n}.bias", torch.zeros(16, dtype=torch.float64)).view(-1, 1, 1) for n in range(2)]
    y = nn.functional.conv2d(torch.relu(x + biases[0]), values["conv0.weight"], padding=1)
    y = nn.functional.conv2d(torch.relu(y + biases[1]), values["conv1.weight"], padding=1)
    torch.testing.assert_close(block(x), x + values["residual.skip_gain"] * y, rtol=CLOSE, atol=CLOSE)
    assert ("bn0.bias" in values) == (name == "skipinit")


def test_rescale_weighs_both_paths_so_that_their_squares_sum_to_one() -> None:
    torch.manual_seed(0)
    network = create_model("resnet50", 10, normalizer="rescale", width=[64, 128, 256, 512])
    for k, (block, convs) in enumerate(zip(network.blocks, deviations(network), strict=True), 15):
        # 16 blocks of three convolutions; He's sqrt(2) of each keeps the variance behind a ReLU.
        branch = 16**-0.5 * math.prod(convs) / 2**1.5
        assert block.shortcut_scale**2 == pytest.approx(k / (k + 1), rel=1e-12)
        assert block.shortcut_scale**2 + branch**2 == pytest.approx(1, rel=0.03)
        assert block.residual.factor().item() == pytest.approx(0.25)


def test_rescale_is_its_formula() -> None:
    block = create_model("resnet20", 10, normalizer="rescale").double().blocks[2]
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    values = dict(block.named_parameters())
    y = nn.functional.conv2d(torch.relu(x + values["bn0.bias"].view(-1, 1, 1)), values["conv0.weight"], padding=1)
    y = nn.functional.conv2d(torch.relu(y + values["bn1.bias"].view(-1, 1, 1)), values["conv1.weight"], padding=1)
    # The third of nine blocks: k = 8 + 2.
    expected = math.sqrt(10 / 11) * x + values["residual.multiplier"] / 3 * y
    torch.testing.assert_close(block(x), expected, rtol=CLOSE, atol=CLOSE)


def test_no_normaliser_begins_at_hes_values() -> None:
    torch.manual_seed(0)
    for convs in deviations(create_model("resnet56", 10, normalizer="none")):
        assert convs == pytest.approx([2**0.5] * 2, rel=0.1)
