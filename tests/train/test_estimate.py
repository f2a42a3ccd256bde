"""How long a plan says that a run and a sweep take, what it is an estimate of, and that estimating changes nothing."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import torch

from normfree.config import Resolved
from normfree.train import estimate, plan, plan_sweep
from normfree.train.estimate import Speed, about, images_to_try, seconds_of, tried
from normfree.train.plan import describe_plan, flop_of
from normfree.train.plan_sweep import describe_sweep, times_of
from normfree.train.preflight import preflight
from normfree.train.run import run_one

SPEED = Speed(images=10, micro_batch=2.0, update=0.5, evaluation=0.001)


def test_planning_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    expected = run_one(tiny("optimizer.ema_decay=0.9", f"runs_dir={tmp_path / 'first'}"), [])
    torch.manual_seed(3)
    states = torch.get_rng_state(), random.getstate()
    threads, run = torch.get_num_threads(), tiny("optimizer.ema_decay=0.9")
    text = describe_plan(run)
    assert "\ntime       about " in text
    assert "an estimate from 3 steps on 50 images" in text
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert torch.get_num_threads() == threads
    assert not (tmp_path / "runs").exists()
    assert run_one(run, [])["metrics"] == expected["metrics"]


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ((), 8 * 2.5 + 1.5),
        (("trainer.micro_batch=25",), 8 * 4.5 + 1.5),
        (("optimizer.sam_rho=0.05", "optimizer.sam_share=1"), 8 * 4.5 + 1.5),
        (("trainer.evaluate_every=3",), 8 * 2.5 + 1.5 + 2 * 0.5),
        (("trainer.evaluate_every=4",), 8 * 2.5 + 1.5 + 0.5),
        (("optimizer.ema_decay=0.9",), 8 * 2.5 + 3.0),
        (("steps=16",), 16 * 2.5 + 1.5),
        (("trainer=ddp_cpu",), 8 * 2.5 + 0.75),
        (("attack=pgd", "attack.steps=3"), 8 * 6.5 + 1.5),
        (("+evaluate_also={hit: {attack: {epsilon: 0.1, step_size: 0.1, steps: 4}, images: 100}}",), 8 * 2.5 + 2.5),
        (("+evaluate_also={small: {batch: 2, statistics: batch}}", "trainer=ddp_cpu"), 8 * 2.5 + 1.75),
    ],
)
def test_steps_and_evaluations_are_counted(
    options: tuple[str, ...], seconds: float, tiny: Callable[..., Resolved]
) -> None:
    run = tiny(*options)
    assert seconds_of(run, preflight(run, lacks={}).plan.accumulation, SPEED) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "options",
    [
        ("model=nfnet_nano", "clip=agc", "precision=bf16-mixed"),
        ("model=resnet20", "model.ghost_batch=25", "clip=norm", "optimizer=lamb", "optimizer.ema_decay=0.9"),
        ("precision=64-true", "trainer.channels_last=true"),
        ("clip=custom", "clip._target_=tests.train.own_clipping.halve"),
        ("private=dpsgd", "clip=none"),
    ],
    ids=" ".join,
)
def test_every_kind_of_step_is_tried(
    options: tuple[str, ...], tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normfree.train.parts.private._noise_multiplier", lambda *given: 1.5)
    run = tiny(*options)
    speed = tried(run, preflight(run))
    assert isinstance(speed, Speed), speed
    assert min(speed.micro_batch, speed.update, speed.evaluation) > 0


@pytest.mark.parametrize(
    ("options", "row"),
    [
        (
            ("attack=pgd",),
            "attack     pgd, up to 8 of 255 a pixel in 7 steps of 2; the arithmetic of a training step is "
            "5.67 times that without it\n",
        ),
        (
            ("private=dpsgd", "private.max_norm=0.5", "clip=none"),
            "private    dpsgd, after all steps epsilon 3 at delta 1e-05 as if batches were drawn by Poisson sampling, "
            "9 for passes over shuffled images; each image's gradient cut to a norm of 0.5, noise of 1.5 times that "
            "on a batch's sum\n",
        ),
    ],
)
def test_a_plan_tells_of_attack_and_privacy(
    options: tuple[str, ...], row: str, tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normfree.train.plan.tried", lambda run, ready: SPEED)
    monkeypatch.setattr("normfree.train.parts.private._noise_multiplier", lambda *given: 1.5)
    monkeypatch.setattr("normfree.train.parts.private._epsilon", lambda noise, rate, *given: 9 if rate == 1 else 3)
    assert row in describe_plan(tiny(*options))
    assert not {"attack", "private"} & {line.split()[0] for line in describe_plan(tiny()).splitlines()}


def test_of_a_large_micro_batch_a_part_is_tried(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny("model=resnet20", "clip=none", "model.ghost_batch=5")
    ready = preflight(run)
    monkeypatch.setitem(estimate.MOST_MACS, "cpu", 3 * ready.cost.macs_train * 12.5)
    assert images_to_try(run, ready) == 10, "whole ghost batches"
    monkeypatch.setattr(estimate, "_seconds", lambda call, device: 1.0)
    assert tried(run, ready) == Speed(images=10, micro_batch=5.0, update=1.0, evaluation=0.1)


def test_why_it_is_not_measured(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny()
    ready = preflight(run)
    large = replace(ready, cost=replace(ready.cost, macs_train=10**12))
    assert tried(run, large) == "the network is too large to try some steps in a plan"
    monkeypatch.setattr(estimate, "free_memory", lambda device: 0)
    assert tried(run, ready) == "it does not fit into the memory that is free"
    monkeypatch.undo()
    monkeypatch.setattr(estimate, "NetworkClipping", lambda *_: 1 / 0)
    assert tried(run, ready) == "a step of it fails (ZeroDivisionError: division by zero)"
    assert "\ntime       not measured: a step of it fails" in describe_plan(run)


def test_runs_of_a_kind_are_tried_once_and_the_others_told_from_their_multiply_adds(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [*((f"seed={seed}", "lr=0.1") for seed in range(3)), ("steps=16",), ("model=nfnet_nano",)]
    runs = [tiny(*each) for each in options]
    ready = [preflight(run) for run in runs]
    asked: list[str] = []

    def slow(run: Resolved, ready: object) -> Speed:
        asked.append(run.config.model.name)
        return SPEED

    monkeypatch.setattr(plan_sweep, "tried", slow)
    every = times_of(list(zip(runs, ready, strict=True)))
    assert asked == ["nf_resnet20", "nfnet_nano"]
    assert (every.kinds, every.tried) == (2, 2)
    monkeypatch.setattr(plan_sweep, "MOST_SECONDS", 1.5)
    monkeypatch.setattr(plan_sweep.time, "monotonic", partial(next, count()))
    some = times_of(list(zip(runs, ready, strict=True)))
    assert (some.kinds, some.tried) == (2, 1)
    assert every.seconds is not None
    assert some.seconds is not None
    assert some.seconds[:4] == every.seconds[:4] == pytest.approx([21.5, 21.5, 21.5, 41.5])
    known = sum(flop_of(run, each.cost) for run, each in zip(runs[:4], ready[:4], strict=True))
    assert some.seconds[4] == pytest.approx(flop_of(runs[4], ready[4].cost) * 106 / known)


def test_what_a_sweep_costs_in_all(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_sweep, "tried", lambda run, ready: SPEED)
    monkeypatch.setattr(plan_sweep, "seconds_to_start", lambda: 5.0)
    runs = [tiny(f"seed={seed}") for seed in range(4)]
    one = flop_of(runs[0], preflight(runs[0]).cost) / 1e9
    compute, images, time = describe_sweep(runs, [True, True, True, False], 2)
    assert images == f"images: {4 * 8 * 50:,} in training, over all runs"
    assert compute == f"compute: {4 * one:.3g} GFLOP in all, {3 * one:.3g} GFLOP of it in the 3 runs to do"
    assert time.startswith(
        "time: about 44 s here, 2 runs at a time: about 10 s to start, about 34 s for the steps and evaluations of 3 "
        "runs; an estimate"
    )
    assert describe_sweep(runs, [False] * 4, 2) == [f"compute: {4 * one:.3g} GFLOP in all", images]
    assert describe_sweep(runs, [True] * 4, None)[2] == "time: not measured: the jobs run elsewhere"


def test_the_time_of_a_run_has_its_start(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "tried", lambda run, ready: SPEED)
    monkeypatch.setattr(plan, "seconds_to_start", lambda: 5.0)
    said = "about 28 s here: about 6.2 s to start and to end, about 22 s for steps and evaluations; an estimate"
    assert f"\ntime       {said}" in describe_plan(tiny())
    assert 0 <= estimate.seconds_to_start() < 1e6


def test_what_a_machine_lacks_is_told_once(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(plan_sweep, "tried", lambda run, ready: SPEED)
    options = ("data=cifar10", "data.train_size=32")
    runs = [tiny(*options, f"seed={seed}") for seed in range(2)]
    _, _, time, *lacks = describe_sweep(runs, [True, True], 1)
    assert time.startswith("time: about "), "images are not needed for that"
    (line,) = lacks
    assert line.startswith("warning: data=cifar10: no images, data.root is not set")
    runs = [tiny("trainer=gpu", f"seed={seed}") for seed in range(2)]
    _, _, time, *lacks = describe_sweep(runs, [True, True], 1)
    assert time == "time: not measured: this machine lacks what a run asks for"
    (line,) = lacks
    assert line.startswith("warning: trainer=gpu: torch sees no CUDA device here")
    assert describe_sweep(runs, [True, True], None)[2:] == ["time: not measured: the jobs run elsewhere"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.123, "about 0.12 s"),
        (42.4, "about 42 s"),
        (750, "about 12 min"),
        (11160, "about 3.1 h"),
        (2.5e5, "about 2.9 days"),
    ],
)
def test_about(seconds: float, text: str) -> None:
    assert about(seconds) == text
