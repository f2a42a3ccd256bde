"""``python runs.py experiment=NAME follow=true``: the curves of running runs, for as long as any runs."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.live import Live

from normfree.host.exit_codes import EXIT_INTERRUPTED, EXIT_OK
from normfree.runs import TERMINAL, Damaged, RunDirectory
from normfree.runs.plan import Plan, read_plan
from normfree.slurm.queue import Job, live_jobs
from normfree.slurm.submission import Submission, latest
from normfree.sweep.alive import is_alive
from normfree.sweep.follow_view import Followed, View
from normfree.sweep.state import RunState, configured, count_states, held, is_locked, state_of
from normfree.sweep.tail import Tail

LOOK_SECONDS = 1.0
QUEUE_SECONDS = 10.0
"""Between two questions to SLURM."""
LOOKS_AT_FIRST = 15
"""For the first run of a sweep that may have been started just now; one that shows itself is waited for."""


class Watch:
    """What runs in an experiment's folder, and what came of the others.

    Attributes:
        running: by run id, those that are being trained now.
        states: of those that have ended since, or had before.
    """

    def __init__(self, folder: Path, match: str = "") -> None:
        self.running: dict[str, Followed] = {}
        self.states: dict[str, RunState] = {}
        self._folder, self._match = folder, match
        self._jobs: dict[str, Submission] = {}
        self._live: dict[str, Job] | None = {}
        self._asked = -QUEUE_SECONDS

    def look(self) -> tuple[list[Followed], list[RunState]]:
        """Those of which there is a new row, and those that have ended since the last look."""
        self._ask()
        names = {path.name for path in self._folder.glob("[!._]*") if path.is_dir()} | self._queued()
        changed: list[Followed] = []
        ended: list[RunState] = []
        for name in sorted(name for name in names if self._match in name):
            known = self.states.get(name)
            if known is not None and known.state in TERMINAL:
                continue
            if self._runs(name):
                self.states.pop(name, None)
                run = self.running.setdefault(name, Followed(name, Tail(self._folder / name / "metrics.csv")))
                if not run.steps:
                    run.steps, run.batch = configured(RunDirectory(self._folder / name), self._jobs.get(name))
                changed += [run] if run.tail.look() else []
            elif name in self.running or (known is None and name not in self._queued()):
                state = state_of(self._folder / name, [], self._jobs.get(name), self._live)
                if state.state in ("running", "queued"):
                    continue
                self.states[name] = state
                if name in self.running:
                    run = self.running.pop(name)
                    changed += [run] if run.tail.look() else []
                    ended.append(state)
        return changed, ended

    def goes_on(self) -> bool:
        """Whether anything runs, waits in SLURM's queue, or is a sweep's next."""
        workers = self._folder.glob("worker*.log")
        return bool(self.running or self._queued()) or any(is_locked(path) for path in workers)

    def is_settled(self) -> bool:
        """Whether there are runs, and each that was planned has ended."""
        return bool(self.states) and not {run for run in self._planned() if self._match in run} - self.states.keys()

    def sweep_lives(self) -> bool:
        """Whether a sweep here works on it, which may not have planned its runs yet."""
        return is_alive(self._folder)

    def counts(self) -> str:
        """``4 runs: 1 planned, 2 running, 1 finished``."""
        every = {run: RunState(run, [], "planned") for run in self._planned() if self._match in run}
        plan = self._plan()
        every |= {run: state for run, state in self.states.items() if plan.earlier(run) is None}
        every |= {run: RunState(run, [], "queued") for run in self._queued() if self._match in run}
        every |= {run: RunState(run, [], "running") for run in self.running}
        return count_states(list(every.values()))

    def _planned(self) -> list[str]:
        plan = self._plan()
        return [run for run in plan.runs if plan.earlier(run) is None]

    def _plan(self) -> Plan:
        with suppress(Damaged):
            return read_plan(self._folder) or Plan()
        return Plan()

    def _runs(self, name: str) -> bool:
        submission = self._jobs.get(name)
        job = (self._live or {}).get(submission.jobs[name]) if submission else None
        return (job is not None and job.runs) or held(RunDirectory(self._folder / name))

    def _queued(self) -> set[str]:
        waiting = {id for id, job in (self._live or {}).items() if not job.runs}
        return {run for run, submission in self._jobs.items() if submission.jobs[run] in waiting}

    def _ask(self) -> None:
        if time.monotonic() - self._asked >= QUEUE_SECONDS:
            self._asked = time.monotonic()
            self._jobs = latest(self._folder)
            self._live = live_jobs() if self._jobs else {}


def follow(console: Console, folder: Path, match: str = "", wait: Callable[[float], None] = time.sleep) -> int:
    """Show curves on a terminal, and a line for each new row elsewhere, until nothing runs any more or Ctrl-C.

    Nothing is written where the runs are. Where none runs yet a sweep that is being planned is waited for.

    Args:
        match: a part of the names of those that are followed.
        wait: until the next look.
    """
    watch = Watch(folder, match)
    patience = _Patience(console, watch, folder)
    try:
        if console.is_terminal:
            _on_a_terminal(console, watch, patience, wait)
        else:
            _in_lines(console, watch, patience, wait)
    except KeyboardInterrupt:
        print("no longer followed; what runs goes on", file=sys.stderr)
        return EXIT_INTERRUPTED
    if folder.is_dir():
        _print(console, watch.counts())
    return EXIT_OK


class _Patience:
    """Whether to go on looking: while anything runs, and at first for what may begin."""

    def __init__(self, console: Console, watch: Watch, folder: Path) -> None:
        self._console, self._watch, self._folder = console, watch, folder
        self._looks = 0

    def lasts(self) -> bool:
        if self._watch.goes_on():
            self._looks = LOOKS_AT_FIRST
            return True
        lives = self._watch.sweep_lives()
        if not lives and (self._looks >= LOOKS_AT_FIRST or self._watch.is_settled()):
            return False
        if not self._looks:
            what = "the first run of a sweep that is being planned" if lives else f"a first run, {LOOKS_AT_FIRST} s"
            _print(self._console, f"nothing runs in {self._folder} yet; waiting for {what}    Ctrl-C ends this")
        self._looks += 1
        return True


def _on_a_terminal(console: Console, watch: Watch, patience: _Patience, wait: Callable[[float], None]) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            _, ended = watch.look()
            for state in ended:
                _print(console, _told(state))
            if not patience.lasts():
                live.update("", refresh=True)
                return
            live.update(
                View(list(watch.running.values()), f"{watch.counts()}    Ctrl-C ends this, not the runs"), refresh=True
            )
            wait(LOOK_SECONDS)


def _in_lines(console: Console, watch: Watch, patience: _Patience, wait: Callable[[float], None]) -> None:
    while True:
        changed, ended = watch.look()
        lines = [f"{run.run_id}  {run.said()}" for run in changed] + [_told(state) for state in ended]
        for line in lines:
            _print(console, line)
        if not patience.lasts():
            return
        wait(LOOK_SECONDS)


def _print(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def _told(state: RunState) -> str:
    accuracy = f", test accuracy {state.accuracy:.1%}" if state.accuracy is not None else ""
    return f"{state.state}: {state.run_id}{accuracy}" + (f" ({state.reason})" if state.reason else "")
