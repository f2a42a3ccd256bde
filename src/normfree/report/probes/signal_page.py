"""The report of a signal probe: table, figure and a page with its caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from normfree.report.probes.signal_figure import ROUNDING, draw_signal, shared_stages
from normfree.report.tables import csv

_MEASURED = ("avg_sq_mean", "avg_var", "res_avg_var", "expected_var")
_MOST_NAMES = 4
_HEADS = ("network", "squared mean", "variance", "variance it is built for", "branch variance")


@dataclass(frozen=True)
class SignalConditions:
    """How the networks were measured; `sizes` are pixels by network, `of_the_batch` normalisers that see the images."""

    batch: int
    sizes: Mapping[str, int]
    seed: int
    skip_gain: float
    of_the_batch: tuple[str, ...] = ()


def signal_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a block, with six digits, which float32 on different machines agrees in more or less."""
    table = pd.DataFrame(rows)
    for name in _MEASURED:
        table[name] = [float(f"{value:.6g}") for value in table[name].astype(float)]
    return table


def signal_files(
    table: pd.DataFrame, conditions: SignalConditions, name: str, command: str, made_with: str
) -> dict[str, bytes]:
    """The report's files by name: csv, figure and page; `made_with` names code and hardware."""
    files = {f"{name}.{kind}": content for kind, content in draw_signal(table).items()}
    text = _PAGE.format(
        title=_title(conditions), command=command, name=name, caption=caption(table, conditions),
        table=_markdown(table), made_with=made_with,
    )  # fmt: skip
    return {f"{name}.csv": csv(table), **files, f"{name}.md": text.encode()}


_PAGE = """\
# Signal propagation at initialisation: {title}

    {command}

![Squared channel mean, channel variance and residual branch variance over the blocks]({name}.svg)

*{caption}*

{table}

Smallest to largest value over the blocks, the stem left out. All blocks: [{name}.csv]({name}.csv).
Measured with {made_with}.
"""


def _title(conditions: SignalConditions) -> str:
    names = list(conditions.sizes)
    more = len(names) - _MOST_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMES])} and {more} more"


def caption(table: pd.DataFrame, conditions: SignalConditions) -> str:
    """What is drawn and how it was measured."""
    pixels = {f"{size} x {size} px": None for size in conditions.sizes.values()}
    sizes = (
        next(iter(pixels))
        if len(pixels) == 1
        else ", ".join(f"{size} x {size} px ({name})" for name, size in conditions.sizes.items())
    )
    said = [
        "Output of every residual block of fresh networks, statistics over images and pixels: **(a)** squared channel "
        "mean and **(b)** channel variance, each averaged over channels; **(c)** the variance of the residual branch, "
        "after Squeeze-and-Excitation and before stochastic depth, skip gain and alpha.",
        f"Input: {conditions.batch} images of unit Gaussian noise, {sizes}, seed {conditions.seed}, float32.",
    ]
    if conditions.of_the_batch:
        verb = "takes its" if len(conditions.of_the_batch) == 1 else "take their"
        said.append(f"{' and '.join(conditions.of_the_batch)} {verb} statistics from these images.")
    if unseen := [str(name) for name, part in table.groupby("model", sort=False) if part["res_avg_var"].isna().all()]:
        said.append(f"The branches of {', '.join(unseen)} cannot be seen.")
    open_ = table[table["block"] > 0].groupby("model", sort=False)["res_avg_var"].max()
    if closed := [str(name) for name, most in open_.items() if most < ROUNDING]:
        said.append(f"The branches of {', '.join(closed)} begin at 0.")
    if "sees" in table:
        said.append("A row of panels is what the statistics of a network's normaliser see.")
    if conditions.skip_gain == 1 and {"skipinit", "rezero"} & {str(name).rpartition("_")[2] for name in open_.index}:
        said.append("With gains of 1 SkipInit and ReZero are the network without a normaliser.")
    said.append("Dropout and stochastic depth are off.")
    shared = shared_stages(table)
    if shared is None:
        said.append("Open marks: the first block of a stage.")
    elif shared:
        said.append("Dotted lines: where a stage begins.")
    if (table["avg_sq_mean"] < ROUNDING).any():
        said.append(f"Squared means under {ROUNDING:g} are rounding and are not shown.")
    if table["expected_var"].notna().any():
        said.append(
            "Dashed: the variance that the blocks of a normaliser-free network are built for, and 1 for its branches. "
            + (
                "Skip gains are 0, as training begins: all branches are closed."
                if conditions.skip_gain == 0
                else f"Skip gains are set to {conditions.skip_gain:g}; training begins with 0, which closes them all."
            )
        )
    if (table["avg_var"] < 0.5 * table["expected_var"])[table["block"] > 0].any():
        said.append(
            "A network falls far below it where shortcuts average 2 x 2 pixels (NFNets, NF-RegNets), between which "
            "noise has no correlation, and where maps are so small that windows hold mostly padding."
        )
    return " ".join(said)


def signal_terminal(table: pd.DataFrame) -> Table:
    """The ranges of every network."""
    shown = Table(box=None, pad_edge=False)
    for i, head in enumerate(_HEADS):
        shown.add_column(head, justify="right" if i else "left", no_wrap=True)
    for row in _ranges(table):
        shown.add_row(*row)
    return shown


def _markdown(table: pd.DataFrame) -> str:
    rows = [_HEADS, ("---", *("---:" for _ in _HEADS[1:])), *_ranges(table)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _ranges(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Per network: smallest to largest value over the blocks."""
    found = []
    for name, part in table[table["block"] > 0].groupby("model", sort=False):
        columns = ("avg_sq_mean", "avg_var", "expected_var", "res_avg_var")
        found.append((str(name), *(_range(part[column].dropna()) for column in columns)))
    return found


def _range(values: pd.Series[float]) -> str:
    return f"{values.min():.3g} to {values.max():.3g}" if len(values) else "-"
