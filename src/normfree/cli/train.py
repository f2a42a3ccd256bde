"""``python train.py``: one run, or its plan."""

import math
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from normfree.cli.arguments import prepared, refuse_contradictions
from normfree.cli.door import HELP, told_in_one_line
from normfree.cli.swept import ended
from normfree.compose.files import use
from normfree.compose.plugins import store_plugins
from normfree.config import Resolved, TrainConfig, UserError, resolve
from normfree.config.places import Places
from normfree.config.sources import read_of
from normfree.config.sources.reading import looked_up_once
from normfree.config.weights import told_start
from normfree.host.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from normfree.host.installing import made
from normfree.host.spoken import spoken
from normfree.host.wording import counted
from normfree.runs import RunDirectory
from normfree.runs.again import begun_anew, told_number
from normfree.runs.earlier import already_there
from normfree.runs.offline import how_to_sync
from normfree.runs.other_data import refuse_other_data
from normfree.runs.outcomes import explanation
from normfree.runs.own_fault import where_told
from normfree.runs.result import Result
from normfree.runs.run_line import RunLine
from normfree.train.preflight import planned_here, without_torch
from normfree.train.ranks.rank import rank_of

INTERRUPTED = "interrupted; nothing is lost, the same command goes on"


def help_text(words: Sequence[str] = ()) -> None:
    """Nothing: Hydra prints it, with the groups and options that there are."""


def main(words: Sequence[str], beside: Path | None = None, conf: Path | None = None) -> int:
    """The exit code.

    Args:
        beside: the script that was called.
        conf: the folder of configurations to take in the place of ``conf`` where the command is run.

    Raises:
        UserError, HydraException, OmegaConfBaseException: what `normfree.cli.explain` tells in a line.
    """
    if any(word.startswith("probe=") for word in words):
        from normfree.cli.probe import probe

        return probe(words)
    # Hydra then raises instead of printing, so that one place decides what the user sees.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    places = Places.of(conf, beside)
    ConfigStore.instance().store(name="schema", node=TrainConfig)
    folder = use(places)
    store_plugins(conf=places.folders)
    arguments = prepared(words, places)
    refuse_contradictions(arguments)
    sys.argv[1:] = arguments

    @hydra.main(version_base="1.3", config_path=str(folder), config_name="train")
    def task(config: DictConfig) -> None:
        with told_in_one_line():
            train(config)

    said = StringIO()
    try:
        with redirect_stdout(said) if HELP & set(arguments) else nullcontext():
            task()
    finally:
        print(spoken(said.getvalue()), end="")
    return ended()


def train(config: DictConfig) -> None:
    """Resolve, then plan or run; exits non-zero when the run failed or was interrupted: Hydra knows no other way."""
    if str(HydraConfig.get().launcher.get("_target_")).endswith(".SlurmLauncher"):
        raise UserError("hydra/launcher=slurm: one run is submitted as a sweep of one; add -m")
    overrides = list(HydraConfig.get().overrides.task)
    with looked_up_once():
        (resolved,) = begun_anew([resolve(config, overrides)])
        overrides = told_number(overrides, resolved)
        if resolved.config.plan:
            from normfree.train.plan import describe_plan

            print(describe_plan(resolved), flush=True)
            if RunDirectory.of(resolved).finished_result() is None:
                planned_here(resolved)
            return
        run(resolved, overrides)


