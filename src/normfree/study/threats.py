"""Threats to validity that the runs themselves show: what changed along an axis, and what series did not share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from normfree.runs import TERMINAL
from normfree.study.experiment import Panel
from normfree.study.factor_names import column_of, head_of_factor
from normfree.study.study import Study
from normfree.study.trials import trials_of

_UNEQUAL_COST = 1.5
"""Ratio of the median images per second of two series from which their costs are said to be unequal."""


def found_threats(study: Study) -> list[str]:
    """One sentence each."""
    return [*_along_axes(study), *_tuning(study), *_one_family(study), *_costs(study), *_searched(study)]


def _along_axes(study: Study) -> Iterator[str]:
    """Learning rate and epochs that change with what a panel's axis shows."""
    said: set[str] = set()
    for panel in study.experiment.panels:
        x = column_of(str(panel.options.get("x", "")))
        if x not in study.table.columns or panel.kind == "trials_over":
            continue
        changes = [text for text in ("" if x == "lr" else _rate(study, panel, x), _epochs(study, panel, x)) if text]
        for text in changes:
            if text not in said:
                said.add(text)
                yield text


def _by_value(study: Study, panel: Panel, x: str, column: pd.Series) -> list[pd.Series]:
    """The column over the values of x, for each series of the panel in which it changes with x."""
    found = []
    for one in study.series:
        if panel.series and one.name not in panel.series:
            continue
        runs = study.runs(panel, one)
        each = column.reindex(runs.index).groupby(runs[x]).agg(["min", "max"]).dropna()
        if len(each) > 1 and np.ptp(each["min"]) > 0.05 * each["max"].max():
            found.append(each["min"])
    return found


def _rate(study: Study, panel: Panel, x: str) -> str:
    found = _by_value(study, panel, x, study.by_seed["lr"])
    if not found:
        return ""
    low, high = min(each.min() for each in found), max(each.max() for each in found)
    rule = ""
    if x == "batch.global" and all(np.ptp(each / each.index) < 1e-6 * (each / each.index).max() for each in found):
        rule = " in proportion to it"
    return (
        f"{_along(panel, x)} the learning rate changes as well{rule}, from {low:g} to {high:g}: what is seen may "
        "be due to either."
    )


def _epochs(study: Study, panel: Panel, x: str) -> str:
    table = study.by_seed
    found = _by_value(study, panel, x, table["steps"] * table["batch.global"] / table["data.train"])
    if not found:
        return ""
    low, high = min(each.min() for each in found), max(each.max() for each in found)
    return (
        f"{_along(panel, x)} the passes over the training images change as well, from {low:.3g} to {high:.3g} epochs: "
        "what is seen may be due to either."
    )


def _along(panel: Panel, x: str) -> str:
    return f"Along {head_of_factor(x)} ({panel.title.rstrip('?.')})"


def _tuning(study: Study) -> Iterator[str]:
    """Series of which more learning rates were tried than of others: the best of more is higher by luck alone."""
    tried = study.table.groupby("series")["lr"].nunique()
    if len(tried) > 1 and tried.min() < tried.max():
        most, fewest = (sorted(tried.index[tried == value]) for value in (tried.max(), tried.min()))
        yield (
            f"Tuned unequally: {_few(most)} with {tried.max()} learning rates, {_few(fewest)} with {tried.min()}; the "
            "best of more is higher by luck alone."
        )


def _one_family(study: Study) -> Iterator[str]:
    """Outcomes that were seen in one kind of network alone, by the normaliser."""
    table = study.table
    if table["model.normalizer"].nunique() < 2:
        return
    for outcome in ("diverged", "untrained"):
        counts = (table["status"] == outcome).groupby(table["model.normalizer"]).sum()
        if (counts > 0).sum() == 1:
            family = str(counts.idxmax())
            name = "networks without a normaliser" if family == "none" else f"networks with {family}"
            yield (
                f"Only {name} have {outcome} runs ({counts.max()}), by the same rule as all: the arms without "
                "a mean for this reason are theirs alone."
            )


def _costs(study: Study) -> Iterator[str]:
    table = study.table
    whole = table[table["status"].isin(TERMINAL) & (table["steps_done"] == table["steps"])]
    rates = whole.groupby("series")["time.images_per_second"].median().dropna()
    if len(rates) > 1 and rates.max() > _UNEQUAL_COST * rates.min():
        yield (
            f"Unequal cost: {rates.idxmax()} took {rates.max():.0f} images a second and {rates.idxmin()} "
            f"{rates.min():.0f} in the median, so that equal steps are not equal time (other work there counts too)."
        )


def _searched(study: Study) -> Iterator[str]:
    trials = trials_of(study.collection.files)
    if trials is None:
        return
    known = int(trials["outcome"].isin(["finished", "pruned", "untrained", "diverged"]).sum())
    yield (
        f"What the search found is the best of {known} trained trials by validation; what stands beside it has had no "
        "such choice, and its recipe may suit it less."
    )


def _few(names: list[str]) -> str:
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
