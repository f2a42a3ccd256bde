"""What stands beneath a figure: what its marks are, and of what runs: n, steps, rule of the learning rate, hardware."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from normfree.host.wording import counted
from normfree.report.axes import plain
from normfree.report.figures import Context, kind_of
from normfree.runs import TERMINAL
from normfree.study.factor_names import column_of
from normfree.study.measures import ACCURACY, label_of

LETTERS = "abcdefghijklmnop"


def caption_of(contexts: Sequence[Context]) -> str:
    """The caption of these panels together; what several of them would say is said once."""
    level = f"{100 * contexts[0].study.experiment.level:g} %"
    said: list[str] = []
    if len(contexts) > 1:
        letters = [f"({LETTERS[i]}) {context.panel.title}" for i, context in enumerate(contexts)]
        said.append("; ".join(letters).rstrip("?.") + ".")
    for context in contexts:
        measure = label_of(str(context.option("measure", ACCURACY.name)))
        text = kind_of(context.panel).caption(context).format(level=level, measure=measure)
        if text not in said:
            said.append(text)
    return " ".join([*said, *_settings(contexts)])


def _settings(contexts: Sequence[Context]) -> list[str]:
    """How the runs were made, said once for the panels that share it."""
    found: dict[str, list[str]] = {}
    for letter, context in zip(LETTERS, contexts, strict=False):
        runs = runs_of(context)
        if len(runs) and kind_of(context.panel).draws_runs:
            found.setdefault(f"{_runs(runs)}; {_steps(runs)}; {rate_rule(runs, context)}", []).append(letter)
    alone = len(found) == 1
    told = [text if alone else f"({', '.join(letters)}) {text}" for text, letters in found.items()]
    every = [runs_of(context) for context in contexts]
    made = _hardware(pd.concat(every)) if any(len(runs) for runs in every) else ""
    return [f"{text[:1].upper()}{text[1:]}." for text in (*told, made) if text]


def runs_of(context: Context) -> pd.DataFrame:
    """All runs that a panel shows, once each."""
    parts = [context.runs(one) for one in context.series]
    runs = pd.concat(parts) if parts else context.study.table.iloc[:0]
    return runs[~runs.index.duplicated()]


def _runs(runs: pd.DataFrame) -> str:
    """`arms of n = 3 seeds`; arms.csv has n of each."""
    planned = runs.groupby("arm_id").size()
    fewest, most = int(planned.min()), int(planned.max())
    if fewest == most:
        return f"arms of n = {counted(most, 'seed')}"
    return f"arms of n = {fewest} to {most} seeds"


def _steps(runs: pd.DataFrame) -> str:
    steps = runs["steps"].dropna()
    if steps.empty:
        return "steps not recorded"
    low, high = int(steps.min()), int(steps.max())
    return f"{low} steps a run" if low == high else f"{low} to {high} steps a run"


def rate_rule(runs: pd.DataFrame, context: Context) -> str:
    """Of the learning rate: on an axis, one for all, in proportion to the batch, or different between arms."""
    if "lr" in {column_of(str(context.option(axis))) for axis in ("x", "y")}:
        return "learning rate as on the axis"
    rates = runs["lr"].dropna()
    if rates.empty:
        return "learning rate not recorded"
    if rates.nunique() == 1:
        return f"learning rate {plain(float(rates.iloc[0]))}"
    ratio = (runs["lr"] / runs["batch.global"]).dropna()
    if np.ptp(ratio) <= 1e-6 * ratio.max():
        return f"learning rate {plain(256 * float(ratio.iloc[0]))} x batch / 256"
    return f"learning rates {plain(float(rates.min()))} to {plain(float(rates.max()))}, each arm its own"


def _hardware(runs: pd.DataFrame) -> str:
    recorded = runs[runs["status"].isin(TERMINAL)]
    devices = sorted({str(value) for value in recorded["provenance.device"].dropna()})
    return f"trained on {' and '.join(devices[:3])}{' and others' if len(devices) > 3 else ''}" if devices else ""
