"""Signal propagation: the released code's own metrics, and a network that is left as it was."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from normfree.nets import create_model, list_models, model_info, skip_gains
from normfree.nets.haiku_names import from_haiku
from normfree.probe import signal, signal_at_initialisation

GOLDEN = Path(__file__).parents[1] / "golden"
RESNET = {"width": [16, 32, 64, 128], "depth": [1, 2, 1, 1], "stem_width": 4}
NETWORKS = {
    "nfnet": ("nfnet_f0", {"width": [16, 32, 48, 48], "depth": [1, 2, 3, 1], "group_size": 8}),
    "nf_resnet": ("nf_resnet50", RESNET),
    "nf_regnet": ("nf_regnet_b0", {"width": [12, 18, 30, 36], "depth": [1, 2, 2, 1]}),
    "bn_resnet_v2": ("resnet50", RESNET),
}
SMALL = {
    "nfnet": {"width": [32, 32, 32, 32], "depth": [1, 2, 1, 1], "group_size": 8},
    "bn_nfnet": {"width": [32, 32, 32, 32], "depth": [1, 2, 1, 1], "group_size": 8},
    "nf_regnet": {"width": [12, 18, 30, 36], "depth": [1, 2, 2, 1]},
    "nf_resnet": {"width": [16, 32, 64, 128], "depth": [1, 2, 1, 1]},
    "resnet": {"width": [16, 32, 64, 128], "depth": [1, 2, 1, 1]},
}


class Golden:
    def __init__(self, network: str) -> None:
        with np.load(GOLDEN / f"dm_{network}_tiny.npz", allow_pickle=False) as arrays:
            self.arrays = {key: torch.from_numpy(a) for key in arrays if (a := arrays[key]).dtype.kind != "U"}

    def under(self, prefix: str) -> dict[str, Tensor]:
        found = {k.removeprefix(prefix): value for k, value in self.arrays.items() if k.startswith(prefix)}
        return {name: value.double() for name, value in from_haiku(found).items()}

    def images(self, key: str) -> Tensor:
        return self.arrays[key].double().permute(0, 3, 1, 2).contiguous()

    def metric(self, key: str) -> list[float]:
        count = sum(name.startswith(f"{key}_") for name in self.arrays)
        return [float(self.arrays[f"{key}_{index}"]) for index in range(count)]


def build(network: str, golden: Golden) -> nn.Module:
    name, shape = NETWORKS[network]
    model = create_model(name, 10, **shape).double()
    missing, unexpected = model.load_state_dict(golden.under("param:"), strict=False)
    assert not unexpected
    assert all("running" in entry or "num_batches" in entry for entry in missing)
    return model


def check(rows, golden: Golden, key: str) -> None:
    for name in ("avg_sq_mean", "avg_var"):
        assert [getattr(row, name) for row in rows] == pytest.approx(golden.metric(f"{key}:{name}"), rel=1e-10)
    assert [row.res_avg_var for row in rows[1:]] == pytest.approx(golden.metric(f"{key}:res_avg_var"), rel=1e-10)
    assert len(rows) > 5


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(
    ("network", "size"),
    [
        *(("nfnet", size) for size in ("32x32", "75x53")),
        *(("nf_resnet", size) for size in ("32x32", "45x71")),
        *(("nf_regnet", size) for size in ("64x64", "51x37")),
    ],
)
def test_golden_metrics_of_normaliser_free_networks(network, size, mode):
    """The networks have dropout and stochastic depth, which are off in either mode."""
    golden = Golden(network)
    check(signal(build(network, golden), golden.images(f"input:{size}"), mode), golden, f"out:{size}")


def test_golden_metrics_of_batchnorm_with_batch_and_with_running_statistics():
    golden = Golden("bn_resnet_v2")
    model = build("bn_resnet_v2", golden)
    check(signal(model, golden.images("input"), "train"), golden, "train")
    model.load_state_dict(golden.under("state_after2:"), strict=False)
    check(signal(model, golden.images("input"), "eval"), golden, "eval")


# A network of every kind of block and stem.
KINDS = (
    "bn_nfnet_f0", "nf_regnet_b0", "nf_resnet20", "nf_resnet50", "nfnet_f0", "nfnet_nano", "resnet20", "resnet50",
    "resnet50_v1", "se_resnet50",
)  # fmt: skip


def test_kinds_hold_every_family_that_shows_its_branches():
    known = {model_info(name).family for name in KINDS}
    for name in list_models():
        if model_info(name).family not in known:
            with torch.device("meta"):
                blocks = create_model(name).blocks
            assert not any(hasattr(block, "stochastic_depth_rate") for block in blocks), name


@pytest.mark.parametrize("se_ratio", [0.0, 0.5])
@pytest.mark.parametrize("name", KINDS)
def test_a_branch_is_what_the_residual_sum_adds(name, se_ratio):
    """Seen from outside: the block's output less the output of the same block without its branch."""
    options = {} if name in ("nfnet_nano", "nf_resnet20", "resnet20") else SMALL[model_info(name).family]
    if name != "resnet50_v1" or se_ratio == 0:
        options = options | {"se_ratio": se_ratio}
    torch.manual_seed(0)
    model = create_model(name, 5, **options).double()
    gains = skip_gains(model)
    for gain in gains:
        nn.init.constant_(gain, 0.7)
    images = torch.randn(3, 3, 40, 36, dtype=torch.float64)
    rows = signal(model, images)
    alone = copy.deepcopy(model).eval()
    for module in alone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    inputs: list[Tensor] = []
    for block in alone.blocks:
        block.register_forward_pre_hook(lambda _m, given: inputs.append(given[0]))
    with torch.no_grad():
        alone(images)
        for block, x, row in zip(alone.blocks, inputs[:], rows[1:], strict=True):
            if name == "resnet50_v1":  # the nonlinearity after the sum
                block.activation = nn.Identity()
            whole, shortcut, factor = block(x), _shortcut(block, x), 1.0
            if gains:
                factor = 0.7 * block.alpha
            variance = ((whole - shortcut) / factor).var((0, 2, 3), correction=0).mean()
            assert row.res_avg_var == pytest.approx(float(variance), rel=1e-9), row.name


