"""A trains up to a higher learning rate, or another factor, than B: a t test of the octaves between paired seeds."""

from __future__ import annotations

import math

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.claims import Evidence
from normfree.study.claims._sides import gap, number, sides
from normfree.study.experiment import Claim, Experiment
from normfree.study.factor_names import label_of_factor
from normfree.study.factors import split_override
from normfree.study.outcomes import count
from normfree.study.statistics import mean_interval, one_sided_t

OPTIONS = ("margin", "factor")


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from each seed's highest value at which it trained, averaged in octaves over the other arms named; none
    where one lies at an end of what was tried.
    """
    margin, factor = number(claim, "margin", 0.0), str(claim.options.get("factor", "lr"))
    if factor not in table:
        raise UserError(f"experiment.claims.{claim.name}.factor={factor}: the runs have no such factor")
    rule = (
        f"supported if a one-sided t test of the per-seed octaves between the highest {label_of_factor(factor)} at "
        f"which each trains gives p ≤ {experiment.alpha:g} against {margin:g}; refuted if the opposite test does; at "
        f"least {experiment.minimum_seeds} paired seeds, each with a value that trains and a higher one that does not; "
        "p after Holm"
    )
    (label_a, runs_a), (label_b, runs_b) = sides(claim, experiment, table)
    asked, edges, told = f"{label_a} against {label_b}", [], []
    for label, runs in ((label_a, runs_a), (label_b, runs_b)):
        missing = gap(label, count(runs), experiment.minimum_seeds)
        found = _edges(runs, factor)
        if not missing and found.isna().any():
            missing = f"{label} has {int(found.isna().sum())} of {len(found)} edges outside of what was tried"
        if missing:
            return Evidence(rule, asked, missing)
        edges.append(found.groupby("seed").mean())
        told.append(f"{label} {2 ** float(edges[-1].mean()):.3g}")
    a, b = edges
    if set(a.index) != set(b.index) or len(a) < max(2, experiment.minimum_seeds):
        return Evidence(rule, asked, f"{len(set(a.index) & set(b.index))} seeds are in both, of {len(a)} and {len(b)}")
    octaves = [float(a[seed] - b[seed]) for seed in sorted(a.index)]
    interval = mean_interval(octaves, experiment.level)
    limits = f"{100 * experiment.level:g} % interval {interval.low:+.2f} to {interval.high:+.2f}, n = {interval.n}"
    return Evidence(
        rule=rule,
        numbers=f"{'; '.join(told)} (geometric means); {interval.estimate:+.2f} octaves ({limits})",
        n=len(octaves),
        p_for=one_sided_t(octaves, margin),
        p_against=one_sided_t([-value for value in octaves], -margin),
    )


def _edges(runs: pd.DataFrame, factor: str) -> pd.Series:
    """The base-2 logarithm of the highest value that trained, by seed and the other overrides; NaN at an end of what
    was tried.
    """
    found: dict[tuple[float, str], float] = {}
    others = runs["overrides"].map(lambda text: _without(str(text), factor))
    for (seed, rest), tried in runs.groupby([runs["seed"], others], sort=True):
        trained = tried.loc[tried["status"] == "finished", factor].astype(float)
        edge = bool(len(trained)) and trained.max() < tried[factor].astype(float).max()
        found[float(str(seed)), str(rest)] = math.log2(trained.max()) if edge else math.nan
    return pd.Series(found, dtype=float).rename_axis(["seed", "rest"]) if found else pd.Series(dtype=float)


def _without(overrides: str, factor: str) -> str:
    return " ".join(word for word in overrides.split(" ") if split_override(word)[0] != factor)
