"""What Weights & Biases is told about a run, cut to what it takes. Knows no torch."""

import csv
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from normfree.config import Resolved
from normfree.runs import arm_id, clip_label, run_id
from normfree.runs.clip_record import ALL, QUANTILES, stage_word
from normfree.runs.provenance import commit

LONGEST_TAG, LONGEST_NAME = 64, 128
_GOOD = ("finished", "untrained")
"""All steps done with finite numbers: the process that trained it ended well."""


def description(resolved: Resolved) -> dict[str, Any]:
    """The configuration with what follows from it in place of what was left open, to group and filter by."""
    known, dirty = commit()
    return asdict(resolved.config) | {
        "lr": resolved.lr,
        "steps": resolved.steps,
        "epochs": resolved.epochs,
        "warmup_steps": resolved.warmup_steps,
        "norm_batch": resolved.norm_batch,
        "clip_label": clip_label(resolved),
        "run_id": run_id(resolved),
        "arm_id": arm_id(resolved),
        "commit": known,
        "dirty": dirty,
    }


def summary(facts: dict[str, Any]) -> dict[str, Any]:
    """How it ended, of what is known at the end: ``metrics`` and ``batch_dependence`` number by number.

    Numbers that are not finite are told in words, as W&B keeps none.
    """
    told = {key: facts.get(key) for key in ("status", "reason", "stalled", "steps_done")}
    for key, value in (facts.get("metrics") or {}).items():
        told[key] = value
    for key, value in (facts.get("batch_dependence") or {}).items():
        told[f"batch_dependence/{key}"] = value
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in told.items()
        if value is not None
    }


def exit_code(status: str) -> int:
    """W&B shows a run that ended with another code than 0 as failed."""
    return 0 if status in _GOOD else 1


def tags(given: list[str], status: str = "finished") -> tuple[str, ...]:
    """The user's, and what became of a run that did not train to its end."""
    marks = [] if status == "finished" else [status]
    return tuple(dict.fromkeys([*(cut(tag, LONGEST_TAG) for tag in given), *marks]))


def tell_cuts(resolved: Resolved) -> None:
    """Warn of names that are longer than W&B takes."""
    named = [("logger.tags", tag, LONGEST_TAG) for tag in resolved.config.logger.tags]
    named.append(("experiment.name", resolved.config.experiment.name, LONGEST_NAME))
    named.append(("the run's name", run_id(resolved), LONGEST_NAME))
    for key, text, limit in named:
        if len(text) > limit:
            warnings.warn(
                f"{key}: W&B takes {limit} characters; {text!r} is called {cut(text, limit)!r} there", stacklevel=2
            )


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and its end, which is what run ids differ in."""
    return text if len(text) <= limit else f"{text[: limit - 12]}...{text[-9:]}"


def rows_before(step: float, metrics: Path, clip: Path) -> Iterator[dict[str, float]]:
    """Numbers of every row of metrics.csv before a step, with what clip.csv has of it.

    As a run in progress logs them, but for the ratios' quantiles, of which clip.csv keeps four digits.
    """
    clipped = _clipped(clip) if clip.exists() else {}
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = {key: float(value) for key, value in row.items() if value}
            if numbers["step"] >= step:
                return
            yield numbers | clipped.pop(numbers["step"], {})


def _clipped(clip: Path) -> dict[float, dict[str, float]]:
    counts: dict[float, dict[str, list[int]]] = {}
    told: dict[float, dict[str, float]] = {}
    with clip.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            step = float(row["step"])
            if row["layer"] == ALL:
                quantiles = {f"ratio_q{share:02d}" for share in QUANTILES}
                told[step] = {f"clip/{key}": float(row[key]) for key in sorted(quantiles) if row[key]}
                continue
            count = counts.setdefault(step, {}).setdefault(stage_word(row["stage"]), [0, 0])
            count[0] += int(row["clipped"])
            count[1] += int(row["units"])
    for step, stages in counts.items():
        shares = {f"clip/clipped_share_{stage}": clipped / units for stage, (clipped, units) in stages.items()}
        told[step] = told.get(step, {}) | shares
    return told
