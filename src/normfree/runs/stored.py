"""What a run directory keeps for afterwards: its configuration and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normfree.config import UserError
from normfree.config.yaml_file import parse_yaml
from normfree.runs.directory import RunDirectory
from normfree.runs.outcomes import TERMINAL
from normfree.runs.reading import read_text

CHECKPOINTS = ("final", "best")


def stored_config(directory: RunDirectory) -> dict[str, Any]:
    """The configuration that a run directory keeps.

    Raises:
        UserError: it is no run directory, or the file cannot be used.
    """
    if not directory.config.is_file():
        raise UserError(f"{directory.path}: no config.yaml there; give a run directory, such as runs/single/<run>")
    try:
        config = parse_yaml(read_text(directory.config))
    except ValueError as error:
        raise UserError(f"{directory.config}: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{directory.config}: is no table of keys and values")
    return config


def weights_file(directory: RunDirectory, checkpoint: str, *, evaluated: bool) -> Path:
    """Where a run keeps these weights.

    Args:
        evaluated: whether the run looked for its best step.

    Raises:
        UserError: it keeps none, and why.
    """
    if checkpoint not in CHECKPOINTS:
        raise UserError(f"checkpoint={checkpoint}: choose from {', '.join(CHECKPOINTS)}")
    file = directory.path / "checkpoints" / f"{checkpoint}.ckpt"
    if file.is_file():
        return file
    result: Mapping[str, Any] = directory.read_result() or {}
    status, reason = str(result.get("status", "incomplete")), str(result.get("reason", ""))
    if checkpoint == "best" and not evaluated:
        why = "the run was trained without trainer.evaluate_every; final.ckpt has its last weights"
    elif status not in TERMINAL or (directory.path / "checkpoints" / "final.ckpt").is_file():
        why = f"the run is {status}{f' ({reason})' if reason else ''}"
    else:
        why = (
            f"the run is {status}, and its checkpoints were removed later, as runs.py clean=checkpoints does; "
            "train it once more, beside this one, with again=true"
        )
    raise UserError(f"{file}: there is none; {why}")
