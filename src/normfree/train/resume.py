"""Where a run goes on: from the newest checkpoint that is whole, is this run's, and whose rows are still there."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from normfree.nets.weights.seal import check_seal
from normfree.runs import RunDirectory, truncate_metrics
from normfree.runs.directory import RECORDS
from normfree.runs.rows import Mark, cut_to, holds

DATA = "data"
"""The digest of the images that a checkpoint was trained on."""

ORIGIN, ROWS = "origin", "rows"
"""Where a checkpoint says what run it is of, and what ``metrics.csv`` and ``clip.csv`` held."""


@dataclass(frozen=True)
class Start:
    """Where a run goes on: at its beginning, or after ``step`` with what ``checkpoint`` holds.

    ``lost_rows`` says which rows of the run's record are gone, where some are. ``refused`` is the line of a run that
    cannot go on: it was trained on other images.
    """

    checkpoint: Path | None = None
    step: int = 0
    lost_rows: str = ""
    refused: str = ""


@dataclass(frozen=True)
class _Candidate:
    path: Path
    step: int
    marks: Mapping[str, Mark] | None
    lost_rows: str
    other_data: str = ""

    def unsupported(self, directory: RunDirectory) -> list[str]:
        """Files that have not the rows that were there when this was saved."""
        marks = self.marks or {}
        return [name for name, mark in marks.items() if not holds(directory.path / name, mark)]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of a run holds, mapped into memory.

    Raises:
        ValueError: it is damaged, or no checkpoint of a run.
        OSError: it cannot be read.
    """
    check_seal(path)
    content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(content, dict) or "global_step" not in content:
        raise ValueError(f"{path}: no checkpoint of a run")
    return content


def in_todays_words(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint with the callbacks that there are now; an earlier version kept some of them as one, ``Monitor``."""
    states = checkpoint.get("callbacks", {})
    if (monitor := states.pop("Monitor", None)) is not None:
        ranks = monitor.get("ranks", [monitor])
        watch = {key: monitor[key] for key in ("rule", "steps_read", "row_losses")}
        states["LossWatch"] = watch | {"correct": [rank["correct"] for rank in ranks]}
        states["RandomStates"] = {"ranks": [{key: rank[key] for key in ("rng", "cuda_rng")} for rank in ranks]}
        if "best" in monitor:
            states["BestWeights"] = {"best": monitor["best"]}
    return checkpoint


def find_start(directory: RunDirectory, origin: Mapping[str, str]) -> Start:
    """The newest checkpoint that can be gone on from; the record is cut to what it was then.

    A checkpoint that is damaged, or of another run, is named and passed over; if the newest was trained on other
    images, the run is refused. Passed over is also one that counts on rows of ``metrics.csv`` or ``clip.csv`` that are
    no longer there, if an older one can do without them; if none can, the run goes on from the newest without the rows,
    and its result says so.

    Args:
        origin: what a checkpoint of this run says of itself.
    """
    found = [one for path in directory.checkpoint_candidates() if (one := _candidate(path, origin)) is not None]
    if found and (other := found[0].other_data):
        return Start(
            refused=f"run {directory.path.name}: its checkpoint {found[0].path} was trained on other images (digest "
            f"{other}, now {origin[DATA]}); give these back, or move the run away to start anew"
        )
    found = [one for one in found if not one.other_data]
    for one in found:
        if not (without := one.unsupported(directory)):
            _rewind(directory, one)
            return Start(one.path, one.step, one.lost_rows)
        if one is not found[-1]:
            _warn(
                f"checkpoint {one.path} counts on rows that {' and '.join(without)} no longer has; trying an older one"
            )
    if not found:
        for name in RECORDS:
            (directory.path / name).unlink(missing_ok=True)
        return Start()
    newest = found[0]
    lost = [_set_aside(directory.path / name, newest.step) for name in newest.unsupported(directory)]
    _rewind(directory, newest)
    for text in lost:
        _warn(text)
    return Start(newest.path, newest.step, "; ".join([*filter(None, [newest.lost_rows]), *lost]))


def _candidate(path: Path, origin: Mapping[str, str]) -> _Candidate | None:
    try:
        content = read_checkpoint(path)
        step, rows = int(content["global_step"]), content.get(ROWS)
    except Exception as error:  # a damaged file of an earlier version can raise anything
        reason = str(error).removeprefix(f"{path}: ")
        _warn(f"checkpoint {path} cannot be read ({reason}); trying an older one")
        return None
    theirs = content.get(ORIGIN, origin)
    for key, value in origin.items():
        if theirs.get(key, value) != value:
            if key == DATA:
                return _Candidate(path, step, None, "", theirs[key])
            _warn(
                f"checkpoint {path} is of another run ({key} {theirs[key]}, this one has {value}); trying an older one"
            )
            return None
    if rows is None:
        return _Candidate(path, step, None, "")
    return _Candidate(path, step, rows["marks"], rows["lost"])


def _rewind(directory: RunDirectory, start: _Candidate) -> None:
    for name in RECORDS:
        path = directory.path / name
        if start.marks is None:
            truncate_metrics(path, start.step)
        elif name in start.marks and path.exists():
            cut_to(path, start.marks[name])


def _set_aside(path: Path, step: int) -> str:
    kept = path.with_stem(f"{path.stem}.damaged")
    if path.exists():
        os.replace(path, kept)
        return f"{path.name}: rows up to step {step} are damaged; what is left of them is in {kept.name}"
    return f"{path.name}: rows up to step {step} are lost"


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
