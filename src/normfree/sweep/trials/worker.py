"""One process's part of the trials: takes them, times and trains them, and tells the study what became of them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from normfree.config import Resolved, UserError
from normfree.runs import TERMINAL, arm_id, run_id
from normfree.runs.plan import grid_digest
from normfree.runs.result import Ended
from normfree.sweep.aside import Aside
from normfree.sweep.planned import resolved_of
from normfree.sweep.trials.account import trial_line
from normfree.sweep.trials.block import LATENCY, PLACE, Search
from normfree.sweep.trials.checks import check_budget, signature
from normfree.sweep.trials.judging import Score, goes_on
from normfree.sweep.trials.owners import Owner
from normfree.sweep.trials.record import TRIALS_FILE, write_trials
from normfree.sweep.trials.rounds import Round
from normfree.sweep.trials.store import Store
from normfree.sweep.trials.timing import Stopwatch, settled
from normfree.sweep.trials.trial import (
    DIVERGED,
    FAILED,
    FINISHED,
    OVER_BUDGET,
    PRUNED,
    REFUSED,
    RUNNING,
    UNTRAINED,
    Trial,
)
from normfree.sweep.trials.words import SHORT, TRIALS, beside_words, short_words, trial_words

Compose = Callable[[Sequence[str]], Any]
_LOOK_SECONDS = 1.0
"""Between two looks at trials of other processes."""


def score(trial: Trial, accuracy: float, search: Search) -> Score:
    """What the rules see of a trial."""
    return Score(accuracy, trial.facts["latency"][0] if LATENCY in search.objectives else None)


class Worker:
    """This process's part of the trials.

    Args:
        base: a run of the search.
        workers: trials at a time.

    Attributes:
        stopwatch: ``None`` where nothing is timed.

    Raises:
        UserError: what stands beside the trials cannot be trained, no network meets the budget, or the storage cannot
            be used.
    """

    def __init__(
        self, search: Search, arguments: Sequence[str], compose: Compose, aside: Aside, owner: Owner, folder: Path,
        base: Resolved, workers: int,
    ) -> None:  # fmt: skip
        self._search, self._arguments, self._compose, self._aside = search, list(arguments), compose, aside
        self._folder, self._workers = folder, workers
        self.stopwatch: Stopwatch | None = None
        content = signature(search, base)
        digest = grid_digest(content)
        self._round = Round(compose, aside, folder, {TRIALS: digest, SHORT: digest})
        for line in search.beside:
            if refusal := self._round.refusal(beside_words(arguments, line, search.seed)):
                raise UserError(f"{PLACE}.beside: {' '.join(line)}: {refusal}")
        if search.timing is not None:
            reference = resolved_of([*arguments, *search.reference, f"seed={search.seed}"], compose)
            self.stopwatch = Stopwatch(aside, search.timing, reference)
            if not (folder / TRIALS_FILE).is_file():
                check_budget(search, arguments, compose, self.stopwatch)
        self._store = Store(folder, base.config.experiment.name, search, owner, content)
        self._retries = [trial.number for trial in self._store.trials() if trial.outcome == FAILED]

    @property
    def reference_ms(self) -> float | None:
        """Milliseconds of the reference, as they were measured first."""
        return self._store.reference_ms

    def work(self) -> bool:
        """Take trials and bring them to an end until there are enough; whether Ctrl-C ended it early."""
        mine: list[Trial] = []
        while True:
            while len(mine) < self._workers and (trial := self._store.take(self._retries)) is not None:
                if self._fits(trial):
                    mine.append(trial)
            if not mine:
                if not any(trial.outcome == RUNNING for trial in self.recorded()):
                    return False
                time.sleep(_LOOK_SECONDS)  # another process has them, or leaves them to this one
                continue
            wanted = [self._next(trial) for trial in mine]
            results, interrupted = self._round.train(wanted, self._workers)
            for trial, (words, _) in zip(mine, wanted, strict=True):
                resolved = resolved_of(words, self._compose)
                result = results.get(run_id(resolved))
                if interrupted and (result is None or result["status"] not in TERMINAL):
                    continue
                self._take_in(trial, resolved, result)
            if interrupted:
                return True
            mine = [trial for trial in mine if trial.outcome == RUNNING]

    def recorded(self) -> list[Trial]:
        """All trials, written for reports."""
        trials = self._store.trials()
        write_trials(self._folder, trials, self._search.space)
        return trials

    def _fits(self, trial: Trial) -> bool:
        """Whether a trial is to be trained: its network can be built, and meets the budget."""
        words = trial_words(self._arguments, self._search, trial.words, self._search.seed)
        if line := self._round.refusal(words):
            self._conclude(trial, REFUSED, reason=line)
            return False
        if self.stopwatch is None:
            return True
        if "latency" not in trial.facts:
            resolved = resolved_of(words, self._compose)
            measured = self.stopwatch.measure([resolved], self.reference_ms)
            self._store.note(trial, latency=settled(self._store, measured).told())
        assert self._search.timing is not None
        budget = self._search.timing.budget
        if budget is not None and trial.facts["latency"][0] > budget:
            self._conclude(trial, OVER_BUDGET)
            return False
        return True

    def _next(self, trial: Trial) -> tuple[list[str], list[str]]:
        """The words of the run that a trial waits for, and its grid."""
        words = trial_words(self._arguments, self._search, trial.words, self._search.seed)
        if self._search.short is None or "short_accuracy" in trial.facts:
            return words, [TRIALS]
        steps = resolved_of(words, self._compose).steps
        return short_words(words, max(1, round(self._search.short.share * steps))), [SHORT]

    def _take_in(self, trial: Trial, resolved: Resolved, result: Ended | None) -> None:
        """What a run came to."""
        short = self._search.short is not None and "short_accuracy" not in trial.facts
        run = run_id(resolved)
        names = {"short_run_id": run} if short else {"run_id": run, "arm_id": arm_id(resolved)}
        if result is None or result["status"] not in TERMINAL:
            reason = "no result" if result is None else f"{result['status']}: {result.get('reason', '')}"
            self._conclude(trial, FAILED, **names, reason=reason[:300])
            return
        metrics: Any = result.get("metrics") or {}
        status, accuracy = result["status"], metrics.get("validation/accuracy")
        if status == "diverged" or accuracy is None:
            self._conclude(trial, DIVERGED if status == "diverged" else FAILED, **names)
        elif not short:
            self._conclude(trial, FINISHED if status == "finished" else UNTRAINED, **names, accuracy=accuracy)
        else:
            self._store.note(trial, **names, short_accuracy=accuracy)
            if not self._goes_on(trial, accuracy):
                self._conclude(trial, PRUNED)

    def _goes_on(self, trial: Trial, accuracy: float) -> bool:
        assert self._search.short is not None
        earlier = [
            score(each, each.facts["short_accuracy"], self._search)
            for each in self._store.trials()
            if each.number != trial.number and "short_accuracy" in each.facts
        ]
        return goes_on(score(trial, accuracy, self._search), earlier, self._search.short.after)

    def _conclude(self, trial: Trial, outcome: str, **facts: Any) -> None:
        self._store.conclude(trial, outcome, **facts)
        print(trial_line(trial, self._search), flush=True)
        self.recorded()
