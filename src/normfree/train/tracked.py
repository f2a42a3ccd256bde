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
from normfree.runs.provenance import commit

LONGEST_TAG, LONGEST_NAME = 64, 128
_GOOD = ("finished", "untrained", "stalled")
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


def rows_before_the_last(metrics: Path) -> Iterator[dict[str, float]]:
    """Numbers of every row of metrics.csv but the one just written."""
    with metrics.open(newline="", encoding="utf-8") as file:
        held: dict[str, str] | None = None
        for row in csv.DictReader(file):
            if held is not None:
                yield {key: float(value) for key, value in held.items() if value}
            held = row
