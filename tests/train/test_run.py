import csv
import errno
import json
import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, resolved

from normfree.cli.train import summary
from normfree.config import Resolved, UserError, resolve
from normfree.nets import model_options
from normfree.runs import RunDirectory, run_id
from normfree.train.record.metrics import COLUMNS
from normfree.train.run import run_one

MODELS = sorted(path.stem for path in (ROOT / "conf" / "model").glob("*.yaml"))
SMALL = [name for name in MODELS if "model_size" not in name and name in ("nf_resnet20", "nfnet_nano", "resnet20")]
PEERS = ("efficientnet", "timm")


def test_what_a_run_leaves_behind(tiny: Callable[..., Resolved]) -> None:
    run = tiny()
    result = run_one(run, ["steps=8"])
    directory = RunDirectory.of(run)
    assert json.loads(directory.result.read_text(encoding="utf-8")) == result
    config = yaml.safe_load(directory.config.read_text(encoding="utf-8"))
    assert run_id(resolve(config)) == result["run_id"] == directory.path.name
    assert yaml.safe_load(directory.overrides.read_text(encoding="utf-8")) == ["steps=8"]
    environment = json.loads(directory.environment.read_text(encoding="utf-8"))
    assert environment["torch"].startswith("2.")
    assert environment["attempts"] == 1
    with directory.metrics.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["step"] for row in rows] == ["2", "4", "6", "8", "8"]
    assert float(rows[-1]["test/accuracy"]) == result["metrics"]["test/accuracy"]
    assert [path.name for path in directory.checkpoints.iterdir()] == ["final.ckpt"]


