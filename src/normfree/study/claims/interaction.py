"""A's lead over B is larger under one condition than under another, by more than a margin: a t test of the differences
of differences of paired seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.claims import Evidence
from normfree.study.claims._sides import measured, number, pairs, points, told_interval
from normfree.study.experiment import Claim, Experiment
from normfree.study.measures import Measure
from normfree.study.statistics import mean_interval, one_sided_t

OPTIONS = ("under", "beside", "margin", "measure")


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from (A - B) under one condition less (A - B) beside it; none where a run of the four did not train."""
    margin, measure = number(claim, "margin", 0.0), measured(claim, table)
    rule = (
        f"supported if a one-sided t test of the per-seed differences of both leads against {points(margin, measure)} "
        f"gives p ≤ {experiment.alpha:g}; refuted if the opposite test does; at least {experiment.minimum_seeds} "
        "seeds in all four, every run of them trained; p after Holm"
    )
    told, leads = [], []
    for key in ("under", "beside"):
        numbers, missing, found = _lead(claim, key, experiment, table, measure)
        if missing:
            return Evidence(rule, numbers, missing)
        told.append(numbers)
        leads.append(found)
    under, beside = leads
    if under.keys() != beside.keys():
        seeds = " and ".join(", ".join(map(str, lead)) for lead in leads)
        return Evidence(rule, "; ".join(told), f"seeds {seeds} are under the two conditions, and not the same")
    differences = [under[seed] - beside[seed] for seed in under]
    interval = mean_interval(differences, experiment.level)
    return Evidence(
        rule=rule,
        numbers=f"{'; '.join(told)}; of the leads {told_interval(interval, experiment.level, measure)}",
        n=len(differences),
        interval=interval,
        p_for=one_sided_t(differences, margin),
        p_against=one_sided_t([-value for value in differences], -margin),
    )


def _lead(
    claim: Claim, key: str, experiment: Experiment, table: pd.DataFrame, measure: Measure
) -> tuple[str, str, dict[int, float]]:
    """Sentence, gap, and by seed A less B, under one of the two conditions."""
    condition = claim.options.get(key)
    if not isinstance(condition, Mapping) or not condition or set(condition) - {"label", "where"}:
        raise UserError(f"experiment.claims.{claim.name}.{key}: give label and where, or where alone")
    where = {**(claim.options.get("where") or {}), **(condition.get("where") or {})}
    numbers, missing, found = pairs(
        replace(claim, options={**claim.options, "where": where}), experiment, table, measure
    )
    label = str(condition.get("label", key))
    return f"{label}: {numbers}", missing and f"{label}: {missing}", {seed: a - b for seed, (a, b) in found.items()}
