"""Three sentences that answer before anything is shown, by rule from numbers: what won, what failed, what is open."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from normfree.host.wording import counted
from normfree.study.arms import VALIDATION, Arm
from normfree.study.experiment import Experiment
from normfree.study.factor_names import head_of_factor
from normfree.study.measures import ACCURACY
from normfree.study.outcomes import count
from normfree.study.statistics import difference_interval
from normfree.study.study import Study
from normfree.study.verdicts import Verdict


def summary(study: Study, verdicts: Sequence[Verdict]) -> list[str]:
    """The sentences, in this order."""
    return [_best(study), _failed(study), _open(study, verdicts)]


def _best(study: Study) -> str:
    """Who is most accurate, for each data set by itself."""
    data = sorted({str(value) for value in study.table["data.name"].dropna()})
    if len(data) < 2:
        return _best_of(study.arms(), study)
    by_data = [(name, [arm for arm in study.arms() if arm.first("data.name") == name]) for name in data]
    return " ".join(f"On {name}: {_best_of(arms, study)}" for name, arms in by_data)


def _best_of(arms: Sequence[Arm], study: Study) -> str:
    """The series whose best arm is highest, against the best arm of the next one; arms of which a run failed have none.

    Validation chooses the best arm of a series, where every run has such a number. Where two series have arms with the
    fewest seeds that the rules ask for, arms with fewer are left out. A difference counts where its interval, of paired
    seeds if they are the same, leaves 0 out.
    """
    whole = [arm for arm in arms if arm.interval is not None]
    enough = [arm for arm in whole if len(arm.runs) >= study.experiment.minimum_seeds]
    compared = enough if len({arm.first("series") for arm in enough}) > 1 else whole
    validated = all(arm.runs[VALIDATION].notna().all() for arm in compared) if VALIDATION in study.table else False
    tops: dict[str, Arm] = {}
    for arm in sorted(compared, key=lambda arm: _of_validation(arm) if validated else _mean(arm)):
        tops[str(arm.first("series"))] = arm
    chosen = ", each in the arm that validation chose" if validated else ", each in its own best arm"
    if len(tops) == len(compared):
        chosen = ""
    of_these = f"{chosen.replace(', each', ', of each', 1)}," if chosen else ""
    ranked = sorted(tops, key=lambda label: -_mean(tops[label]))
    if not ranked:
        return "No arm has an accuracy to compare: in each of them a run did not train or is missing."
    first = ranked[0]
    told = f"{first}, at {_shown(tops[first], study)}"
    if len(ranked) == 1:
        number = counted(len(compared), "arm")
        return f"The highest test accuracy is that of {told}, of {number} in which every seed trained."
    second = ranked[1]
    beside = f"{second}, at {_shown(tops[second], study)}"
    found = _between(tops[first], tops[second], study.experiment)
    if found is None:
        return (
            f"With seeds that cannot be paired or one seed alone no series can be said to win: the highest test "
            f"accuracies{of_these} are those of {told}, and of {beside}."
        )
    low, high, difference = found
    if low <= 0 <= high:
        return f"No series wins: {told}, and {beside}{chosen}, differ by {difference}, which does not exclude 0."
    if min(len(arm.runs) for arm in (tops[first], tops[second])) < (least := study.experiment.minimum_seeds):
        higher = f"The highest test accuracy is that of {told}: {difference} above the next, {beside}{chosen}"
        return f"{higher}; fewer seeds than {least}, from which nothing is concluded."
    return f"The most accurate is {told}: {difference} above the next, {beside}{chosen}."


def _between(one: Arm, other: Arm, experiment: Experiment) -> tuple[float, float, str] | None:
    name = ACCURACY.name
    ours, theirs = (dict(zip(arm.runs["seed"], arm.runs[name], strict=True)) for arm in (one, other))
    if set(ours) != set(theirs) or len(ours) < 2:
        return None
    interval, method = difference_interval([ours[seed] - theirs[seed] for seed in sorted(ours)], experiment.level)
    low, high = 100 * interval.low, 100 * interval.high
    told = f"{100 * interval.estimate:+.1f} points ({100 * experiment.level:g} % {method} interval {low:+.1f} to "
    return low, high, f"{told}{high:+.1f}, n = {interval.n} paired seeds)"


def _failed(study: Study) -> str:
    """Runs that did not train, the series with the largest share of them first."""
    table = study.table
    total = count(table)
    failed = total.diverged + total.untrained
    if not total.concluded:
        return "No run has an outcome yet."
    if not failed:
        return f"All {total.concluded} runs with an outcome trained."
    parts = []
    # Along an axis of words, such as normalisers, it matters which of them failed.
    words = [name for name in study.varying_settings if not pd.api.types.is_numeric_dtype(table[name])]
    for (series, *values), runs in table.groupby(["series", *words], dropna=False):
        of = ", ".join(f"{head_of_factor(name)} {value}" for name, value in zip(words, values, strict=True))
        label = f"{series} ({of})" if of else series
        counts = count(runs)
        here = counts.diverged + counts.untrained
        if here:
            parts.append((here / counts.planned, here, f"{label} in {here} of {counts.planned}"))
    named = [text for _, _, text in sorted(parts, key=lambda part: (-part[0], -part[1], part[2]))]
    rest = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return (
        f"{failed} of {counted(total.concluded, 'run')} did not train ({total.diverged} diverged, "
        f"{total.untrained} untrained): {', '.join(named[:4])}{rest}."
    )


def _open(study: Study, verdicts: Sequence[Verdict]) -> str:
    """Claims without an answer, and why numbers may be too few."""
    total = count(study.table)
    seeds = study.by_seed.groupby("arm_id").size()
    few = int((seeds < study.experiment.minimum_seeds).sum())
    said = []
    if verdicts:
        supported, refuted, left = (
            sum(one.verdict == name for one in verdicts) for name in ("supported", "refuted", "inconclusive")
        )
        answers = f"{supported} {_are(supported)} supported, {refuted} refuted and {left} left open"
        said.append(f"of {counted(len(verdicts), 'claim')} {answers}")
    if total.open:
        said.append(f"{total.open} of {total.planned} planned runs have no outcome yet")
    if few:
        least = study.experiment.minimum_seeds
        said.append(f"{few} of {len(seeds)} arms have fewer than {least} seeds, from which nothing is concluded")
    if not said:
        said.append("no claims are made, so that nothing is tested")
    text = "; ".join(said)
    undecided = [one for one in verdicts if one.verdict == "inconclusive"]
    first = f" What cannot be told from these runs, first of all: {undecided[0].claim.claim}" if undecided else ""
    return f"{text[:1].upper()}{text[1:]}.{first}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _of_validation(arm: Arm) -> float:
    return float(arm.runs[VALIDATION].mean())


def _mean(arm: Arm) -> float:
    return arm.interval.estimate if arm.interval is not None else float("-inf")


def _shown(arm: Arm, study: Study) -> str:
    """`lr 0.8, 63.5 % (n = 3)`."""
    values = [(head_of_factor(name), arm.first(name)) for name in study.varying_settings]
    known = [(head, value) for head, value in values if value is not None and value == value]
    factors = "".join(f"{head} {f'{value:g}' if isinstance(value, float) else value}, " for head, value in known)
    assert arm.interval is not None
    return f"{factors}{100 * arm.interval.estimate:.1f} % (n = {arm.interval.n})"
