"""The kinds of claim: each turns the runs it names into evidence for and against, and says so in a sentence.

A kind is a function `(claim, experiment, table) -> Evidence`, registered by its name. `p_for` and `p_against` are
one-sided; `normfree.study.verdicts` corrects them over all claims and decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.arms import ACCURACY
from normfree.study.experiment import Claim, Experiment, nearest
from normfree.study.outcomes import Counts, count
from normfree.study.select import select
from normfree.study.statistics import (
    Interval,
    equivalence,
    fisher,
    mean_interval,
    one_sided_t,
    share_difference,
    share_difference_below,
)

MEASURES = {
    "batch_dependence.logits_batch_vs_single": "logits, whole batch vs one by one",
    "batch_dependence.logits_train_vs_eval": "logits, training vs evaluation mode",
    "batch_dependence.gradient_whole_vs_accumulated": "gradient, whole batch vs two halves",
}


@dataclass(frozen=True)
class Evidence:
    """What the runs say of one claim.

    `gap` tells why nothing can be concluded, where that is so. `holds` decides claims that need no test.
    `interval` is in the unit of the claim (shares). `eligible` is False where an effect is too small to be claimed.
    """

    rule: str
    numbers: str
    gap: str = ""
    n: int = 0
    interval: Interval | None = None
    p_for: float | None = None
    p_against: float | None = None
    holds: bool | None = None
    eligible: bool = True


Kind = Callable[[Claim, Experiment, pd.DataFrame], Evidence]
KINDS: dict[str, Kind] = {}
_OPTIONS: dict[str, frozenset[str]] = {}


def kind(*options: str) -> Callable[[Kind], Kind]:
    """Register a kind of claim under its function's name, with the options it takes beside a, b and where."""

    def register(function: Kind) -> Kind:
        KINDS[function.__name__] = function
        _OPTIONS[function.__name__] = frozenset({"a", "b", "where", *options})
        return function

    return register


