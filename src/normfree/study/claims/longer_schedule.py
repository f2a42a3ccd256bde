"""A takes a training of more than so many times B's epochs, or seconds, until the mean over its seeds reaches a target:
a t test of the jackknife over seeds.

Every run has a learning-rate schedule of its own length, so that what counts is the accuracy at its end. The length at
which the mean reaches the target lies between two lengths that were trained, on a line over the logarithm.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from normfree.config.errors import UserError
from normfree.study.claims import Evidence
from normfree.study.claims._sides import gap, measured, number, sides, told_counts, told_mean
from normfree.study.experiment import Claim, Experiment
from normfree.study.measures import Measure
from normfree.study.outcomes import count
from normfree.study.statistics import mean_interval, one_sided_t

OPTIONS = ("measure", "target", "ratio", "unit")
UNITS = {"epochs": "epochs", "training_seconds": "s of training"}


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from the lengths at which the means of both sides reach the target.

    The jackknife's pseudo-values of the logarithm of their ratio are one a seed, tested as values of seeds are. Nothing
    can be concluded where a mean is not below the target with one length and above it with a longer one.

    Raises:
        UserError: no target, a `ratio` that is not above 0, or an unknown `unit`.
    """
    target, least, measure = number(claim, "target", None), number(claim, "ratio", 1.0), measured(claim, table)
    unit = str(claim.options.get("unit", "epochs"))
    if least <= 0:
        raise UserError(f"experiment.claims.{claim.name}.ratio={least:g}: give a number above 0")
    if unit not in UNITS:
        raise UserError(f"experiment.claims.{claim.name}.unit={unit}: no such unit; there are: {', '.join(UNITS)}")
    rule = (
        f"lengths of training with which the mean {measure.label} over seeds reaches {told_mean(target, measure)}, on "
        f"a line between the lengths trained, over their logarithm; supported if a one-sided t test of the jackknife's "
        f"pseudo-values of the logarithm of A's over B's against a ratio of {least:g} gives p ≤ {experiment.alpha:g}; "
        f"refuted if the opposite test does; at least {experiment.minimum_seeds} seeds in every length; p after Holm"
    )
    (label_a, runs_a), (label_b, runs_b) = sides(claim, experiment, table)
    asked = f"{label_a} against {label_b}"
    found = []
    for label, runs in ((label_a, runs_a), (label_b, runs_b)):
        missing, values, costs = _lengths(label, runs, measure, unit, experiment.minimum_seeds)
        if missing:
            return Evidence(rule, asked, missing)
        found.append((label, values, costs))
    seeds = sorted(set(found[0][1].index) & set(found[1][1].index))
    if len(seeds) < max(2, experiment.minimum_seeds) or any(len(values) > len(seeds) for _, values, _ in found):
        return Evidence(rule, asked, f"{len(seeds)} seeds are in both", len(seeds))
    whole = [_reached(values, costs, target) for _, values, costs in found]
    for (label, values, _), reached in zip(found, whole, strict=True):
        if reached is None:
            means = ", ".join(f"{told_mean(float(mean), measure)} with {at:g}" for at, mean in values.mean().items())
            why = f"{label} does not cross {told_mean(target, measure)}: {means} epochs"
            return Evidence(rule, asked, why, len(seeds))
    without = [[_reached(values.drop(index=seed), costs, target) for _, values, costs in found] for seed in seeds]
    if any(None in each for each in without):
        why = f"without one of the seeds a mean does not cross {told_mean(target, measure)}"
        return Evidence(rule, asked, why, len(seeds))
    ratio = _log_ratio(whole)
    pseudo = [len(seeds) * ratio - (len(seeds) - 1) * _log_ratio(each) for each in without]
    interval = mean_interval(pseudo, experiment.level)
    low, high = math.exp(interval.low), math.exp(interval.high)
    told = "; ".join(f"{label} {value:.3g} {UNITS[unit]}" for (label, _, _), value in zip(found, whole, strict=True))
    return Evidence(
        rule=rule,
        numbers=(
            f"{told}; ratio {math.exp(ratio):.3g} ({100 * experiment.level:g} % interval {low:.3g} to {high:.3g}, "
            f"n = {len(seeds)})"
        ),
        n=len(seeds),
        p_for=one_sided_t(pseudo, math.log(least)),
        p_against=one_sided_t([-value for value in pseudo], -math.log(least)),
    )


def _lengths(
    label: str, runs: pd.DataFrame, measure: Measure, unit: str, fewest: int
) -> tuple[str, pd.DataFrame, pd.Series]:
    """What is missing, the measure by seed (rows) and epochs (columns), and what an epoch costs in the unit."""
    counts = count(runs)
    missing = gap(label, counts, fewest)
    if not missing and counts.trained < counts.planned:
        missing = f"{label} trained in {told_counts(counts)}, and a mixture has no meaningful mean"
    if missing:
        return missing, pd.DataFrame(), pd.Series(dtype=float)
    epochs = (runs["steps"] * runs["batch.global"] / runs["data.train"]).astype(float).round(2)
    values = runs.assign(epochs=epochs).pivot_table(index="seed", columns="epochs", values=measure.name)
    if values.isna().any(axis=None) or len(values.columns) < 2:
        return f"{label} has not two lengths or more with the same seeds", values, pd.Series(dtype=float)
    cost = runs["data.train"] / runs["time.images_per_second"] if unit == "training_seconds" else epochs * 0 + 1
    return "", values, cost.astype(float).groupby(runs["seed"]).mean()


def _reached(values: pd.DataFrame, costs: pd.Series, target: float) -> float | None:
    """The length at which the mean over the rows crosses the target, times what an epoch costs them on average."""
    means, lengths = values.mean().to_numpy(float), values.columns.to_numpy(float)
    crossed = np.flatnonzero((means[:-1] < target) & (means[1:] >= target))
    if not len(crossed):
        return None
    at = int(crossed[0])
    share = (target - means[at]) / (means[at + 1] - means[at])
    return float(lengths[at] * (lengths[at + 1] / lengths[at]) ** share * costs[values.index].mean())


def _log_ratio(lengths: list[float | None]) -> float:
    a, b = lengths
    assert a is not None
    assert b is not None
    return math.log(a / b)
