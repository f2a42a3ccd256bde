"""A's accuracy exceeds B's by more than a margin: a t test of the differences of paired seeds."""

from __future__ import annotations

import pandas as pd

from normfree.study.claims import Evidence
from normfree.study.claims._sides import number, paired, points
from normfree.study.experiment import Claim, Experiment
from normfree.study.statistics import mean_interval, one_sided_t

OPTIONS = ("margin",)


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from per-seed differences of test accuracy; none where a run of either side did not train."""
    margin = number(claim, "margin", 0.0)
    rule = (
        f"supported if a one-sided t test of the per-seed differences against {points(margin)} gives "
        f"p ≤ {experiment.alpha:g}; refuted if the opposite test does; at least {experiment.minimum_seeds} "
        f"paired "
        "seeds, every run of both sides trained; p after Holm"
    )
    numbers, gap, differences = paired(claim, experiment, table)
    if gap:
        return Evidence(rule, numbers, gap, len(differences))
    return Evidence(
        rule=rule,
        numbers=numbers,
        n=len(differences),
        interval=mean_interval(differences, experiment.level),
        p_for=one_sided_t(differences, margin),
        p_against=one_sided_t([-value for value in differences], -margin),
    )
