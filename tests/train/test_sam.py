"""SAM and the adaptive optimizers in a run: the same as the naive loop, refused where it would be another rule."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.conftest import resolved
from tests.runs_on_disk import weights

from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.config import Resolved, UserError
from normfree.data import build_source
from normfree.train.parts.network import build_network
from normfree.train.plan import describe_plan
from normfree.train.run import run_one

SAM = ("optimizer.sam_rho=0.1", "precision=64-true", "steps=4", "lr=0.1", "clip=agc", "clip.clip_factor=0.02",
       "clip.eps=0.001")  # fmt: skip


def first_weights(run: Resolved) -> torch.nn.Module:
    import pytorch_lightning as pl

    pl.seed_everything(run.config.seed, workers=True, verbose=False)
    return build_network(run).double().train()


def naive(run: Resolved) -> torch.nn.Module:
    """The run as a loop without Lightning, hooks or optimizer: copies at w + rho * g / ||g||, then AGC and Nesterov."""
    settings, network = run.config.optimizer, first_weights(run)
    decayed = {name for name, value in network.named_parameters() if value.ndim > 1}
    momenta = {name: torch.zeros_like(value) for name, value in network.named_parameters()}

    def loss(of: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(of(images), labels, label_smoothing=settings.label_smoothing)

    batches = build_source(run, run.config.batch).training_batches(0, run.steps)
    for step, (images, labels) in enumerate(batches):
        images = images.double()
        here = copy.deepcopy(network)
        loss(here, images[:10], labels[:10]).backward()
        length = math.sqrt(sum(float(value.grad.square().sum()) for value in here.parameters()))  # type: ignore[union-attr]
        uphill = copy.deepcopy(network)
        with torch.no_grad():
            for value, start in zip(uphill.parameters(), here.parameters(), strict=True):
                value.copy_(start + 0.1 * start.grad / length)  # type: ignore[operator]
        loss(uphill, images, labels).backward()
        for value, source in zip(network.parameters(), uphill.parameters(), strict=True):
            value.grad = source.grad
        clip_grad_agc_(clipped_parameters(network), 0.02)
        progress = (step - 2) / (run.steps - 2)
        lr = 0.1 * (step / 2 if step < 2 else 0.5 * (1 + math.cos(math.pi * progress)))
        with torch.no_grad():
            for name, value in network.named_parameters():
                assert value.grad is not None
                gradient = value.grad + (settings.weight_decay * value if name in decayed else 0)
                momenta[name] = 0.9 * momenta[name] + gradient
                value -= lr * (gradient + 0.9 * momenta[name])
    return network


def test_a_run_is_the_naive_loop(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    run = tiny(*SAM)
    run_one(run, [])
    plain = tiny(*SAM, "optimizer.sam_rho=null")
    run_one(plain, [])
    got, without = weights(run), weights(plain)
    expected = naive(run).state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(got[f"network.{name}"], value, rtol=1e-12, atol=1e-12)
    assert any(float((got[name] - without[name]).abs().max()) > 1e-6 for name in got)


def test_a_short_ascent_is_plain_sgd(tiny: Callable[..., Resolved]) -> None:
    common = ("model=resnet20", "clip=none", "precision=64-true", "steps=4", "lr=0.1")
    run_one(tiny(*common, "optimizer.sam_rho=1e-12"), [])
    run_one(tiny(*common), [])
    without = weights(tiny(*common))
    for name, value in weights(tiny(*common, "optimizer.sam_rho=1e-12")).items():
        torch.testing.assert_close(value, without[name], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_it_trains_in_every_precision_it_offers(tiny: Callable[..., Resolved], precision: str) -> None:
    result = run_one(tiny("model=nfnet_nano", "optimizer.sam_rho=0.05", f"precision={precision}"), [])
    assert result["status"] in ("finished", "untrained")


def test_synchronised_batchnorm_of_several_devices_is_refused() -> None:
    keys = ("model=resnet20", "clip=none", "model.sync_norm=true", "optimizer.sam_rho=0.05", "trainer=ddp")
    with pytest.raises(UserError, match=r"optimizer\.sam_rho=0\.05: not with model\.sync_norm=true on 2 devices"):
        resolved(*keys, "trainer.devices=2")


def test_the_plan_and_the_run_warn_of_agc_beside_adamw(tiny: Callable[..., Resolved]) -> None:
    run = tiny("optimizer=adamw", "lr=0.01", "clip=agc", "optimizer.ema_decay=0.99", "steps=3")
    with pytest.warns(UserWarning, match="clip=agc beside optimizer=adamw: AGC was made for SGD"):
        assert run_one(run, [])["steps_done"] == 3
    plan = describe_plan(run)
    assert "adamw, betas 0.9 and 0.999, weight decay 0.05" in plan
    assert "moving average 0.99" in plan
    assert "AGC was made for SGD" in plan
    sam = describe_plan(tiny("optimizer.sam_rho=0.05", "optimizer.sam_share=1"))
    assert "SAM rho 0.05 on 100% of the batch" in sam
    flops = [float(text.split("compute")[1].split()[0]) for text in (sam, describe_plan(tiny()))]
    assert flops[0] == pytest.approx(2 * flops[1], rel=0.01)
