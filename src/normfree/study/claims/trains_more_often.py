"""A larger share of A's runs trains than of B's, pooled over the arms named: Fisher's exact test on the
counts.
"""

from __future__ import annotations

import pandas as pd

from normfree.study.claims import Evidence
from normfree.study.claims._sides import gap, number, points, sides, told_counts, told_interval
from normfree.study.experiment import Claim, Experiment
from normfree.study.outcomes import count
from normfree.study.statistics import fisher, share_difference, share_difference_below

OPTIONS = ("minimum_difference", "minimum_runs")


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from how many runs trained: finished ones did, untrained and diverged ones did not."""
    margin = number(claim, "minimum_difference", 0.0)
    fewest = int(number(claim, "minimum_runs", experiment.minimum_seeds))
    rule = (
        "supported if Fisher's exact test (one-sided; runs pooled over the arms named and taken as "
        "independent) "
        f"gives p ≤ {experiment.alpha:g} and the shares of trained runs differ by at least "
        f"{points(margin)}; refuted "
        f"if Newcombe's interval excludes such a difference at that level; at least {fewest} runs a side, "
        f"none "
        "without an outcome; p after Holm"
    )
    (label_a, runs_a), (label_b, runs_b) = sides(claim, experiment, table)
    a, b = count(runs_a), count(runs_b)
    told = f"{label_a} trained in {told_counts(a)}; {label_b} in {told_counts(b)}"
    missing = gap(label_a, a, fewest) or gap(label_b, b, fewest)
    if missing:
        return Evidence(rule, told, missing, a.concluded + b.concluded)
    counts = a.trained, a.planned, b.trained, b.planned
    interval = share_difference(*counts, experiment.level)
    return Evidence(
        rule=rule,
        numbers=f"{told}; difference {told_interval(interval, experiment.level)}",
        n=interval.n,
        interval=interval,
        p_for=fisher(*counts),
        p_against=share_difference_below(*counts, margin),
        eligible=interval.estimate >= margin - 1e-12,
    )