def test_the_learning_rate_warms_up_and_falls_to_zero(tiny: Callable[..., Resolved]) -> None:
    run = tiny("trainer.log_every=1", "lr=0.5")
    run_one(run, [])
    with RunDirectory.of(run).metrics.open(encoding="utf-8", newline="") as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file) if row["lr"]]
    cosine = [0.25 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert rates == pytest.approx([0.0, 0.25, *cosine])


def test_divergence_is_a_result(tiny: Callable[..., Resolved]) -> None:
    result = run_one(tiny("clip=none", "lr=1000", "steps=60", "optimizer.warmup_steps=1"), [])
    assert result["status"] == "diverged"
    assert "training loss" in result["reason"]
    assert result["steps_done"] < 60
    assert result["traceback"] is None


def test_a_network_whose_skip_gains_stay_closed_has_stalled_whatever_became_of_it(
    tiny: Callable[..., Resolved],
) -> None:
    result = run_one(tiny("clip=agc", "lr=0.05"), [])
    assert result["stalled"] is True
    assert result["status"] in ("finished", "untrained")
    assert result["metrics"]["skip_gain/mean_abs"] < 0.05
    assert run_one(tiny("model=resnet20", "clip=none", "lr=0.05"), [])["stalled"] is None


def test_a_run_at_chance_is_untrained_and_one_a_little_better_is_finished(tiny: Callable[..., Resolved]) -> None:
    """By the same rule for both networks, however few the steps."""
    for model in ("resnet20", "nf_resnet20"):
        asleep = run_one(tiny(f"model={model}", "clip=none", "lr=1e-7"), [])
        chance = asleep["chance"]
        assert (asleep["status"], chance["split"], chance["images"]) == ("untrained", "test", 1000)
        assert chance["p_value"] > 0.001
        assert "is no better than guessing the largest class" in asleep["reason"]
    little = run_one(tiny("model=resnet20", "clip=none", "lr=0.1", "steps=40", "optimizer.warmup_steps=4"), [])
    assert (little["status"], little["reason"]) == ("finished", "")
    assert little["chance"]["p_value"] < 0.001


def test_a_run_that_makes_no_progress_is_stopped_and_untrained_not_diverged(tiny: Callable[..., Resolved]) -> None:
    options = ("model=resnet20", "clip=none", "lr=1e-7", "steps=40", "outcome.window=5")
    strict = (*options, "outcome.level=1e-250")
    stopped = run_one(tiny(*strict, "outcome.patience=10"), [])
    assert (stopped["status"], stopped["steps_done"]) == ("untrained", 15)
    assert stopped["reason"].startswith("stopped after step 15: training loss 2.3")
    patient = run_one(tiny(*strict, "outcome.patience=null"), [])
    assert (patient["status"], patient["steps_done"]) == ("untrained", 40)
    learning = run_one(tiny(*options, "outcome.patience=10"), [])
    assert (learning["status"], learning["steps_done"]) == ("finished", 40), "the loss stays, the accuracy does not"


def test_numbers_do_not_depend_on_how_often_they_are_logged(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    """Nor does when a run is stopped, for no progress or for a number that is not finite."""
    rule = ("outcome.window=5", "outcome.patience=10", "outcome.level=1e-250")
    still = ("model=resnet20", "clip=none", "lr=1e-7", "steps=40", *rule)
    broken = ("model=nf_resnet20", "clip=none", "lr=1e5", "steps=40")
    for name, options in (("plain", ("steps=23",)), ("still", still), ("broken", broken)):
        results = []
        for every in (1, 7, 10, 1000):
            place = f"runs_dir={tmp_path / name / str(every)}"
            result = run_one(tiny(*options, f"trainer.log_every={every}", "trainer.micro_batch=25", place), [])
            results.append(
                {key: value for key, value in result.items() if key not in ("time", "provenance", "history")}
            )
        for result in results[1:]:
            assert result == results[0]
        assert results[0]["metrics"]["train/initial_loss"] is not None


def test_an_exception_is_recorded_and_the_next_start_tries_again(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny()
    with monkeypatch.context() as patch:
        patch.setattr("normfree.train.module.Classifier.training_step", lambda *_: 1 / 0)
        failed = run_one(run, [])
    assert (failed["status"], failed["reason"]) == ("failed", "ZeroDivisionError: division by zero")
    assert "training_step" in failed["traceback"]
    assert run_one(run, [])["status"] in ("finished", "untrained")


def test_sgd_without_momentum_trains(tiny: Callable[..., Resolved]) -> None:
    assert run_one(tiny("optimizer.momentum=0"), [])["traceback"] is None


def test_a_signal_saves_the_run(tiny: Callable[..., Resolved]) -> None:
    run = tiny("steps=5000")
    result = run_one(run, [], progress=lambda row: signal.raise_signal(signal.SIGUSR1))
    assert result["status"] == "preempted"
    assert result["reason"].startswith("stopped by SIGUSR1 after step 2;")
    assert RunDirectory.of(run).checkpoint_candidates()


def test_a_run_says_what_it_was_resumed_under(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny("steps=50")
    with monkeypatch.context() as patch:
        patch.setattr("normfree.runs.provenance.commit", lambda: ("a" * 40, True))
        first = run_one(run, [], progress=lambda row: signal.raise_signal(signal.SIGUSR1))
    assert first["status"] == "preempted"
    assert (first["resumed"], first["provenance"]["dirty"]) == ("", True)
    monkeypatch.setattr("normfree.runs.provenance.commit", lambda: ("b" * 40, False))
    with pytest.warns(UserWarning, match="resumed under other commit"):
        result = run_one(run, [])
    assert result["resumed"] == "resumed under other commit (aaaaaaaaaaaa, then bbbbbbbbbbbb)"
    assert result["resumed"] in summary(result)
    assert result["provenance"]["commit"] == "b" * 40
    assert result["provenance"]["dirty"], "of one of its attempts"
    assert [each["commit"][0] for each in result["history"]] == ["a", "b"]
    assert run_one(run, []) == result


def test_a_full_disk_leaves_a_run_that_goes_on(
    tiny: Callable[..., Resolved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    expected = run_one(tiny(f"runs_dir={tmp_path / 'whole'}"), [])
    run = tiny()
    with monkeypatch.context() as patch:
        patch.setattr("normfree.train.record.metrics.MetricsFile.write", full)
        result = run_one(run, [])
    assert result["status"] == "preempted"
    assert "disk full" in result["reason"]
    assert run_one(run, [])["metrics"] == expected["metrics"]


def test_evaluation_during_training_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    often = tiny(
        "trainer.evaluate_every=3",
        f"runs_dir={tmp_path / 'often'}",
        "model=nfnet_nano",
        "model.drop_rate=0.2",
    )
    never = tiny("model=nfnet_nano", "model.drop_rate=0.2")
    metrics = run_one(often, [])["metrics"]
    same = {key: value for key, value in metrics.items() if not key.startswith("best/")}
    assert same == run_one(never, [])["metrics"]
    with RunDirectory.of(often).metrics.open(encoding="utf-8", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file) if row["validation/accuracy"]] == ["3", "6", "8"]


def test_batch_independence_is_measured(tiny: Callable[..., Resolved]) -> None:
    nf = run_one(tiny("model=nf_resnet20"), [])["batch_dependence"]
    bn = run_one(tiny("model=resnet20", "clip=none"), [])["batch_dependence"]
    assert all(value < 1e-12 for value in nf.values())
    assert all(value > 1e-6 for value in bn.values())


def test_a_gpu_that_is_not_there_is_one_line(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="trainer=gpu: torch sees no CUDA device"):
        run_one(tiny("trainer=gpu"), [])
    with pytest.raises(UserError, match="precision=16-mixed: needs a GPU"):
        run_one(tiny("precision=16-mixed"), [])
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with pytest.raises(UserError, match=r"trainer.devices=2: there is 1 processor core here; use trainer.devices=1"):
        run_one(tiny("trainer.devices=2"), [])


LARGE = [name for name in MODELS if name not in (*SMALL, "custom") and not name.startswith(PEERS)]
"""But a network of the user's own, of which tests/train/parts/test_own_parts.py has several."""


@pytest.mark.parametrize("name", [name for name in MODELS if name in SMALL])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
def test_one_step_of_every_small_model(tiny: Callable[..., Resolved], name: str, precision: str) -> None:
    result = run_one(tiny(f"model={name}", f"precision={precision}", "steps=3"), [])
    assert result["steps_done"] == 3
    assert result["model"]["normalizer"] == resolved(f"model={name}").config.model.normalizer


@pytest.mark.parametrize("name", LARGE)
def test_one_step_of_every_large_model(tiny: Callable[..., Resolved], name: str) -> None:
    """On the embedded images, narrowed, and with the stages that they are large enough for: the block, the recipe and
    the clipping are the ones of the paper."""
    smaller = {"width": "[16,32,64]", "depth": "[1,1,1]"} | ({"group_size": "8"} if "nfnet" in name else {})
    narrow = [f"model.{key}={value}" for key, value in smaller.items() if key in model_options(name)]
    run = tiny(
        f"model={name}",
        *narrow,
        "data=mnist5k",
        "data.train_size=28",
        "augment=none",
        "batch=10",
        "steps=2",
        "optimizer.warmup_steps=1",
    )
    assert run_one(run, [])["steps_done"] == 2


@pytest.mark.parametrize(
    "options",
    [
        ("model=efficientnet_b0", "recipe=small", "clip=agc", "data=mnist5k", "augment=shift", "model.ghost_batch=5"),
        ("model=timm", "model.name=resnet10t", "model.stochastic_depth_rate=0.1"),
        ("model=timm", "model.name=nf_regnet_b0", "model.normalizer=none"),
    ],
    ids=lambda options: options[1],
)
def test_one_step_of_a_peer(tiny: Callable[..., Resolved], options: tuple[str, ...]) -> None:
    """The other EfficientNets are the same code, wider and deeper."""
    run = tiny(*options, "batch=10", "steps=2", "optimizer.warmup_steps=1")
    result = run_one(run, [])
    assert result["steps_done"] == 2
    assert (run.norm_batch, run.config.model.normalizer) in ((5, "batchnorm"), (10, "batchnorm"), (None, "none"))
    measured = [value < 1e-12 for value in result["batch_dependence"].values()]
    assert set(measured) == {run.norm_batch is None}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("model=timm",), r"model=timm: is no network by itself; name one"),
        (
            ("model=timm", "model.name=resnet81"),
            "model=timm model.name=resnet81: unknown timm model 'resnet81'; did you",
        ),
        (("model=timm", "model.name=nf_regnet_b0"), "model.normalizer=batchnorm: .* has no normaliser; use .*=none"),
        (
            ("model=nf_resnet20", "model.normalizer=batchnorm"),
            "model.normalizer=batchnorm: model=nf_resnet20 has no normaliser; use .*=none",
        ),
        (
            ("model=timm", "model.name=vit_tiny_patch16_224", "model.normalizer=layernorm"),
            r"data.train_size=7: model=timm model.name=vit_tiny_patch16_224 cannot take .*data.train_size=224",
        ),
    ],
)
def test_a_peer_that_cannot_be_is_one_line(
    tiny: Callable[..., Resolved], options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        run_one(tiny(*options), [])
    assert "\n" not in str(error.value)


def test_timm_that_is_not_installed_is_one_line(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"^model=timm model.name=resnet18: timm is not installed .*pip install"):
        run_one(tiny("model=timm", "model.name=resnet18"), [])


def test_weights_that_are_not_finite_have_diverged(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spoilt by the last step itself, after the guard has passed its loss and its gradients."""
    from normfree.train.callbacks import FiniteGuard

    look = FiniteGuard.on_before_optimizer_step

    def spoil(self: FiniteGuard, trainer: Any, module: Any, optimizer: Any) -> None:
        look(self, trainer, module, optimizer)
        if trainer.global_step == 7:
            next(module.parameters()).grad.fill_(math.nan)

    monkeypatch.setattr(FiniteGuard, "on_before_optimizer_step", spoil)
    result = run_one(tiny("model=resnet20", "clip=none"), [])
    assert (result["status"], result["reason"]) == ("diverged", "weights are not finite at the end")