def _shortcut(block: nn.Module, x: Tensor) -> Tensor:
    """What a block gives whose last convolution (and the BatchNorm behind it) gives zeros."""
    closed = copy.deepcopy(block)
    last = closed.conv2 if closed.conv2 is not None else closed.conv1
    for zeroed in (last, closed.bn2) if type(block).__name__ == "PostActivationBlock" else (last,):
        for parameter in zeroed.parameters():
            nn.init.zeros_(parameter)
    return closed(x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20"])
def test_the_network_is_left_as_it_was(name, training):
    model = create_model(name, 5, stochastic_depth_rate=0.5, drop_rate=0.5).train(training)
    model.stem_conv.eval()
    model(torch.randn(4, 3, 16, 16)).sum().backward()
    state = copy.deepcopy(model.state_dict())
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    images = torch.randn(4, 3, 16, 16)
    torch.set_rng_state(random)
    first, second = signal(model, images), signal(model, images)
    assert first == second
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is None if gradient is None else torch.equal(parameter.grad, gradient)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("name", ["nf_resnet20", "nfnet_nano"])
def test_expected_variance_is_what_the_blocks_divide_by(name):
    model = create_model(name, 5)
    rows = signal(model, torch.randn(2, 3, 16, 16))
    for row, block in zip(rows, model.blocks, strict=False):
        assert row.expected_var == pytest.approx(block.expected_std**2, rel=1e-14)
    last = model.blocks[-1]
    before = 1 if len(model.blocks) > 1 and model.blocks[-2].stage != last.stage else last.expected_std**2
    assert rows[-1].expected_var == pytest.approx(before + last.alpha**2, rel=1e-14)


def test_rows_name_stage_and_place():
    rows = signal(create_model("resnet20", 5), torch.randn(2, 3, 16, 16))
    assert [(row.block, row.stage, row.index) for row in rows[:5]] == [
        (0, None, None), (1, 0, 0), (2, 0, 1), (3, 0, 2), (4, 1, 0),
    ]  # fmt: skip
    assert [row.name for row in rows[:2]] == ["stem", "blocks.0"]
    assert all(row.expected_var is None for row in rows)


def test_a_foreign_network_shows_its_block_outputs():
    class Peer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.5)) for _ in range(2)
            )

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x).relu_()
            return x

    peer, images = Peer().double(), torch.randn(8, 3, 5, 5)
    rows = signal(peer, images)
    assert [(row.stage, row.res_avg_var, row.expected_var) for row in rows] == [(None, None, None)] * 3
    assert rows[0].avg_var == pytest.approx(float(images.double().var((0, 2, 3), correction=0).mean()), rel=1e-12)
    # A BatchNorm with batch statistics and no dropout behind it.
    assert rows[1].avg_var == pytest.approx(1, abs=1e-3)
    assert rows[1].avg_sq_mean == pytest.approx(0, abs=1e-12)
    assert signal(peer, images, "eval")[1].avg_var != pytest.approx(1, abs=1e-3)