def run(resolved: Resolved, overrides: list[str]) -> None:
    """Train one run with a line of progress and print what came of it."""
    # What can be known without torch, which takes seconds to import, is looked at first.
    directory = RunDirectory.of(resolved)
    if _speaks():
        for line in resolved.without_effect:
            print(f"warning: {line}", file=sys.stderr, flush=True)
    result = directory.finished_result()
    if result is not None:
        moved = refuse_other_data(result, resolved)
        if _speaks():
            told = filter(None, (already_there(directory, resolved, overrides), moved))
            print("\n".join(told), file=sys.stderr, flush=True)
    stop: int | None = None
    if result is None:
        without_torch(resolved, rank_of())
        result, stop = _train(resolved, overrides)
    if _speaks():
        print(summary(result))
        print(f"results: {directory.path}")
        if result["status"] == "diverged":
            print(spoken(_closer(resolved)))
        if resolved.config.logger.name == "wandb" and (command := how_to_sync(directory.path)):
            print(f"W&B, offline: {command}")
    if result["status"] == "failed":
        if _speaks():
            where = where_told(result, directory.path)
            print(f"error: {result['reason']}{where}" if where else result["traceback"], file=sys.stderr)
        sys.exit(EXIT_FAILED)
    if result["status"] == "preempted":
        sys.exit(EXIT_FAILED if stop is None else EXIT_INTERRUPTED)


def _train(resolved: Resolved, overrides: list[str]) -> tuple[Result, int | None]:
    """The result, and the signal that stopped the run if one did."""
    if _speaks():
        print(_headline(resolved), flush=True)
        if start := told_start(resolved.config):
            print(start, flush=True)
        for remark in read_of(resolved.config.data).remarks():
            print(f"data.root={resolved.config.data.root}: {remark}", flush=True)
    try:
        from normfree.train.lightning_noise import quieten
        from normfree.train.run import run_one
        from normfree.train.stopping import StopRequest
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        raise UserError(
            "torchvision: was built for another build of torch and cannot be imported; "
            f"{made('setup, which installs', 'install')} the two that belong together"
        ) from error
    quieten()
    line, stop = RunLine(resolved.steps, sys.stdout), StopRequest()
    result = run_one(resolved, overrides, line.show, stop)
    line.end()
    return result, stop.signal


def _speaks() -> bool:
    """Of several ranks that SLURM started, the first alone."""
    rank = rank_of()
    return rank is None or rank.number == 0


def _headline(resolved: Resolved) -> str:
    config = resolved.config
    return (
        f"{config.model.name} on {config.data.label} at {config.data.train_size} px, clip={config.clip.name}, "
        f"batch {config.batch}, {counted(resolved.steps, 'step')}, lr {resolved.lr:g}, seed {config.seed}"
    )


def _closer(resolved: Resolved) -> str:
    """What to do after a run that diverged."""
    model = resolved.config.model
    probe = f"; the highest rate that trains, on digits: python report.py probe=stress model={model.name}"
    own = model.family == "timm" or model._target_
    return "a lower lr, or clipping, may train; step by step: trainer.log_every=1 again=true" + ("" if own else probe)


def summary(result: Result) -> str:
    """One line: status, why, accuracy, time and how much of it was waiting for images."""
    metrics = result["metrics"]
    accuracy = metrics.get("test/accuracy")
    why = "; ".join(text for text in (result["reason"], explanation(result)) if text)
    parts = [result["status"] + (f" ({why})" if why else "")]
    loss = metrics.get("test/loss")
    broken = result["status"] == "diverged" and "test/loss" in metrics and (loss is None or not math.isfinite(loss))
    if broken:
        parts.append("no accuracy: its outputs are not finite")
    elif accuracy is not None:
        averaged = metrics.get("test/ema_accuracy")
        both = f" (moving average of the weights {averaged:.1%})" if averaged is not None else ""
        left_out = result.get("skipped_images", {}).get("test", 0)
        images = result["data"]["test"] - left_out
        parts.append(
            f"test accuracy {accuracy:.1%}{both} on {images:,} images"
            + (f" ({left_out:,} could not be read)" if left_out else "")
        )
    if result.get("resumed"):
        parts.append(result["resumed"])
    if result["time"].get("seconds") is not None:
        parts.append(f"{result['time']['seconds']:.0f} s")
    if result["time"].get("data_wait_share") is not None:
        parts.append(f"{result['time']['data_wait_share']:.1%} of training waited for images")
    return ", ".join(parts)
