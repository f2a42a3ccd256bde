"""How long a report of many runs takes on one core, and its peak memory: python scripts/report_speed.py 3000 20000

The runs are made up (tests/report/synthetic.py): five seeds an arm, arms of five networks with their clipping at eight
batches and as many learning rates as it takes, planned with all their factors, each run with the files that training
leaves, checksums too. The experiment has a panel of accuracy and one of tiles for every batch, a panel of each other
kind, and two claims a batch. The report is the command that a user types, from its start to its end, in a process held
to one core. Read the second of two turns where the files have just been written: the first also waits for the disk.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import resolved  # noqa: E402
from tests.report import synthetic  # noqa: E402

from normfree.runs.checksums import digest_of, write_verified  # noqa: E402
from normfree.runs.clip_record import COLUMNS  # noqa: E402
from normfree.runs.factors import Factors, factors_of  # noqa: E402
from normfree.runs.plan import PlannedRun, add_to_plan  # noqa: E402

NAME = "large"
SEEDS = 5
BATCHES = (16, 32, 64, 128, 256, 512, 1024, 2048)
SERIES = {
    "bn": ("resnet20", "none"),
    "nf": ("nf_resnet20", "none"),
    "nf_norm": ("nf_resnet20", "norm"),
    "nf_agc01": ("nf_resnet20", "agc01"),
    "nf_agc04": ("nf_resnet20", "agc04"),
}
LAYERS, RECORDS = 22, 10


def runs(count: int) -> list[dict[str, Any]]:
    """At least so many planned runs, in whole arms."""
    rates = math.ceil(count / (SEEDS * len(BATCHES) * len(SERIES)))
    learning_rates = [float(f"{0.1 * 1.05**number:.4g}") for number in range(rates)]
    found = []
    for batch, lr, (model, clip) in product(BATCHES, learning_rates, SERIES.values()):
        for seed in range(SEEDS):
            norm_batch = batch if model == "resnet20" else None
            found.append(synthetic.made(model, clip, batch, lr, seed, norm_batch, ["all"]))
    return found


def experiment() -> dict[str, Any]:
    """The `experiment:` node."""
    series = {
        name: {"label": name, "where": {"model.name": model, "clip.label": synthetic.CLIPS[clip][1]}}
        for name, (model, clip) in SERIES.items()
    }
    panels: dict[str, Any] = {
        "batches": {"kind": "accuracy_over", "where": {"lr": 0.1}, "x": "batch.global"},
        "gains": {"kind": "skip_gain", "where": {"batch.global": 64}, "x": "lr", "series": ["nf", "nf_agc01"]},
        "curves": {"kind": "learning_curves", "where": {"batch.global": 64, "seed": 0}, "y": "train/loss"},
        "clipped": {"kind": "clipped_layers", "where": {"batch.global": 64, "seed": 0}, "series": ["nf_agc01"]},
        "dependence": {"kind": "batch_dependence", "where": {"lr": 0.1}, "threshold": 1e-9},
    }
    claims: dict[str, Any] = {}
    for batch in BATCHES:
        where = {"batch.global": batch}
        panels[f"over_{batch}"] = {"kind": "accuracy_over", "title": f"Batch {batch}", "where": where, "x": "lr"}
        panels[f"tiles_{batch}"] = {"kind": "trained_share", "where": where, "x": "lr"}
        sides = {"where": where, "a": "nf_agc01", "b": "nf"}
        claims[f"more_{batch}"] = {"kind": "trains_more_often", "claim": f"AGC trains more at {batch}.", **sides}
        claims[f"better_{batch}"] = {"kind": "higher_accuracy", "claim": f"AGC is better at {batch}.", **sides}
    figure = ["over_16", "over_64", "curves", "dependence"]
    return {"question": "How long?", "series": series, "figure": figure, "panels": panels, "claims": claims}


def as_trained(run: Path) -> None:
    """Beside the made-up files: the environment, what AGC did to every layer, and the checksums."""
    content = json.loads((run / "result.json").read_text())
    environment = {"schema_version": 1, "attempts": 1, "provenance": content["provenance"]}
    write_verified(run, {"environment.json": json.dumps(environment), "overrides.yaml": "[]\n"})
    if content["clip"]["name"] == "agc":
        rows = [",".join(COLUMNS)]
        for step in range(1, RECORDS + 1):
            rows.append(f"{10 * step},-1,,all,1800,120,0.0011,0.0032,0.0057,0.0086,0.0152")
            rows += [
                f"{10 * step},{depth},{depth // 7 + 1},stages.{depth}.conv.weight,64,4,0.0011,0.0032,0.0057,0.0086,0.02"
                for depth in range(LAYERS)
            ]
        (run / "clip.csv").write_text("\n".join(rows) + "\n")
    there = [path for path in run.iterdir() if path.suffix in (".csv", ".json", ".yaml")]
    write_verified(run, {}, {path.name: digest_of(path) for path in there})


def plan(folder: Path, every: list[dict[str, Any]]) -> None:
    """The plan with the factors of every arm, as a sweep writes it."""
    usual = factors_of(resolved())
    arms: dict[str, Factors] = {}
    for run in every:
        model, (clip, label) = run["model"], synthetic.CLIPS[run["clip"]]
        arms[run["arm"]] = usual | {
            "model.name": model,
            "model.normalizer": synthetic.MODELS[model][0],
            "lr": run["lr"],
        }
        arms[run["arm"]] |= {"clip.name": clip, "clip.label": label, "batch.global": run["batch"]}
        arms[run["arm"]]["clip.clip_factor"] = float(label.split()[1]) if clip == "agc" else None
    planned = [
        PlannedRun(run["run_id"], tuple(run["overrides"]), tuple(run["grids"]), run["arm"], run["seed"])
        for run in every
    ]
    add_to_plan(folder, NAME, planned, {}, arms)


def make(folder: Path, count: int) -> int:
    """Write runs and experiment; how many runs there are."""
    (folder / "experiments").mkdir(parents=True)
    (folder / "experiments" / f"{NAME}.yaml").write_text(yaml.safe_dump({"experiment": experiment()}))
    every = runs(count)
    synthetic.write(every, folder / "runs" / NAME)
    plan(folder / "runs" / NAME, every)
    for result in (folder / "runs" / NAME).glob("*/result.json"):
        as_trained(result.parent)
    return len(every)


def measure(folder: Path) -> tuple[float, float, float]:
    """Seconds on the wall and of the processor, and peak MB, of the report of what is in a folder.

    Raises:
        SystemExit: the report failed; says with what.
    """
    places = [f"{name}_dir={folder / name}" for name in ("runs", "reports", "experiments")]
    command = [sys.executable, str(ROOT / "report.py"), f"experiment={NAME}", *places]
    core = min(os.sched_getaffinity(0))
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core})
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, busy, after.ru_maxrss / 1024


def main() -> None:
    """Measure each number of runs that is given, in rising order, as the peak is that of the largest so far."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=int, nargs="*", default=[3000, 20000], help="3000 20000 unless given")
    parser.add_argument("--turns", type=int, default=2, help="reports of each, 2 unless given")
    parser.add_argument("--keep", type=Path, help="a folder for the runs, which are taken from there if they are")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for count in sorted(given.runs):
            folder = (given.keep or Path(temporary)) / str(count)
            made = len(runs(count)) if folder.is_dir() else make(folder, count)
            for _ in range(given.turns):
                wall, busy, peak = measure(folder)
                print(f"{made} runs: {wall:.1f} s, {busy:.1f} s of one core, peak {peak:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