def test_a_timm_network_by_its_own_hooks():
    """timm's functions for the same plots, with the population variance."""
    timm = pytest.importorskip("timm")
    model_utils = pytest.importorskip("timm.utils.model")
    peer = timm.create_model("test_efficientnet", num_classes=5).double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    rows = signal(peer, images, "eval")
    functions = (model_utils.avg_sq_ch_mean, model_utils.avg_ch_var)
    hook = model_utils.ActivationStatsHook(peer.eval(), ["blocks.[0-9]"] * 2, list(functions))
    with torch.no_grad():
        peer(images)
    assert [row.avg_sq_mean for row in rows[1:]] == pytest.approx(hook.stats["avg_sq_ch_mean"], rel=1e-10)
    assert [row.avg_var for row in rows[1:]] == pytest.approx(hook.stats["avg_ch_var"], rel=0.2)


@pytest.mark.parametrize(
    ("network", "mode", "message"),
    [
        (nn.Linear(3, 3), "train", "Linear has no `blocks`"),
        (create_model("resnet20", 2), "test", "mode='test': give 'train' or 'eval'"),
    ],
)
def test_what_cannot_be_measured_is_said(network, mode, message):
    with pytest.raises(ValueError, match=message):
        signal(network, torch.randn(2, 3, 16, 16), mode)


def test_outputs_that_are_no_maps_are_said():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Flatten(), nn.Identity()])

        def forward(self, x: Tensor) -> Tensor:
            return self.blocks[0](x)

    with pytest.raises(ValueError, match=r"blocks.0 gives a tensor of shape \[2, 12\]"):
        signal(Tokens(), torch.randn(2, 3, 2, 2))


def test_at_initialisation_the_theory_holds_and_batchnorm_resets():
    """The papers' plots: an NF network keeps to its expected variance, a BatchNorm one grows within a stage."""
    state = torch.get_rng_state()
    several = [signal_at_initialisation("nf_resnet20", image_size=64, batch=8, seed=seed) for seed in range(6)]
    assert torch.equal(torch.get_rng_state(), state)
    for rows in list(zip(*several, strict=True))[1:]:
        assert np.mean([row.avg_var for row in rows]) == pytest.approx(rows[0].expected_var, rel=0.1)
        assert np.mean([row.res_avg_var for row in rows]) == pytest.approx(1, rel=0.15)
    normed = signal_at_initialisation("resnet20", image_size=32)
    assert normed[1].avg_var < normed[2].avg_var < normed[3].avg_var > normed[4].avg_var


def test_the_seed_gives_network_and_images():
    first, other = (signal_at_initialisation("nf_resnet20", image_size=16, batch=2, seed=seed) for seed in (0, 1))
    assert first == signal_at_initialisation("nf_resnet20", image_size=16, batch=2)
    assert first != other


def test_a_closed_branch_adds_nothing():
    """With the gains as they begin, a block of equal shape gives its input; the branch itself is still seen."""
    rows = signal_at_initialisation("nf_resnet20", image_size=16, batch=4, skip_gain=0.0)
    assert asdict(rows[1]) | {"block": 2, "index": 1, "name": "blocks.1"} == asdict(rows[2]) | {
        "res_avg_var": rows[1].res_avg_var, "expected_var": rows[1].expected_var,
    }  # fmt: skip
    assert rows[2].res_avg_var > 0.5
