"""A whole sweep through the pool launcher beside Hydra's basic launcher, which trains one run after another.

Both are the command that a user types, `python train.py -m experiment=NAME`, with every core of the machine, from its
start to its end, importing and planning included, in a directory of its own. A pool's run has one thread, the basic
launcher's all of them, so that last bits differ, and with them the step at which a run diverges: `ratio` is the basic
launcher's time for an optimizer step done (`steps_done`, of all runs) over the pool's, more is better; `alike` says
how many runs have the same status through both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from normfree.bench.rows import Table
from normfree.config import UserError
from normfree.config.key_readers import optional, whole_number
from normfree.config.keys import key
from normfree.host.devices import cores
from normfree.probe.timing import Spread, ratios

SUITE = "a sweep through the pool launcher beside Hydra's basic launcher"
TITLE = "A sweep"

COLUMNS = ("experiment", "overrides", "runs", "alike", "launcher", "workers", "steps_done", "value", "low", "high",
           "unit", "ratio", "ratio_low", "ratio_high", "rounds", "clock")  # fmt: skip
KEYS = ("experiment", "overrides", "launcher", "workers")
LAUNCHERS = ("basic", "pool")


@dataclass
class Options:
    """What is measured."""

    experiment: str = key("quickstart", "experiment, as in experiment=NAME")
    overrides: list[str] = key([], "further ones, such as steps=30,seed=0")
    workers: int | None = key(None, "of the pool; null for one a core or GPU", optional(whole_number(1)))
    rounds: int = key(1, "sweeps through each launcher")
    out: str = key("reports/benchmarks/sweep-cpu.csv", "CSV file")


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: a sweep that fails.
    """
    table = Table(Path(options.out), COLUMNS, KEYS, torch.device("cpu"))
    seconds: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    a_step: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    results: dict[str, dict[str, Any]] = {}
    for turn in range(options.rounds):
        for name in LAUNCHERS if turn % 2 else LAUNCHERS[::-1]:
            took, results[name] = _sweep(options, name)
            seconds[name].append(took)
            a_step[name].append(took / _steps(results[name]))
            print(f"hydra/launcher={name}: {len(results[name])} runs in {took:.0f} s", flush=True)
    alike = sum(result["status"] == results["pool"][run]["status"] for run, result in results["basic"].items())
    for name, values in seconds.items():
        spread, over = Spread.of(values), Spread.of(ratios(a_step["basic"], a_step[name]))
        row: dict[str, Any] = {"experiment": options.experiment, "overrides": " ".join(options.overrides)}
        row |= {"runs": len(results[name]), "alike": alike, "launcher": name}
        row |= {"workers": (options.workers or cores()) if name == "pool" else 1}
        row |= {"steps_done": _steps(results[name])}
        row |= {"value": spread.median, "low": spread.low, "high": spread.high, "unit": "s"}
        row |= {"ratio": over.median, "ratio_low": over.low, "ratio_high": over.high}
        table.write(row | {"rounds": len(values), "clock": "wall"})
    times = f"{over.median:.2f} [{over.low:.2f}, {over.high:.2f}] times as fast"
    print(f"an optimizer step through the pool launcher is {times}; {alike} runs end alike")


def _steps(results: dict[str, dict[str, Any]]) -> int:
    return sum(result["steps_done"] for result in results.values())


def _sweep(options: Options, launcher: str) -> tuple[float, dict[str, dict[str, Any]]]:
    """Seconds, and every run's result by its run id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "normfree", "train", "-m", f"experiment={options.experiment}"]
        command += [*options.overrides, f"runs_dir={folder}/runs", f"hydra.sweep.dir={folder}/hydra"]
        command += [f"hydra/launcher={launcher}"]
        if options.workers is not None and launcher == "pool":
            command += [f"hydra.launcher.workers={options.workers}"]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        took = time.perf_counter() - began
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise UserError(f"{' '.join(command[1:])}: failed: {said[-1] if said else 'it said nothing'}")
        found = {path.parent.name: json.loads(path.read_text()) for path in Path(folder).glob("runs/*/*/result.json")}
    return took, found
