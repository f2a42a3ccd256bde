"""The report of a learning-rate stress test: its rows, what each arm stood, its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
from rich.table import Table

from normfree.config.errors import UserError
from normfree.config.schema import OutcomeConfig
from normfree.report.probes.stress_figure import draw_stress
from normfree.report.probes.stress_rates import draw_rates, highest_stable
from normfree.report.tables import csv

COLUMNS = ("model", "clip", "label", "seed", "number", "lr", "loss", "learned", "broke")
CODE = "code"
"""A further column where an arm has code of the user's own: its digest, empty for the others."""
MOST_LINES = 8
"""Arms whose losses are drawn; of more, the highest stable rates are."""
_LOSSES = "Training loss over the learning rate, to where each training breaks"
_HEADS = ("network", "clipping", "highest stable rate", "lowest and highest seed", "n", "how it broke")


@dataclass(frozen=True)
class StressConditions:
    """How the arms were trained: `steps` at each rate, from `lr` on by `factor` up to `highest`."""

    data: str
    size: int
    batch: int
    steps: int
    lr: float
    factor: float
    highest: float
    outcome: OutcomeConfig


def read_stages(path: Path) -> pd.DataFrame:
    """The rows of earlier trainings, none where there is no file.

    Raises:
        UserError: the file is not one of these.
    """
    if not path.is_file():
        return pd.DataFrame(columns=[*COLUMNS, CODE])
    try:
        kinds = {"learned": bool, CODE: str}
        table = pd.read_csv(path, keep_default_na=False, na_values={"loss": [""]}, dtype=kinds)
        if CODE not in table:
            table[CODE] = ""
        return table[[*COLUMNS, CODE]].astype({"seed": int, "number": int, "lr": float, "loss": float, "broke": str})
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: cannot be read; move it away to train anew") from error


def stages_csv(table: pd.DataFrame) -> bytes:
    """One row a stage."""
    own = CODE in table and bool(table[CODE].any())
    return csv(table[[*COLUMNS, CODE] if own else list(COLUMNS)])


def stress_files(
    table: pd.DataFrame, conditions: StressConditions, name: str, command: str, made_with: str
) -> dict[str, bytes]:
    """The report's files by name: csv, figure and page; `made_with` names code and hardware."""
    lines = [_HEADS, ("---", "---", "---:", "---:", "---:", "---"), *_rows(table)]
    many = len(table.groupby(["model", "clip"])) > MOST_LINES
    text = _PAGE.format(
        command=command, name=name, made_with=made_with, caption=caption(conditions, many),
        what="Highest stable rate of each arm" if many else _LOSSES,
        table="\n".join(f"| {' | '.join(row)} |" for row in lines),
    )  # fmt: skip
    files = {f"{name}.{kind}": content for kind, content in (draw_rates if many else draw_stress)(table).items()}
    return {f"{name}.csv": stages_csv(table), **files, f"{name}.md": text.encode()}


_PAGE = """\
# Learning-rate stress test

    {command}

![{what}]({name}.svg)

*{caption}*

{table}

The highest rate of each seed at which it had learned and did not break; told is the median over seeds. All stages:
[{name}.csv]({name}.csv). Trainings that stand there are not repeated. Measured with {made_with}.
"""


def caption(conditions: StressConditions, many: bool = False) -> str:
    """What is drawn, how it was trained, and what breaking is; `many` arms have no lines."""
    rule = conditions.outcome
    drawn = (
        "A dot: a seed's highest rate at which it had learned and did not break, larger where seeds agree; a bar: the "
        "median. A training breaks in the stage"
        if many
        else "Lines: mean training loss at the end of each stage. A cross: the stage that broke,"
    )
    return (
        f"One training a seed, its learning rate raised by {conditions.factor:.3g} every {conditions.steps} steps from "
        f"{conditions.lr:g} on, to {conditions.highest:g} at most; {conditions.data} at {conditions.size} px, batch "
        f"{conditions.batch}, no warm-up. {drawn} where a loss or gradient was not finite, the loss was above "
        f"{rule.blow_up:g} times the larger of its first and that of guessing for 5 steps, or at the end of the stage "
        "it was no better than guessing by "
        f"{rule.tolerance:.1%} after it once was. The rule is the same for every network. After D. Page, "
        "davidcpage/cifar10-fast."
    )


def stress_terminal(table: pd.DataFrame) -> Table:
    """What each arm stood."""
    shown = Table(box=None, pad_edge=False)
    for place, head in enumerate(_HEADS):
        shown.add_column(head, justify="right" if place in (2, 3, 4) else "left", no_wrap=place < 5)
    for row in _rows(table):
        shown.add_row(*row)
    return shown


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    found = list[tuple[str, ...]]()
    for (model, clip), arm in table.groupby(["model", "clip"], sort=False):
        seeds = [stages for _, stages in arm.groupby("seed")]
        rates = [rate for stages in seeds if (rate := highest_stable(stages)) is not None]
        middle, spread = (f"{median(rates):.3g}", f"{min(rates):.3g} to {max(rates):.3g}") if rates else ("none", "-")
        if any(stages["broke"].iloc[-1] == "" for stages in seeds):
            middle = f"{middle} or more"
        whys = [_why(str(stages["broke"].iloc[-1])) for stages in seeds]
        told = ", ".join(f"{why} ({whys.count(why)})" for why in dict.fromkeys(whys))
        missing = f"{len(rates)} of {len(seeds)}" if len(rates) < len(seeds) else str(len(seeds))
        found.append((str(model), f"{arm['label'].iloc[0]} (`{clip}`)", middle, spread, missing, told))
    return found


def _why(broke: str) -> str:
    if not broke:
        return "not at all"
    return "guessing" if "guessing any more" in broke else "loss blew up" if "blew up" in broke else "not finite"
