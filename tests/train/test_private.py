"""Private training in a run: the naive loop, the laws of cuts and resuming, the account, and what is refused."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.conftest import resolved
from tests.runs_on_disk import weights
from tests.train.test_laws import StopAfter, without_time

from normfree.config import Resolved, UserError
from normfree.train.parts.private import PrivateSteps
from normfree.train.run import run_one

PRIVATE = ("private=dpsgd", "private.epsilon=6", "clip=none", "model=nf_resnet20", "lr=0.5", "steps=4")
EXACT = (*PRIVATE, "precision=64-true")


def test_resuming_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    whole, run = tiny(*PRIVATE, f"runs_dir={tmp_path / 'whole'}"), tiny(*PRIVATE)
    expected = run_one(whole, [])
    assert run_one(run, [], stop=StopAfter(2))["status"] == "preempted"
    assert without_time(run_one(run, [])) == without_time(expected)
    for name, value in weights(run).items():
        assert torch.equal(value, weights(whole)[name]), name


def test_accumulation_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    whole, parts = tiny(*EXACT, f"runs_dir={tmp_path / 'whole'}"), tiny(*EXACT, "trainer.micro_batch=10")
    run_one(whole, [])
    assert run_one(parts, [])["batch"]["accumulation"] == 5
    for name, value in weights(parts).items():
        torch.testing.assert_close(value, weights(whole)[name], rtol=1e-10, atol=1e-12)


def test_noise_reaches_the_weights_once_a_step(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    """With no room for gradients, one step of plain SGD moves the weights by the noise alone."""
    one_step = ("steps=1", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0",
                "optimizer.warmup_steps=0", "private.max_norm=1e-9", "trainer.micro_batch=10")  # fmt: skip
    run = tiny(*EXACT, *one_step)
    still = tiny(*EXACT, *one_step, "lr=1e-30", f"runs_dir={tmp_path / 'still'}")
    run_one(run, [])
    run_one(still, [])
    moved = torch.cat(
        [(value - weights(still)[name]).flatten() for name, value in weights(run).items() if value.is_floating_point()]
    )
    expected = 0.5 * PrivateSteps(run).noise_multiplier * 1e-9 / 50
    assert float(moved.std()) == pytest.approx(expected, rel=0.05)


def test_the_account(tiny: Callable[..., Resolved]) -> None:
    """The budget is kept and nearly used up; passes over shuffled images are composed as Gaussian mechanisms."""
    run = tiny(*PRIVATE)
    metrics = run_one(run, [])["metrics"]
    assert 5.9 < metrics["private/epsilon"] <= 6.0  # type: ignore[operator]
    sigma, delta = metrics["private/noise_multiplier"], metrics["private/delta"]
    assert sigma is not None
    assert delta == 1e-5
    # One pass of one Gaussian mechanism: the best of the orders of its Renyi divergence (Mironov 2017), converted as in
    # Balle et al. 2020 (arXiv 1905.09982, theorem 21).
    orders = [1 + number / 100 for number in range(1, 6000)]
    bounds = [
        order / (2 * sigma**2) + math.log1p(-1 / order) - math.log(delta * order) / (order - 1) for order in orders
    ]
    assert metrics["private/epsilon_of_passes"] == pytest.approx(min(bounds), rel=2e-3)
    spent = PrivateSteps(run)
    assert spent.spent(2)["private/epsilon"] < spent.spent(4)["private/epsilon"]
    assert PrivateSteps(tiny(*PRIVATE, "private.epsilon=1")).noise_multiplier > spent.noise_multiplier


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("model=resnet20",),
            "private=dpsgd and model=resnet20: BatchNorm mixes the images of a batch, so that no image",
        ),
        (
            ("model=resnet20", "model.normalizer=evonorm_b0"),
            "private=dpsgd and model=resnet20: EvoNorm-B0 mixes",
        ),
        (("clip=agc",), "private=dpsgd and clip=agc: .*; use clip=none"),
        (("clip=norm",), "private=dpsgd and clip=norm"),
        (("augment.mixup=0.2",), "private=dpsgd and augment.mixup=0.2"),
        (("optimizer.sam_rho=0.1",), r"private=dpsgd and optimizer\.sam_rho=0.1"),
        (("attack=pgd",), "private=dpsgd and attack=pgd"),
        (("private.delta=0",), r"private\.delta=0\.0: private=dpsgd needs a value above 0"),
        (("precision=16-mixed",), "private=dpsgd and precision=16-mixed"),
    ],
)
def test_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolved("private=dpsgd", "model=nf_resnet20", "clip=none", *words)
