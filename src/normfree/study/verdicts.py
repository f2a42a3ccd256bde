"""Verdicts: every claim of an experiment is supported, refuted or left inconclusive by its own rule."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from normfree.study.claims import Evidence, weigh
from normfree.study.experiment import Claim, Experiment
from normfree.study.statistics import holm


@dataclass(frozen=True)
class Verdict:
    """`verdict` is supported, refuted or inconclusive; `sentence` gives the numbers, `p` is Holm-adjusted."""

    claim: Claim
    verdict: str
    sentence: str
    rule: str
    evidence: Evidence
    p: float | None = None


def judge(experiment: Experiment, table: pd.DataFrame) -> list[Verdict]:
    """One verdict a claim, in the order of the file.

    Evidence for the claims and evidence against them are two families; Holm's correction runs over each, and
    counts every claim that needs a test, also those that cannot be decided yet.
    """
    evidence = [weigh(claim, experiment, table) for claim in experiment.claims]
    tested = [i for i, one in enumerate(evidence) if one.holds is None]
    p_for, p_against = [1.0] * len(evidence), [1.0] * len(evidence)
    raw_for = [_or_one(evidence[i].p_for) for i in tested]
    raw_against = [_or_one(evidence[i].p_against) for i in tested]
    for i, supporting, opposing in zip(tested, holm(raw_for), holm(raw_against), strict=True):
        p_for[i], p_against[i] = supporting, opposing
    return [
        _decide(experiment, claim, one, p_for[i], p_against[i])
        for i, (claim, one) in enumerate(zip(experiment.claims, evidence, strict=True))
    ]


def _decide(experiment: Experiment, claim: Claim, evidence: Evidence, p_for: float, p_against: float) -> Verdict:
    if evidence.gap:
        sentence = f"{_upper(evidence.gap)}." if not evidence.numbers else f"{evidence.numbers}: {evidence.gap}."
        return Verdict(claim, "inconclusive", _upper(sentence), evidence.rule, evidence)
    numbers = _upper(evidence.numbers)
    if evidence.holds is not None:
        return Verdict(claim, "supported" if evidence.holds else "refuted", f"{numbers}.", evidence.rule, evidence)
    if p_for <= experiment.alpha and evidence.eligible:
        return Verdict(claim, "supported", f"{numbers}; {_p(p_for)}.", evidence.rule, evidence, p_for)
    if p_against <= experiment.alpha:
        told = f"{numbers}; {_p(p_against)} against the claim."
        return Verdict(claim, "refuted", told, evidence.rule, evidence, p_against)
    told = f"{numbers}; {_p(p_for)} for and {_p(p_against)} against the claim."
    return Verdict(claim, "inconclusive", told, evidence.rule, evidence, p_for)


def _or_one(p: float | None) -> float:
    return 1.0 if p is None else p


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
