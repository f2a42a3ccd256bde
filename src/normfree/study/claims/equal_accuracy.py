"""A's and B's accuracies, or other measures, differ by less than a margin: two one-sided t tests (TOST) over paired
seeds.
"""

from __future__ import annotations

import pandas as pd

from normfree.study.claims import Evidence
from normfree.study.claims._sides import measured, number, paired, points
from normfree.study.experiment import Claim, Experiment
from normfree.study.statistics import equivalence, mean_interval, one_sided_t

OPTIONS = ("margin", "measure")


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from per-seed differences of the measure; none where a run of either side did not train."""
    margin, measure = number(claim, "margin", None), measured(claim, table)
    rule = (
        f"supported if two one-sided t tests (TOST) put the mean per-seed difference within "
        f"±{points(margin, measure)} with "
        f"p ≤ {experiment.alpha:g}; refuted if a two-sided test puts it outside; at least "
        f"{experiment.minimum_seeds} paired seeds, every run of both sides trained; p after Holm"
    )
    numbers, gap, differences = paired(claim, experiment, table, measure)
    if gap:
        return Evidence(rule, numbers, gap, len(differences))
    negated = [-value for value in differences]
    return Evidence(
        rule=rule,
        numbers=numbers,
        n=len(differences),
        interval=mean_interval(differences, experiment.level),
        p_for=equivalence(differences, margin),
        p_against=min(1.0, 2 * min(one_sided_t(differences, margin), one_sided_t(negated, margin))),
    )
