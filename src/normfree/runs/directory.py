"""A run is its directory: its files, its lock and its status."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

import yaml

from normfree.config import SCHEMA_VERSION, Resolved, UserError
from normfree.host.files import finite, json_text, remove_unfinished, set_aside, where_to_write
from normfree.runs.attempts import FOLDER as ATTEMPTS
from normfree.runs.attempts import keep_traceback, record_attempt
from normfree.runs.checksums import CHECKSUMS, digest_of, write_verified
from normfree.runs.identity import run_id
from normfree.runs.lock import acquire
from normfree.runs.outcomes import TERMINAL, today
from normfree.runs.reading import Damaged, read_json, shortened
from normfree.runs.recorded import OtherVersion, check_result, check_version
from normfree.runs.result import Result, result_of

RECORDS = ("metrics.csv", "clip.csv")
"""What a run writes row by row."""

_RESERVE_BYTES = 65_536
_RESUMABLE = ("last.ckpt", "previous.ckpt")
_CHECKPOINTS = (*_RESUMABLE, "new.ckpt", "best.ckpt", "final.ckpt")


class RunDirectory:
    """Paths and small files of one run.

    ``config.yaml`` and ``overrides.yaml`` (what was asked), ``environment.json`` and ``uncommitted.diff`` (with what),
    ``metrics.csv`` (how it went), ``result.json`` (what came out), ``checkpoints/`` (``last.ckpt`` and
    ``previous.ckpt`` to go on from; ``best.ckpt``, with ``trainer.evaluate_every``, and ``final.ckpt`` to stay),
    ``attempts/`` (every start with its environment, difference and own code), ``wandb_id``, ``lock``;
    ``checksums.sha256`` of all that is not written any more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.overrides = path / "overrides.yaml"
        self.environment = path / "environment.json"
        self.difference = path / "uncommitted.diff"
        self.metrics = path / "metrics.csv"
        self.clip_record = path / "clip.csv"
        self.result = path / "result.json"
        self.checkpoints = path / "checkpoints"
        self.wandb_id = path / "wandb_id"
        self._reserve = path / ".reserve"

    @classmethod
    def of(cls, resolved: Resolved) -> Self:
        """Where a run lives: ``runs_dir/<experiment>/<run id>``."""
        config = resolved.config
        return cls(Path(config.runs_dir) / config.experiment.name / run_id(resolved))

    def create(self) -> None:
        """Make the directory.

        Raises:
            UserError: if it cannot be made.
        """
        with self.writing():
            self.checkpoints.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the run for this process; the lock goes with the process, however it ends.

        Gives the lock's descriptor: a process that inherits it holds the run too.

        Raises:
            Busy: another process holds it.
            UserError: the directory cannot be written.
        """
        with self.writing():
            file = (self.path / "lock").open("a+", encoding="utf-8", errors="replace")
        with file:
            acquire(file, self.path.name)
            with self.writing():
                file.seek(0)
                file.truncate()
                file.write(str(os.getpid()))
                file.flush()
                self._reserve.unlink(missing_ok=True)
                self._reserve.write_bytes(b"\0" * _RESERVE_BYTES)
                remove_unfinished(self.path)
                self._set_others_aside()
            yield file.fileno()

    def _set_others_aside(self) -> None:
        """Folders, pipes and links to nowhere in the places of files, and what else is in that of a folder."""
        files = (self.config, self.overrides, self.difference, self.wandb_id)
        names = (*(file.name for file in files), *RECORDS, CHECKSUMS, *(f"checkpoints/{one}" for one in _CHECKPOINTS))
        found = [path for name in names if os.path.lexists(path := self.path / name) and not path.is_file()]
        attempts = self.path / ATTEMPTS
        found += [attempts] if os.path.lexists(attempts) and not attempts.is_dir() else []
        for path in found:
            what = "folder" if path == attempts else "file"
            warnings.warn(f"{path} is no {what}, set aside as {set_aside(path).name}", stacklevel=4)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What cannot be written here is told in one line."""
        try:
            yield
        except OSError as error:
            place = Path(error.filename or ".")
            if isinstance(error, FileExistsError | IsADirectoryError) and place.is_relative_to(self.path):
                why = f"run {self.path}: {place.name} is in the way ({error.strerror}); remove it, or move the run away"
                raise UserError(why) from error
            raise UserError(
                f"runs_dir={self.path.parent.parent}: cannot write there ({error.strerror}); "
                f"{where_to_write(error, 'runs_dir')}"
            ) from error

    def read_result(self) -> Result | None:
        """The result, in today's words for outcomes, or ``None`` where there is none.

        Raises:
            Damaged: result.json, or environment.json of a run without result, cannot be used: unreadable, of another
                run or of another schema version.
        """
        with self._told_as_damaged(self.result):
            try:
                content = read_json(self.result)
            except FileNotFoundError:
                self.attempts()
                return None
            check_result(content, self.path.name)
            return cast(Result, today(content))

    def finished_result(self) -> Result | None:
        """The result of a run that has one and is not to be started again, else ``None``.

        Raises:
            Damaged: as :meth:`read_result`.
        """
        result = self.read_result()
        return result if result is not None and result["status"] in TERMINAL else None

    def attempts(self) -> int:
        """How often this run has been started.

        Raises:
            Damaged: environment.json cannot be used.
        """
        with self._told_as_damaged(self.environment):
            try:
                content = read_json(self.environment)
            except FileNotFoundError:
                return 0
            check_version(content)
            attempts = content.get("attempts", 1)
            if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 0:
                raise ValueError(f"attempts is {shortened(attempts)}, not a number")
            return attempts

    @contextmanager
    def _told_as_damaged(self, file: Path) -> Iterator[None]:
        """Say in which run, and how to go on."""
        try:
            yield
        except OtherVersion as error:
            remedy = "move the run away or give another runs_dir=..."
            raise Damaged(file, str(error), f"run {self.path}: {error}; {remedy}") from error
        except Damaged as error:
            if error.told:
                raise
            raise Damaged(error.path, error.reason, self._damaged_line(error)) from error
        except ValueError as error:
            found = Damaged(file, str(error))
            raise Damaged(file, found.reason, self._damaged_line(found)) from error

    def _damaged_line(self, error: Damaged) -> str:
        where = "" if self.path.parent.parent == Path("runs") else f" runs_dir={self.path.parent.parent}"
        again = f"python runs.py experiment={self.path.parent.name}{where} retry=damaged"
        return (
            f"run {self.path} is damaged: {error.path.name}: {error.reason}; set the file aside and train again with: "
            f"{again}; move the run away to keep it as it is"
        )

    def next_attempt(self) -> int:
        """How often this run has been started, counting now.

        Raises:
            Damaged: as :meth:`attempts`.
        """
        return self.attempts() + 1

    def write_start(
        self,
        config: dict[str, Any],
        overrides: list[str],
        environment: dict[str, Any],
        difference: str,
        sources: Mapping[str, Path] | None = None,
    ) -> None:
        """Record what was asked for and with what, before the first step.

        Args:
            sources: the files of the user's own code by their names, of which copies are kept.
        """
        if "attempts" in environment:
            record_attempt(self.path, environment["attempts"], environment, difference, sources or {})
        texts = {
            self.config.name: yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
            self.overrides.name: yaml.safe_dump(overrides),
            self.environment.name: json_text({"schema_version": SCHEMA_VERSION} | environment),
        }
        if difference:
            texts[self.difference.name] = difference
        write_verified(self.path, texts, dict.fromkeys((*RECORDS, *(() if difference else (self.difference.name,)))))
        if not difference:
            self.difference.unlink(missing_ok=True)

    def record_failure(self, resolved: Resolved, reason: str) -> Result:
        """Write the result of a run that failed where it could not write its own; one that it has stands.

        Raises:
            UserError: if the directory cannot be written or another process holds the run.
        """
        self.create()
        with self.locked():
            if (done := self.finished_result()) is not None:
                self.tidy()
                return done
            return self.write_failure(resolved, reason)

    def write_failure(self, resolved: Resolved, reason: str) -> Result:
        """What :meth:`record_failure` does, for the process that holds the run."""
        return self.write_result(result_of(resolved, "failed", reason, attempts=max(1, self.attempts())))

    def write_result(self, result: Result, records: Mapping[str, str] | None = None) -> Result:
        """Write the result, on a full disk into the room kept free for it; returns it as it will be read.

        Args:
            records: SHA-256 of the files of rows, by those who wrote them; of what is there where they are not given.
        """
        content: Result = finite({"schema_version": SCHEMA_VERSION, **result})
        ended = result["status"] in TERMINAL
        # What an unfinished run goes on from is known to its checkpoints.
        there = [path for name in RECORDS if ended and (path := self.path / name).exists()]
        sums = {path.name: digest_of(path) for path in there} | dict(records or {} if ended else {})
        try:
            write_verified(self.path, {self.result.name: json_text(content)}, sums)
        except OSError:
            self._reserve.unlink(missing_ok=True)
            write_verified(self.path, {self.result.name: json_text(content)}, sums)
        if traceback := result.get("traceback"):
            keep_traceback(self.path, result["attempts"], traceback)
        if ended:
            self.tidy()
        return content

    def tidy(self) -> None:
        """Remove what a run that has its result needs no more: not before, or a kill in between would cost the run."""
        for path in (self._reserve, *self.checkpoint_candidates(), self.checkpoints / "new.ckpt"):
            path.unlink(missing_ok=True)

    def checkpoint_candidates(self) -> list[Path]:
        """Checkpoints that a resumed run may start from, newest first."""
        return [path for name in _RESUMABLE if (path := self.checkpoints / name).exists()]
