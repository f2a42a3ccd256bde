"""What a run directory keeps for afterwards: its configuration and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from normfree.config import UserError
from normfree.config.yaml_file import parse_yaml
from normfree.runs.directory import RunDirectory
from normfree.runs.outcomes import TERMINAL, today
from normfree.runs.reading import read_json, read_text
from normfree.runs.recorded import check_result
from normfree.runs.result import Result

CHECKPOINTS = ("final", "best")


def stored_config(directory: RunDirectory) -> dict[str, Any]:
    """The configuration that a run directory keeps.

    Raises:
        UserError: it is no run directory, or the file cannot be used.
    """
    if not directory.config.is_file():
        raise UserError(f"run={directory.path}: {_no_run(directory.path)}")
    try:
        config = parse_yaml(read_text(directory.config))
    except ValueError as error:
        raise UserError(f"{directory.config}: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{directory.config}: is no table of keys and values")
    return config


def _no_run(path: Path) -> str:
    """Why a path is no run directory, with what to give in its place."""
    if (path.parent.parent / "config.yaml").is_file():
        return f"lies in a run; give run={path.parent.parent}"
    if path.suffix == ".onnx":
        return "is an ONNX file, which predict.py alone reads; give the run that it is of"
    if path.is_file():
        return f"is a file; give a run directory, or weights={path}"
    if path.is_dir():
        return "has no config.yaml; give a run directory, such as runs/single/RUN"
    return "there is no such folder; give a run directory, such as runs/single/RUN"


def stored_result(directory: RunDirectory) -> Result | None:
    """The result of a run, wherever it lies now and whatever its folder is called; ``None`` where there is none.

    Raises:
        UserError: it cannot be used.
    """
    try:
        content = read_json(directory.result)
        check_result(content, str(content.get("run_id")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{directory.result}: {error}; bring the run back from where it was trained") from error
    return cast(Result, today(content))


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
    result: Mapping[str, Any] = stored_result(directory) or {}
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
