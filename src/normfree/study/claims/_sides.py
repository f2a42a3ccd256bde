"""What the kinds of claim share: the runs of the two sides, their differences by seed, and how numbers are
told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from normfree.config.errors import UserError, nearest
from normfree.runs.reading import shortened
from normfree.study.checks import is_number
from normfree.study.experiment import Claim, Experiment
from normfree.study.measures import ACCURACY, Measure, measure_of
from normfree.study.outcomes import Counts, count
from normfree.study.select import select
from normfree.study.statistics import Interval, mean_interval


def sides(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Label and runs of A and of B."""
    place = f"experiment.claims.{claim.name}"
    shared = select(table, claim.options.get("where") or {}, f"{place}.where")
    found = []
    for side in ("a", "b"):
        chosen = claim.options.get(side)
        chosen = {"series": chosen} if isinstance(chosen, str) else chosen
        if not isinstance(chosen, Mapping) or not chosen or set(chosen) - {"series", "where", "label"}:
            raise UserError(f"{place}.{side}: name a series, or give series, where and label")
        runs, label = shared, str(chosen.get("label", side.upper()))
        if "series" in chosen:
            known = {series.name: series for series in experiment.series}
            name = str(chosen["series"])
            if name not in known:
                raise UserError(f"{place}.{side}.series: '{name}' is no series{nearest(name, known)}")
            runs = select(runs, known[name].where, f"experiment.series.{name}.where")
            label = str(chosen.get("label", known[name].label))
        found.append((label, select(runs, chosen.get("where") or {}, f"{place}.{side}.where")))
    return found


def measured(claim: Claim, table: pd.DataFrame) -> Measure:
    """What the claim compares: its key `measure`, else the test accuracy.

    Raises:
        UserError: the runs have no such number.
    """
    return measure_of(claim.options.get("measure", ACCURACY.name), table, f"experiment.claims.{claim.name}.measure")


def paired(
    claim: Claim, experiment: Experiment, table: pd.DataFrame, measure: Measure = ACCURACY
) -> tuple[str, str, list[float]]:
    """Sentence, gap, and what was measured of A less that of B for each seed, as `pairs` gives them."""
    told, missing, found = pairs(claim, experiment, table, measure)
    differences = [a - b for a, b in found.values()]
    if missing:
        return told, missing, differences
    interval = mean_interval(differences, experiment.level)
    return f"{told}; mean difference {told_interval(interval, experiment.level, measure)}", "", differences


def pairs(
    claim: Claim, experiment: Experiment, table: pd.DataFrame, measure: Measure = ACCURACY
) -> tuple[str, str, dict[int, tuple[float, float]]]:
    """Sentence, gap, and by seed what was measured of A and of B, averaged first over the other arms named."""
    (label_a, runs_a), (label_b, runs_b) = sides(claim, experiment, table)
    asked = f"{label_a} against {label_b}"
    told = []
    for label, runs in ((label_a, runs_a), (label_b, runs_b)):
        counts = count(runs)
        missing = gap(label, counts, experiment.minimum_seeds)
        if not missing and counts.trained < counts.planned:
            missing = f"{label} trained in {told_counts(counts)}, and a mixture has no meaningful mean"
        if not missing and runs[measure.name].isna().any():
            missing = f"{label} has runs without a {measure.label}"
        if missing:
            return asked, missing, {}
        told.append(f"{label} {told_mean(float(runs[measure.name].mean()), measure)}")
    a, b = (runs.groupby("seed")[measure.name].mean() for runs in (runs_a, runs_b))
    seeds = sorted(set(a.index) & set(b.index))
    found = {int(seed): (float(a[seed]), float(b[seed])) for seed in seeds}
    if len(seeds) < max(2, experiment.minimum_seeds) or len(seeds) < max(len(a), len(b)):
        return asked, f"{len(seeds)} seeds are in both, of {len(a)} and {len(b)}", found
    return "; ".join(told), "", found


def gap(label: str, counts: Counts, fewest: int) -> str:
    """Why these runs are too few to conclude from, or an empty string."""
    if counts.planned == 0:
        return f"no runs of {label} are planned"
    if counts.open:
        return f"{counts.open} of {counts.planned} runs of {label} have no outcome yet"
    return f"{label} has {counts.planned} runs, the rule asks for {fewest}" if counts.planned < fewest else ""


def number(claim: Claim, key: str, default: float | None) -> float:
    """A number among the claim's options."""
    value: Any = claim.options.get(key, default)
    if not is_number(value):
        raise UserError(f"experiment.claims.{claim.name}.{key}={shortened(value)}: give a number")
    return float(value)


def told_counts(counts: Counts) -> str:
    """`4/6 (2 diverged)`."""
    failures = [f"{n} {name}" for name, n in (("diverged", counts.diverged), ("untrained", counts.untrained)) if n]
    return f"{counts.trained}/{counts.planned}" + (f" ({', '.join(failures)})" if failures else "")


def told_mean(value: float, measure: Measure) -> str:
    """`97.1 %`, `12.3 s`."""
    return f"{100 * value:.1f} %" if measure.share else f"{value:.4g} {measure.unit}".rstrip()


def points(difference: float, measure: Measure = ACCURACY) -> str:
    """A difference of two values: `1.5 points`, percentage points of a share, or `0.5 s`."""
    if not measure.share:
        return f"{difference:g} {measure.unit}".rstrip()
    return f"{100 * difference:g} point{'' if difference == 0.01 else 's'}"


def told_interval(interval: Interval, level: float, measure: Measure = ACCURACY) -> str:
    """`+2.5 points (95 % interval +1.8 to +3.2, n = 3)`."""
    if not measure.share:
        numbers = [f"{value:+.3g}" for value in (interval.estimate, interval.low, interval.high)]
        estimate, limits = f"{numbers[0]} {measure.unit}".rstrip(), f"{numbers[1]} to {numbers[2]}"
    else:
        estimate = f"{100 * interval.estimate:+.1f} points"
        limits = f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"
    return f"{estimate} ({100 * level:g} % interval {limits}, n = {interval.n})"
