"""What the card of a normaliser says was measured, from the committed rows of a study and of a stress test."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

STUDY = Path("reports/normalizers")
STRESS = Path("reports/probes/stress/resnet20-normalizerall-lr0.05-factor2-steps27.csv")

NETWORK, OWN = "resnet20", "batchnorm"
CHOSEN, SCREEN = "confirm", "screen"
FAILED = ("untrained", "diverged")
_ENDED = (*FAILED, "finished")

_Row = Mapping[str, str]


def accuracy_rows(study: Path) -> dict[str, dict[str, str]]:
    """By normaliser the rows ``accuracy`` and ``failed runs`` of its card; empty where `study` has no rows.

    Args:
        study: folder of a report with runs of the grids ``screen`` and ``confirm``.

    Raises:
        KeyError: rows of another kind.
    """
    if not (study / "runs.csv").exists():
        return {}
    every = [
        row for row in read_rows(study / "runs.csv") if row["model.name"] == NETWORK and not row["model.ghost_batch"]
    ]
    arms = {row["arm_id"]: row for row in read_rows(study / "arms.csv")}
    found = {}
    for name in dict.fromkeys(row["model.normalizer"] for row in every):
        chosen, screened = (
            [row for row in every if row["model.normalizer"] == name and grid in row["grids"].split(";")]
            for grid in (CHOSEN, SCREEN)
        )
        if chosen:
            one = chosen[0]
            told = f"{_accuracy(arms[one['arm_id']])}, at rate {float(one['lr']):g}"
            made = f"{one['model.name']}, {one['data.label']}, {float(one['epochs']):g} epochs"
            parts = [
                f"{failed(chosen)} at that rate",
                *([f"{failed(screened)} over the rates of the screen"] * bool(screened)),
            ]
            found[name] = {
                "accuracy": f"{told} ([{made}](../{STUDY}/report.md))",
                "failed runs": ", ".join(parts),
            }
    return found


def stable_rate_rows(stages: Path) -> dict[str, dict[str, str]]:
    """By normaliser the row ``highest stable rate``, the median over the seeds; empty without `stages`.

    Args:
        stages: rows of a stress test.

    Raises:
        KeyError: rows of another kind.
    """
    page = f"([stress test](../{STRESS.with_suffix('.md')}))"
    return {name: {"highest stable rate": f"{told} {page}"} for name, told in stable_rates(stages).items()}


def stable_rates(stages: Path) -> dict[str, str]:
    """By normaliser its highest stable rate with the spread of the seeds; empty without `stages`.

    Raises:
        KeyError: rows of another kind.
    """
    if not stages.exists():
        return {}
    trainings: dict[str, dict[str, list[_Row]]] = {}
    for row in read_rows(stages):
        network, _, normalizer = row["model"].partition("_")
        if network == NETWORK:
            trainings.setdefault(normalizer or OWN, {}).setdefault(row["seed"], []).append(row)
    return {name: _stable(list(seeds.values())) for name, seeds in trainings.items()}


def _stable(seeds: Sequence[Sequence[_Row]]) -> str:
    good = [[float(row["lr"]) for row in rows if row["learned"] == "True" and not row["broke"]] for rows in seeds]
    rates = [max(each) for each in good if each]
    n = f"n = {len(seeds)}"
    if not rates:
        return f"none, {n}"
    beyond = " or more" * any(not rows[-1]["broke"] for rows in seeds)
    short = f", of which {len(seeds) - len(rates)} learned at none" if len(rates) < len(seeds) else ""
    spread = f", seeds from {min(rates):.3g} to {max(rates):.3g}" if len(rates) > 1 else ""
    return f"{median(rates):.3g}{beyond}{spread}, {n}{short}"


def _accuracy(arm: _Row) -> str:
    n = f"n = {arm['planned']}"
    if arm["test/accuracy/mean"]:
        mean, low, high = (100 * float(arm[f"test/accuracy/{name}"]) for name in ("mean", "low", "high"))
        return f"{mean:.1f} % [{low:.1f}, {high:.1f}], {n}"
    trained = [f"{100 * float(each):.1f}" for each in arm["test/accuracy/seeds"].split(";") if each]
    if not trained:
        return f"no mean: no seed trained, {n}"
    *others, last = trained
    told = f"{', '.join(others)} and {last}" if others else last
    return f"no mean: {told} % of the seeds that trained, {n}"


def failed(runs: Sequence[_Row]) -> str:
    """How many of those that ended diverged or did no better than guessing."""
    return f"{sum(row['status'] in FAILED for row in runs)} of {sum(row['status'] in _ENDED for row in runs)}"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
