"""A submission: a folder with a copy of the code, the configuration of every run and which job runs which.

``<runs_dir>/<experiment>/_slurm/<time>/``: ``code/`` (normfree, and the user's modules that a run names),
``runs/<run id>.yaml``, ``logs/``, ``origin.json`` and ``uncommitted.diff`` (the commit of the code) and
``submission.json``, or ``refused.json`` of what SLURM did not take. Jobs read these copies, so that edits do not reach
what is already in the queue.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

import normfree
from normfree.config import Resolved, UserError, resolve_stored
from normfree.config.names import check_run, shown
from normfree.config.parts import own_parts
from normfree.host.files import write_json_atomic, write_text_atomic
from normfree.runs import run_id
from normfree.runs.own_code import copy_files, is_installed, own_files
from normfree.runs.provenance import commit, difference
from normfree.slurm.settings import SlurmSettings

FOLDER = "_slurm"
CODE = "code"
MANIFEST = "submission.json"
REFUSED = "refused.json"
SCHEMA_VERSION = 1

Submitted = list[tuple[Resolved, list[str]]]
"""Resolved configurations with the overrides they came from."""


@dataclass(frozen=True)
class Submission:
    """What ``submission.json`` holds.

    Attributes:
        folder: where it is.
        settings: what the jobs asked for.
        jobs: run id -> id of its job, as squeue prints it.
    """

    folder: Path
    settings: dict[str, Any]
    jobs: dict[str, str]

    def logs(self, run: str) -> list[Path]:
        """What the run's job printed, the first task first."""
        return sorted((self.folder / "logs").glob(f"{self.jobs[run]}_*_log.*"))


def take_snapshot(experiment: Path, runs: Submitted) -> Path:
    """Copy the code and write the runs' configurations; returns the submission's folder.

    Args:
        experiment: directory of the experiment's runs.

    Raises:
        UserError: a module that a run names is not here.
    """
    targets = {part.named(resolved.config): part.target for resolved, _ in runs for part in own_parts(resolved.config)}
    # Jobs find installed ones where they are.
    modules = {
        name: file
        for target, key in sorted(targets.items())
        if not is_installed(target)
        for name, file in own_files(target, key).items()
    }
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    parent = (experiment / FOLDER).absolute()
    parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        folder = parent / (f"{stamp}-{number}" if number else stamp)
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
    source = Path(normfree.__file__).parent
    shutil.copytree(source, folder / CODE / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    copy_files(modules, folder / CODE)
    (folder / "runs").mkdir()
    (folder / "logs").mkdir()
    for resolved, overrides in runs:
        content = {"overrides": overrides, "config": asdict(resolved.config)}
        write_text_atomic(run_file(folder, run_id(resolved)), yaml.safe_dump(content, sort_keys=False))
    head, dirty = commit()
    write_json_atomic(folder / "origin.json", {"commit": head, "dirty": dirty})
    if text := difference():
        write_text_atomic(folder / "uncommitted.diff", text)
    return folder


def run_file(folder: Path, run: str) -> Path:
    """The configuration of a run in a submission; those of earlier versions have them in ``cells``."""
    earlier = folder / "cells" / f"{run}.yaml"
    return earlier if earlier.exists() else folder / "runs" / f"{run}.yaml"


def read_run(path: Path) -> tuple[Resolved, list[str]]:
    """What :func:`take_snapshot` wrote of a run."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return resolve_stored(content["config"]), content["overrides"]


def record(folder: Path, experiment: str, settings: SlurmSettings, jobs: dict[str, str]) -> Submission:
    """Write ``submission.json``."""
    head, dirty = commit()
    content = {
        "schema_version": SCHEMA_VERSION,
        "submitted": datetime.now(UTC).isoformat(timespec="seconds"),
        "experiment": experiment,
        "commit": head,
        "dirty": dirty,
        "snapshot": str(folder / CODE),
        "settings": asdict(settings),
        "jobs": [{"run_id": run, "job": job} for run, job in jobs.items()],
    }
    write_json_atomic(folder / MANIFEST, content)
    return Submission(folder, asdict(settings), jobs)


def refuse(folder: Path, runs: list[str], reason: str) -> None:
    """Write ``refused.json``: runs that SLURM did not take, and why."""
    write_json_atomic(folder / REFUSED, {"schema_version": SCHEMA_VERSION, "runs": runs, "reason": reason})


def refused(experiment: Path) -> dict[str, str]:
    """Run id -> why SLURM did not take it, the last time that it did not."""
    found: dict[str, str] = {}
    for path in sorted((experiment / FOLDER).glob(f"*/{REFUSED}")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found |= {check_run(run, path): shown(str(content["reason"]), 240) for run in content["runs"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); move its folder away") from error
    return found


def submissions(experiment: Path) -> Iterator[Submission]:
    """Every submission of an experiment, the oldest first.

    Raises:
        UserError: for one that cannot be read.
    """
    for path in sorted((experiment / FOLDER).glob(f"*/{MANIFEST}")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            jobs = {check_run(each["run_id"], path): _job(each["job"]) for each in content["jobs"]}
            yield Submission(path.parent, content["settings"], jobs)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); move its folder away") from error


def _job(number: object) -> str:
    """As squeue prints it; it becomes a word of commands."""
    if not re.fullmatch(r"\d+(_\d+)?", str(number)):
        raise ValueError(f"{shown(str(number))} is no job")
    return str(number)


def latest(experiment: Path) -> dict[str, Submission]:
    """Run id -> the last submission that has it."""
    return {run: submission for submission in submissions(experiment) for run in submission.jobs}
