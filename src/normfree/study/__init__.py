"""Collecting runs, arms, statistics, failure accounting and verdicts. Knows no torch."""

from normfree.runs.outcomes import DEFINITIONS
from normfree.study.arms import Arm, Value, arm_of
from normfree.study.collect import Collection, collect
from normfree.study.experiment import Claim, Experiment, Panel, Series, load_experiment
from normfree.study.measures import MEASURES, Measure
from normfree.study.outcomes import OUTCOMES, Counts, accounting, count
from normfree.study.select import select
from normfree.study.study import Study
from normfree.study.verdicts import Verdict, judge

__all__ = [
    "DEFINITIONS",
    "MEASURES",
    "OUTCOMES",
    "Arm",
    "Claim",
    "Collection",
    "Counts",
    "Experiment",
    "Measure",
    "Panel",
    "Series",
    "Study",
    "Value",
    "Verdict",
    "accounting",
    "arm_of",
    "collect",
    "count",
    "judge",
    "load_experiment",
    "select",
]
