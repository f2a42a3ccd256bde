"""The report of the probe of cuts: table, figure and a page that says what cutting a batch changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from normfree.report.probes.cut_figure import BOUND, MEASURE, TIMES, cut_label, draw_cuts, is_whole
from normfree.report.tables import csv

_DIFFERENCES = (
    "moved",
    "update_difference",
    "weight_difference",
    "parameter_difference",
    "loss_difference",
    "one_device_difference",
)


@dataclass(frozen=True)
class CutConditions:
    """How the cuts were measured; `image_size` in pixels."""

    batch: int
    steps: int
    seed: int
    image_size: int


def case_name(model: str, clip: str, ghost_batch: int | None, normed: bool) -> str:
    """What a figure calls a network with its clipping and its ghost batches."""
    if not normed:
        return f"{model}, {clip.upper()}" if clip != "none" else model
    if ghost_batch is None:
        return f"{model}, BatchNorm"
    return f"{model}, BatchNorm, ghost batches of {ghost_batch}"


def cut_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a case and cut, with four digits: those of rounding errors mean no more."""
    table = pd.DataFrame(rows)
    for name in _DIFFERENCES:
        table[name] = [float(f"{value:.4g}") for value in table[name].astype(float)]
    for name in ("ghost_batch", "norm_batch"):
        table[name] = table[name].astype("Int64")
    return table


def cut_files(
    table: pd.DataFrame, conditions: CutConditions, name: str, command: str, made_with: str
) -> dict[str, bytes]:
    """The report's files by name: csv, figure and page; `made_with` names code and hardware."""
    files = {f"{name}.{kind}": content for kind, content in draw_cuts(table).items()}
    text = _PAGE.format(
        command=command, name=name, caption=caption(table, conditions), answer=answer(table),
        table=_markdown(table), made_with=made_with, batch=conditions.batch,
        synchronised=_SYNCHRONISED if table["norm_batch"].notna().any() else "",
    )  # fmt: skip
    return {f"{name}.csv": csv(table), **files, f"{name}.md": text.encode()}


_PAGE = """\
# One batch of {batch}, cut over devices and accumulation

    {command}

Does it matter to a network whether its batch comes in one piece or in parts?

{answer}

![Distance of the weights from those of the whole batch, by cut]({name}.svg)

*{caption}*

{table}

All cuts, with differences of single parameters and of the training loss: [{name}.csv]({name}.csv).

{synchronised}Measured with {made_with}.
"""

_SYNCHRONISED = """\
BatchNorm that is synchronised between devices (`model.sync_norm=true`) takes its statistics over the micro batches of
all of them: by its definition it undoes the cut over devices, and not the one over accumulation. torch has it for GPUs
alone, and it is not measured here.

"""


def answer(table: pd.DataFrame) -> str:
    """What the numbers say, a line for each kind of case."""
    shown = table[~is_whole(table)]
    said = []
    for heading, part in _kinds(shown):
        least, most = part[MEASURE].min(), part[MEASURE].max()
        if most < BOUND:
            said.append(f"- {heading}: no. All cuts end with the same weights, to {_number(most)} of the way trained.")
        elif least < BOUND:
            said.append(f"- {heading}: some cuts change the weights, by up to {_number(most)} of the way trained.")
        else:
            said.append(
                f"- {heading}: yes. The weights end {_number(least)} to {_number(most)} of the way trained apart, "
                f"and the training loss differs by up to {part['loss_difference'].max():.1%}."
            )
    known = shown.dropna(subset=["one_device_difference"])
    if len(known):
        most = known["one_device_difference"].max()
        even = ", not even with BatchNorm" if known["norm_batch"].notna().any() else ""
        if most < BOUND:
            said.append(
                f"- Devices by themselves change nothing{even}: several end where one device ends that "
                f"accumulates the same micro batches, to {_number(most)} of the way trained."
            )
        else:
            said.append(
                "- Several devices do not end where one device ends that accumulates the same micro batches: "
                f"{_number(most)} of the way trained apart."
            )
    return "\n".join(said)


def _kinds(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Networks without BatchNorm, with it, and with ghost batches of each size; those that there are."""
    free, ghost = table["norm_batch"].isna(), table["ghost_batch"].notna()
    found = [("Without BatchNorm", table[free]), ("With BatchNorm", table[~free & ~ghost])]
    for size, part in table[ghost].groupby("ghost_batch"):
        images = "image by image" if size == 1 else f"over {size} images in every cut"
        found.append((f"With BatchNorm in ghost batches of {size}, statistics {images}", part))
    return [(heading, part) for heading, part in found if len(part)]


def caption(table: pd.DataFrame, conditions: CutConditions) -> str:
    """What is drawn and how it was measured."""
    whole = table[is_whole(table)]
    shown = table[~is_whole(table)]
    said = [
        f"Each column is a way to cut a batch of {conditions.batch} images: devices {TIMES} images in one forward pass "
        f"{TIMES} passes accumulated to one step. The mark is the Euclidean distance of all weights from those of the "
        f"whole batch on one device after {conditions.steps} steps, as a share of the way that training moved these "
        f"({_number(whole['moved'].min())} to {_number(whole['moved'].max())} of their norm).",
        f"MNIST-5k, {conditions.image_size} x {conditions.image_size} px, seed {conditions.seed}, float64; the same "
        "initial weights, images, order and translations in every cut; dropout and stochastic depth off. Devices are "
        "processes on processor cores that average their gradients through gloo.",
    ]
    if (shown[MEASURE] == 0).any():
        said.append("Marks at 0 are equal to the last bit.")
    if table["ghost_batch"].gt(1).any():
        said.append(
            "Ghost batches are consecutive images, so that every cut has the same ones and they see the same images."
        )
    if table["norm_batch"].notna().any() and table["clip"].nunique() > 1:
        said.append("Networks with BatchNorm train without clipping.")
    return " ".join(said)


def cut_terminal(table: pd.DataFrame) -> Table:
    """Distances by case and cut."""
    shown = Table(box=None, pad_edge=False)
    head, *rows = _grid(table)
    for i, title in enumerate(head):
        shown.add_column(title, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    return shown


def _markdown(table: pd.DataFrame) -> str:
    head, *rows = _grid(table)
    rows = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _grid(table: pd.DataFrame) -> list[list[str]]:
    """Cases down, cuts across."""
    part = table[~is_whole(table)].copy()
    part["cut"] = [
        cut_label(*cut) for cut in zip(part["devices"], part["micro_batch"], part["accumulation"], strict=True)
    ]
    cuts = list(dict.fromkeys(part["cut"]))
    rows = [["distance after training", *cuts]]
    for case, own in part.groupby("case", sort=False):
        values = dict(zip(own["cut"], own[MEASURE], strict=True))
        rows.append([str(case), *(_number(values[cut]) if cut in values else "-" for cut in cuts)])
    return rows


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.2g}"
