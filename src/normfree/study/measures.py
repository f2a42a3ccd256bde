"""What a run is measured by: one row a number that results hold, with how figures call it and which way is better.

Figures and claims take any of them as ``measure: NAME``; the name is the column of `runs.csv`. A number of a run that
has no row here can be drawn, under its own name, and no claim can say which of its values are better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pandas as pd

from normfree.config.errors import UserError, nearest


@dataclass(frozen=True)
class Measure:
    """A number of a run.

    Attributes:
        name: its column in the table of runs.
        label: what figures and tables call it.
        unit: of its values as they are recorded; a share is recorded in [0, 1] and shown in percent.
        better: which values are, `higher` or `lower`; empty where neither is.
        share: it is one.
        log: its values differ by powers of ten, so that an axis of them is logarithmic.
    """

    name: str
    label: str
    unit: str = ""
    better: str = ""
    share: bool = False
    log: bool = False

    @property
    def of_chance(self) -> bool:
        """Whether guessing the largest class has a value of it."""
        return self.share and self.name.endswith(("/accuracy", "/ema_accuracy"))

    @property
    def axis(self) -> str:
        """Label with unit: `test accuracy (%)`."""
        unit = "%" if self.share else self.unit
        return f"{self.label} ({unit})" if unit else self.label

    def shown(self, value: float) -> float:
        """A recorded value in the unit in which it is shown."""
        return 100 * value if self.share else value


def _top5(split: str, of: str = "", whose: str = "") -> Measure:
    return Measure(f"{split}/{of}top5_accuracy", f"{split} top-5 accuracy{whose}", better="higher", share=True)


def _accuracies(split: str, called: str) -> tuple[Measure, ...]:
    return (
        Measure(f"{split}/accuracy", f"{called} accuracy", better="higher", share=True),
        Measure(f"{split}/loss", f"{called} loss", "nats", "lower"),
    )


def _scores(split: str) -> tuple[Measure, ...]:
    return (
        *_accuracies(split, split),
        _top5(split),
        Measure(f"{split}/ema_accuracy", f"{split} accuracy of averaged weights", better="higher", share=True),
        Measure(
            f"{split}/ema_top5_accuracy", f"{split} top-5 accuracy of averaged weights", better="higher", share=True
        ),
        Measure(f"{split}/ema_loss", f"{split} loss of averaged weights", "nats", "lower"),
    )


ROWS: tuple[Measure, ...] = (
    *_scores("test"),
    *_scores("validation"),
    *_accuracies("train", "training"),
    Measure("train/initial_loss", "training loss at the start", "nats", "lower"),
    Measure("train/final_loss", "training loss at the end", "nats", "lower"),
    Measure("grad/norm_before", "gradient norm before clipping", log=True),
    Measure("grad/norm_after", "gradient norm after clipping", log=True),
    Measure("clip/clipped_share", "share of units clipped", share=True),
    Measure("clip/limit", "gradient norm allowed", log=True),
    Measure("skip_gain/mean_abs", "mean |skip gain|", log=True),
    Measure("private/epsilon", "epsilon, as if Poisson-sampled", better="lower"),
    Measure("private/epsilon_of_passes", "epsilon, guaranteed", better="lower"),
    Measure("private/delta", "delta", better="lower", log=True),
    Measure("private/noise_multiplier", "noise multiplier"),
    Measure("time.seconds", "time of a run", "s", "lower"),
    Measure("time.images_per_second", "images per second", better="higher"),
    Measure("time.data_wait_share", "time spent waiting for images", better="lower", share=True),
    Measure("time.peak_device_bytes", "peak memory of the device", "bytes", "lower", log=True),
    Measure("time.peak_process_bytes", "peak memory of the process", "bytes", "lower", log=True),
    Measure("images_per_second", "images per second", better="higher"),
    Measure("steps_done", "steps done"),
    Measure("model.parameters", "parameters", better="lower", log=True),
    Measure("model.macs", "multiply-adds per image", better="lower", log=True),
    Measure("batch_dependence.logits_batch_vs_single", "logits: whole vs one by one", better="lower", log=True),
    Measure("batch_dependence.logits_train_vs_eval", "logits: train vs eval mode", better="lower", log=True),
    Measure(
        "batch_dependence.gradient_whole_vs_accumulated", "gradient: whole vs two halves", better="lower", log=True
    ),
)
MEASURES: dict[str, Measure] = {row.name: row for row in ROWS}
UNITS = {"epochs": "", "steps": "", "seconds": "s", "training_seconds": "s"}
"""In which a time to a target is told, with the unit of its axis."""
TO_TARGET = re.compile(r"(epochs|steps|seconds|training_seconds)_to:(0?\.\d+|1|1\.0+)")
ALSO = re.compile(r"also/(?P<name>[\w-]+)/(?P<what>(ema_)?((top5_)?accuracy|loss))")
"""Of the images that ``evaluate_also`` names."""
SECONDS_PER_STEP = Measure("seconds_per_step", "time of a step", "s", "lower")
ACCURACY = MEASURES["test/accuracy"]
"""What figures show and claims compare where they say nothing else."""


def derived_measure(name: str) -> Measure | None:
    """The measure of this name that is worked out of others, if it is one."""
    if name == SECONDS_PER_STEP.name:
        return SECONDS_PER_STEP
    if also := ALSO.fullmatch(name):
        (row,) = (row for row in _scores(also["name"]) if row.name == f"{also['name']}/{also['what']}")
        return replace(row, name=name)
    if not (found := TO_TARGET.fullmatch(name)):
        return None
    unit, target = found[1], float(found[2])
    return Measure(name, f"{unit.replace('_', ' ')} to {100 * target:g} % validation accuracy", UNITS[unit], "lower")


def label_of(name: str) -> str:
    """What figures call a logged number; its own name where it has no row."""
    measure = MEASURES.get(name) or derived_measure(name)
    return measure.label if measure else name


def measure_of(name: object, table: pd.DataFrame, place: str) -> Measure:
    """The measure that an experiment file names.

    Args:
        table: the runs.
        place: the key in the file.

    Raises:
        UserError: the runs have no such number.
    """
    known = {str(column) for column in table.columns}
    if not isinstance(name, str) or name not in known or not _is_number(table[name]):
        near = nearest(str(name), sorted(known & set(MEASURES)))
        listed = ", ".join(row.name for row in ROWS if row.name in known)
        raise UserError(f"{place}={name}: the runs have no such measure{near}; there are: {listed}")
    return MEASURES.get(name) or derived_measure(name) or Measure(name, name)


def _is_number(column: pd.Series) -> bool:
    """Whether it holds numbers, where it holds anything."""
    if pd.api.types.is_bool_dtype(column):
        return False
    return bool(pd.api.types.is_numeric_dtype(column) or pd.to_numeric(column.dropna(), errors="coerce").notna().all())
