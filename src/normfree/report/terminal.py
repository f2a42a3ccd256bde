"""The report in a terminal: what became of every arm, then the verdicts; of many arms the best of each panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from normfree.host.wording import counted
from normfree.report.axes import plain
from normfree.report.grid import measured, some
from normfree.report.tables import ALONG, conditions
from normfree.study import OUTCOMES, Arm, Measure, Study, Value, Verdict, count
from normfree.study.arms import BEST_OF
from normfree.study.factor_names import column_of, head_of_factor

_STYLES = {"supported": "bold green", "refuted": "bold red", "inconclusive": "bold yellow"}
MOST_LINES = 40
"""Of tables and verdicts; a report with more prints the best of each panel."""
_BEST_ROWS = 18
_LADDER = "ladder"
"""The kind of panel in which a series is one arm."""
_HEAD_LINES = 3
"""Title, heads and the blank line after a table."""


@dataclass(frozen=True)
class _Panel:
    """One that shows a measure along a factor, or an arm a series: title, name of the factor, arms of each series."""

    title: str
    factor: str
    measure: Measure
    best_of: Any
    series: tuple[tuple[str, Mapping[Value, Arm]], ...]

    @property
    def arms(self) -> list[tuple[str, Value, Arm]]:
        """All, with their series and places."""
        return [(label, value, arm) for label, found in self.series for value, arm in found.items()]


def show(console: Console, study: Study, verdicts: Sequence[Verdict]) -> None:
    """Print the arms of every panel, or the best of each where they are many, and the verdicts."""
    panels = _panels(study)
    lines = sum(len(panel.arms) + _HEAD_LINES for panel in panels) + 2 * len(verdicts)
    if lines > MOST_LINES:
        _show_best(console, panels)
    else:
        for panel in panels:
            console.print(_whole(panel))
            console.print()
    for verdict in verdicts:
        console.print(
            f"[{_STYLES[verdict.verdict]}]{verdict.verdict}[/]  {escape(verdict.claim.claim)}", soft_wrap=True
        )
        if lines <= MOST_LINES:
            console.print(f"    {escape(verdict.sentence)}", soft_wrap=True, style="dim")
    total = count(study.table)
    outcomes = [f"{getattr(total, name)} {name}" for name in OUTCOMES if getattr(total, name)]
    legend = "mean \\[interval] where every seed trained, else every seed: ✕ diverged, △ untrained"
    console.print(f"\n[dim]accuracy: {legend}[/]")
    console.print(f"{counted(total.planned, 'run')} planned: {', '.join(outcomes)}")


def _panels(study: Study) -> list[_Panel]:
    every, found = conditions(study), []
    for panel in study.experiment.panels:
        factor, best_of = "", None
        series: tuple[tuple[str, Mapping[Value, Arm]], ...]
        if panel.kind in ALONG:
            series = tuple((label, arms) for title, label, arms in every if title == panel.title)
            factor, best_of = head_of_factor(column_of(str(panel.options.get("x")))), panel.options.get(BEST_OF)
        elif panel.kind == _LADDER:
            rungs = ((one.label, study.rung(panel, one)) for one in study.series_of(panel))
            series = tuple((label, {"": arm}) for label, arm in rungs if arm is not None)
        else:
            continue
        found.append(_Panel(panel.title, factor, study.measure(panel), best_of, series))
    return found


def _whole(panel: _Panel) -> Table:
    table = Table(title=escape(panel.title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("series", no_wrap=True, min_width=24)
    widest = max((len(_value(value)) for _, value, _ in panel.arms), default=0)
    table.add_column(panel.factor, justify="right", no_wrap=True, min_width=max(widest, len(panel.factor)))
    # Every seed of many that failed may take more than a line.
    table.add_column(panel.measure.axis.removeprefix("test "), justify="right", overflow="fold")
    for name in ("trained", "diverged", "untrained", "open"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for label, found in panel.series:
        for i, (value, arm) in enumerate(found.items()):
            counts = arm.counts
            style = "" if counts.trained == counts.planned else "red" if counts.diverged else "yellow"
            table.add_row(
                escape(label) if i == 0 else "", _value(value) + _chosen(panel.best_of, arm),
                measured(arm),
                f"{counts.trained}/{counts.planned}", some(counts.diverged),
                some(counts.untrained), some(counts.open),
                style=style,
            )  # fmt: skip
    return table


def _show_best(console: Console, panels: Sequence[_Panel]) -> None:
    """Print one table of the best arms of each panel."""
    table = Table(box=None, pad_edge=False)
    table.add_column("panel", overflow="ellipsis", no_wrap=True, max_width=30)
    table.add_column("series", overflow="ellipsis", no_wrap=True, min_width=16)
    table.add_column("at", no_wrap=True)
    table.add_column("mean, interval", justify="right", no_wrap=True)
    table.add_column("trained", justify="right", no_wrap=True, min_width=len("trained"))
    most, left = max(1, _BEST_ROWS // max(len(panels), 1)), 0
    for panel in panels:
        best = _best(panel)[:most]
        left += len(panel.arms) - len(best)
        for i, (label, value, arm) in enumerate(best):
            table.add_row(
                escape(panel.title) if i == 0 else "", escape(label),
                f"{escape(panel.factor)} {_value(value)}{_chosen(panel.best_of, arm)}".strip(),
                measured(arm), f"{arm.counts.trained}/{arm.counts.planned}",
            )  # fmt: skip
    console.print(table)
    console.print(f"The best arms of each panel; {left} more in report.html, and what became of every run.\n")


def _best(panel: _Panel) -> list[tuple[str, Value, Arm]]:
    """The arms with a mean, the best first; all in their order where neither more nor less is better."""
    means = [(label, value, arm) for label, value, arm in panel.arms if arm.interval is not None]
    if not panel.measure.better:
        return means
    sign = -1 if panel.measure.better == "higher" else 1
    return sorted(means, key=lambda one: sign * one[2].interval.estimate)  # type: ignore[union-attr]


def _chosen(factor: Any, arm: Arm) -> str:
    """At which value validation chose the arm, where it did."""
    if factor is None:
        return ""
    return f" ({head_of_factor(column_of(str(factor)))} {_value(arm.first(column_of(str(factor))))})"


def _value(value: Value) -> str:
    return value if isinstance(value, str) else "none" if value is None else plain(value)
