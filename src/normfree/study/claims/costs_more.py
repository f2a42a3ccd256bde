"""A takes more than so many times what B takes, in epochs, seconds or another measure: a t test of the logarithms of
the ratios of paired seeds.
"""

from __future__ import annotations

import math

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.claims import Evidence
from normfree.study.claims._sides import measured, number, pairs
from normfree.study.experiment import Claim, Experiment
from normfree.study.statistics import mean_interval, one_sided_t

OPTIONS = ("measure", "ratio")


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from per-seed ratios of the measure, with their geometric mean and its interval; none where a run of
    either side has no value, such as one that did not reach a target.

    Raises:
        UserError: `ratio` is not above 0.
    """
    least, measure = number(claim, "ratio", 1.0), measured(claim, table)
    if least <= 0:
        raise UserError(f"experiment.claims.{claim.name}.ratio={least:g}: give a number above 0")
    rule = (
        f"supported if a one-sided t test of the logarithms of the per-seed ratios in the {measure.label} against a "
        f"ratio of {least:g} gives p ≤ {experiment.alpha:g}; refuted if the opposite test does; at least "
        f"{experiment.minimum_seeds} paired seeds, every run of both sides with a value; p after Holm"
    )
    told, gap, found = pairs(claim, experiment, table, measure)
    if not gap and min(min(pair) for pair in found.values()) <= 0:
        gap = f"ratios need a {measure.label} above 0"
    if gap:
        return Evidence(rule, told, gap, len(found))
    logs = [math.log(a / b) for a, b in found.values()]
    interval = mean_interval(logs, experiment.level)
    ratio, low, high = (math.exp(value) for value in (interval.estimate, interval.low, interval.high))
    return Evidence(
        rule=rule,
        numbers=(
            f"{told}; ratio {ratio:.3g} ({100 * experiment.level:g} % interval {low:.3g} to {high:.3g}, "
            f"n = {interval.n}; geometric mean)"
        ),
        n=len(logs),
        p_for=one_sided_t(logs, math.log(least)),
        p_against=one_sided_t([-value for value in logs], -math.log(least)),
    )