def gather(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """The evidence for one claim. Raises `UserError` for an unknown kind, key or series."""
    place = f"experiment.claims.{claim.name}"
    if claim.kind not in KINDS:
        listed = ", ".join(sorted(KINDS))
        raise UserError(
            f"{place}.kind={claim.kind}: no such kind{nearest(claim.kind, KINDS)}; there are: {listed}"
        )
    for key in claim.options:
        if key not in _OPTIONS[claim.kind]:
            raise UserError(f"{place}.{key}: no such key{nearest(key, _OPTIONS[claim.kind])}")
    return KINDS[claim.kind](claim, experiment, table)


@kind("minimum_difference", "minimum_runs")
def trains_more_often(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """A larger share of A's runs trains than of B's, pooled over the cells named."""
    margin = _number(claim, "minimum_difference", 0.0)
    fewest = int(_number(claim, "minimum_runs", experiment.minimum_seeds))
    (label_a, runs_a), (label_b, runs_b) = _sides(claim, experiment, table)
    a, b = count(runs_a), count(runs_b)
    rule = (
        f"supported if Fisher's exact test (one-sided, runs pooled over the cells named) gives p ≤ {experiment.alpha:g}"
        f" and the shares differ by at least {_points(margin)}; refuted if the same level excludes such a difference "
        f"(Newcombe); at least {fewest} runs a side, none outstanding; p by Holm over the claims"
    )
    numbers = f"{label_a} trained in {_told(a)}; {label_b} in {_told(b)}"
    gap = _gap(label_a, a, fewest, "runs") or _gap(label_b, b, fewest, "runs")
    if gap:
        return Evidence(rule, numbers, gap, a.concluded + b.concluded)
    counts = a.trained, a.planned, b.trained, b.planned
    interval = share_difference(*counts, experiment.level)
    return Evidence(
        rule, f"{numbers}; difference {_interval(interval, experiment.level)}", "", a.planned + b.planned, interval,
        p_for=fisher(*counts), p_against=share_difference_below(*counts, max(margin, 0.0)),
        eligible=interval.estimate >= margin - 1e-12,
    )  # fmt: skip


@kind("margin")
def higher_accuracy(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """A's accuracy exceeds B's by more than the margin, paired by seed."""
    margin = _number(claim, "margin", 0.0)
    rule = (
        f"supported if a one-sided t test of the per-seed differences against {_points(margin)} gives "
        f"p ≤ {experiment.alpha:g}; refuted if the opposite test does; at least {experiment.minimum_seeds} paired "
        "seeds, every run of both sides trained; p by Holm over the claims"
    )
    numbers, gap, differences = _paired(claim, experiment, table)
    if gap:
        return Evidence(rule, numbers, gap, len(differences))
    against = one_sided_t([-value for value in differences], -margin)
    interval = mean_interval(differences, experiment.level)
    return Evidence(rule, numbers, "", len(differences), interval, one_sided_t(differences, margin), against)


@kind("margin")
def equal_accuracy(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """A's and B's accuracies differ by less than the margin, paired by seed."""
    margin = _number(claim, "margin", None)
    rule = (
        f"supported if two one-sided t tests (TOST) put the mean per-seed difference within ±{_points(margin)} with "
        f"p ≤ {experiment.alpha:g}; refuted if a one-sided test puts it outside; at least {experiment.minimum_seeds} "
        "paired seeds, every run of both sides trained; p by Holm over the claims"
    )
    numbers, gap, differences = _paired(claim, experiment, table)
    if gap:
        return Evidence(rule, numbers, gap, len(differences))
    outside = 2 * min(
        one_sided_t(differences, margin), one_sided_t([-value for value in differences], margin)
    )
    interval = mean_interval(differences, experiment.level)
    p_for = equivalence(differences, margin)
    return Evidence(rule, numbers, "", len(differences), interval, p_for, min(1.0, outside))


@kind("threshold")
def batch_independent(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """What A computes for an image does not depend on the images beside it, and what B computes does."""
    threshold = _number(claim, "threshold", 1e-9)
    rule = (
        f"supported if the largest of the three measured differences is below {threshold:g} in every run of A and "
        f"above it in every run of B; refuted otherwise; no test, as the measurement does not vary with luck"
    )
    told, worst, gap, n = [], [], "", 0
    for label, runs in _sides(claim, experiment, table):
        values = runs[list(MEASURES)].max(axis=1).dropna()
        n += len(values)
        if values.empty:
            gap = gap or f"{label} has no measured run"
        else:
            worst.append((values.min(), values.max()))
            told.append(f"{label}: {values.min():.0e} to {values.max():.0e} in {len(values)} runs")
    numbers = "largest relative difference, " + "; ".join(told) if told else "nothing measured"
    if gap:
        return Evidence(rule, numbers, gap, n)
    return Evidence(rule, numbers, "", n, holds=bool(worst[0][1] < threshold < worst[1][0]))


def _sides(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Label and runs of A and of B."""
    place = f"experiment.claims.{claim.name}"
    shared = select(table, claim.options.get("where") or {}, f"{place}.where")
    sides = []
    for side in ("a", "b"):
        chosen = claim.options.get(side)
        chosen = {"series": chosen} if isinstance(chosen, str) else chosen
        if not isinstance(chosen, Mapping) or set(chosen) - {"series", "where", "label"}:
            raise UserError(f"{place}.{side}: name a series, or give series, where and label")
        runs, label = shared, str(chosen.get("label", side.upper()))
        if "series" in chosen:
            known = {series.name: series for series in experiment.series}
            name = str(chosen["series"])
            if name not in known:
                raise UserError(f"{place}.{side}.series: '{name}' is no series{nearest(name, known)}")
            runs = select(runs, known[name].where, f"experiment.series.{name}.where")
            label = str(chosen.get("label", known[name].label))
        sides.append((label, select(runs, chosen.get("where") or {}, f"{place}.{side}.where")))
    return sides


def _paired(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> tuple[str, str, list[float]]:
    """Sentence, gap and A less B of each seed, averaged first over the other cells named."""
    (label_a, runs_a), (label_b, runs_b) = _sides(claim, experiment, table)
    told = []
    for label, runs in ((label_a, runs_a), (label_b, runs_b)):
        counts = count(runs)
        gap = _gap(label, counts, experiment.minimum_seeds, "runs")
        if not gap and counts.trained < counts.planned:
            gap = f"{label} trained in {_told(counts)}, and a mean over failed seeds would describe none of them"
        if not gap and runs[ACCURACY].isna().any():
            gap = f"{label} has runs without a test accuracy"
        if gap:
            return f"{label_a} against {label_b}", gap, []
        told.append(f"{label} {100 * runs[ACCURACY].mean():.1f} %")
    a, b = runs_a.groupby("seed")[ACCURACY].mean(), runs_b.groupby("seed")[ACCURACY].mean()
    seeds = sorted(set(a.index) & set(b.index))
    differences = [float(a[seed] - b[seed]) for seed in seeds]
    if len(seeds) < max(2, experiment.minimum_seeds) or len(seeds) < max(len(a), len(b)):
        gap = f"{len(seeds)} seeds are in both sides, of {len(a)} and {len(b)}"
        return f"{label_a} against {label_b}", gap, differences
    interval = mean_interval(differences, experiment.level)
    return f"{'; '.join(told)}; mean difference {_interval(interval, experiment.level)}", "", differences


def _gap(label: str, counts: Counts, fewest: int, unit: str) -> str:
    if counts.planned == 0:
        return f"no runs of {label} are planned"
    if counts.open:
        return f"{counts.open} of {counts.planned} runs of {label} have no outcome yet"
    return (
        f"{label} has {counts.planned} {unit}, the rule asks for {fewest}" if counts.planned < fewest else ""
    )


def _number(claim: Claim, key: str, default: float | None) -> float:
    value: Any = claim.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"experiment.claims.{claim.name}.{key}={value}: give a number")
    return float(value)


def _told(counts: Counts) -> str:
    failures = [
        f"{n} {name}" for name, n in (("diverged", counts.diverged), ("stalled", counts.stalled)) if n
    ]
    return f"{counts.trained}/{counts.planned}" + (f" ({', '.join(failures)})" if failures else "")


def _points(share: float) -> str:
    return f"{100 * share:g} points"


def _interval(interval: Interval, level: float) -> str:
    limits = f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"
    return f"{100 * interval.estimate:+.1f} points ({100 * level:g} % interval {limits}, n = {interval.n})"
