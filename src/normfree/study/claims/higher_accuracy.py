"""A's accuracy, or another measure, is better than B's by more than a margin: a t test of the differences of paired
seeds.
"""

from __future__ import annotations

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.claims import Evidence
from normfree.study.claims._sides import measured, number, paired, points
from normfree.study.experiment import Claim, Experiment
from normfree.study.measures import MEASURES
from normfree.study.statistics import mean_interval, one_sided_t

OPTIONS = ("margin", "measure")


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from per-seed differences of the measure; none where a run of either side did not train."""
    margin, measure = number(claim, "margin", 0.0), measured(claim, table)
    if not measure.better:
        directed = ", ".join(row.name for row in MEASURES.values() if row.better and row.name in table)
        raise UserError(
            f"experiment.claims.{claim.name}.measure={measure.name}: neither more nor less of it is better; "
            f"there are: {directed}"
        )
    lower = measure.better == "lower"
    rule = (
        f"supported if a one-sided t test of the per-seed differences{' in the ' + measure.label if lower else ''} "
        f"against {points(-margin if lower and margin else margin, measure)} gives "
        f"p ≤ {experiment.alpha:g}{', less being better' if lower else ''}; refuted if the opposite test does; "
        f"at least {experiment.minimum_seeds} paired seeds, every run of both sides trained; p after Holm"
    )
    numbers, gap, differences = paired(claim, experiment, table, measure)
    if gap:
        return Evidence(rule, numbers, gap, len(differences))
    better = [-value if lower else value for value in differences]
    return Evidence(
        rule=rule,
        numbers=numbers,
        n=len(differences),
        interval=mean_interval(differences, experiment.level),
        p_for=one_sided_t(better, margin),
        p_against=one_sided_t([-value for value in better], -margin),
    )
