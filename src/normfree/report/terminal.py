"""The report in a terminal: what became of every arm, then the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from normfree.host.wording import counted
from normfree.report.axes import plain
from normfree.report.grid import measured, some
from normfree.report.tables import ALONG, conditions
from normfree.study import OUTCOMES, Arm, Study, Value, Verdict, count
from normfree.study.arms import BEST_OF
from normfree.study.factor_names import column_of, head_of_factor

_STYLES = {"supported": "bold green", "refuted": "bold red", "inconclusive": "bold yellow"}


def show(console: Console, study: Study, verdicts: Sequence[Verdict]) -> None:
    """Print the arms of every panel and the verdicts."""
    experiment, every = study.experiment, conditions(study)
    factors = {panel.title: head_of_factor(column_of(str(panel.options.get("x")))) for panel in experiment.panels}
    heads = {
        panel.title: study.measure(panel).axis.removeprefix("test ")
        for panel in experiment.panels
        if panel.kind in ALONG
    }
    best = {panel.title: panel.options.get(BEST_OF) for panel in experiment.panels}
    for title in dict.fromkeys(title for title, _, _ in every):
        table = Table(title=escape(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("series", no_wrap=True, min_width=24)
        rows = [found for one, _, found in every if one == title]
        widest = max(len(_value(value)) for found in rows for value in found) if any(rows) else 0
        table.add_column(factors[title], justify="right", no_wrap=True, min_width=max(widest, len(factors[title])))
        # Every seed of many that failed may take more than a line.
        table.add_column(heads[title], justify="right", overflow="fold")
        for name in ("trained", "diverged", "untrained", "open"):
            table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
        for label, found in [(label, found) for one, label, found in every if one == title]:
            for i, (value, arm) in enumerate(found.items()):
                counts = arm.counts
                style = "" if counts.trained == counts.planned else "red" if counts.diverged else "yellow"
                table.add_row(
                    escape(label) if i == 0 else "", _value(value) + _chosen(best[title], arm),
                    measured(arm),
                    f"{counts.trained}/{counts.planned}", some(counts.diverged),
                    some(counts.untrained), some(counts.open),
                    style=style,
                )  # fmt: skip
        console.print(table)
        console.print()
    for verdict in verdicts:
        console.print(
            f"[{_STYLES[verdict.verdict]}]{verdict.verdict}[/]  {escape(verdict.claim.claim)}", soft_wrap=True
        )
        console.print(f"    {escape(verdict.sentence)}", soft_wrap=True, style="dim")
    total = count(study.table)
    outcomes = [f"{getattr(total, name)} {name}" for name in OUTCOMES if getattr(total, name)]
    legend = "mean \\[interval] where every seed trained, else every seed: ✕ diverged, △ untrained"
    console.print(f"\n[dim]accuracy: {legend}[/]")
    console.print(f"{counted(total.planned, 'run')} planned: {', '.join(outcomes)}")


def _chosen(factor: Any, arm: Arm) -> str:
    """At which value validation chose the arm, where it did."""
    if factor is None:
        return ""
    return f" ({head_of_factor(column_of(str(factor)))} {_value(arm.first(column_of(str(factor))))})"


def _value(value: Value) -> str:
    return value if isinstance(value, str) else "none" if value is None else plain(value)
