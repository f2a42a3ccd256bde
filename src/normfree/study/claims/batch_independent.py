"""What A computes for an image does not depend on the images beside it, and what B computes does."""

from __future__ import annotations

import pandas as pd

from normfree.study.claims import Evidence
from normfree.study.claims._sides import gap, number, sides
from normfree.study.experiment import Claim, Experiment
from normfree.study.measures import ROWS
from normfree.study.outcomes import count

OPTIONS = ("threshold",)
_MEASURES = [row.name for row in ROWS if row.name.startswith("batch_dependence.")]


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """Evidence from the largest measured difference of every run that has one."""
    threshold = number(claim, "threshold", 1e-9)
    rule = (
        f"supported if the largest of the three measured differences is below {threshold:g} in every "
        f"measured run of "
        "A and above it in every one of B; refuted otherwise; no test, as the measurement does not vary "
        "with luck"
    )
    told, worst, missing, n = [], [], "", 0
    for label, runs in sides(claim, experiment, table):
        values = runs[_MEASURES].max(axis=1).dropna()
        missing = missing or gap(label, count(runs), 1)
        n += len(values)
        if values.empty:
            missing = missing or f"no run of {label} has the measurement"
            continue
        worst.append((float(values.min()), float(values.max())))
        measured = f"{len(values)} of {len(runs)}" if len(values) < len(runs) else str(len(values))
        told.append(f"{label} {values.min():.0e} to {values.max():.0e} in {measured} runs")
    numbers = f"largest relative difference: {'; '.join(told)}" if told else ""
    if missing:
        return Evidence(rule, numbers, missing, n)
    return Evidence(rule, numbers, n=n, holds=worst[0][1] < threshold < worst[1][0])
