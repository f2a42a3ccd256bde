"""The trials as Optuna stores them: a journal in the folder of the runs, or a database.

A trial is written with all its values at once, and told as complete if it was trained to the end; one that was pruned,
over the budget, refused, diverged or untrained is told as pruned, so that the sampler takes it for worse than every
complete one; one that failed as failed. What became of it stands beside it by its own word, and none is ever left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normfree.config import UserError
from normfree.sweep.trials.block import LATENCY, PLACE, Search
from normfree.sweep.trials.journal import JOURNAL, opened, optuna_or_refuse
from normfree.sweep.trials.owners import Owner
from normfree.sweep.trials.sampling import distributions, propose
from normfree.sweep.trials.trial import FAILED, FINISHED, RUNNING, Trial

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_OWNER, _RETRY, _OUTCOME, _SIGNATURE, _REFERENCE = "owner", "retry_of", "outcome", "search", "reference_ms"


class Store:
    """The study of a search.

    Args:
        folder: of the experiment's runs.
        name: of the experiment.
        signature: what must be the same for the trials to be of one search.

    Raises:
        UserError: Optuna is not installed, or the storage cannot be used, is locked, or holds another search.
    """

    def __init__(self, folder: Path, name: str, search: Search, owner: Owner, signature: Mapping[str, Any]) -> None:
        self._search, self._owner, self._name = search, owner, name
        place = search.storage or str(folder / JOURNAL)
        self._place = place.partition("@")[2] or place  # without a password
        self._optuna = optuna_or_refuse()
        with self._told(), owner.alone():
            self._storage = opened(folder, search.storage)
            self._study = self._loaded(json.loads(json.dumps(signature)))

    def trials(self) -> list[Trial]:
        """All trials, by number."""
        with self._told():
            return [self._trial(each) for each in self._fresh().get_trials(deepcopy=False)]

    def take(self, retries: list[int]) -> Trial | None:
        """A trial for this process: one that a killed process has left, a failed one anew, or a new one.

        Args:
            retries: failed trials that are to be tried once more, unless they are; what is taken is taken out.

        Returns:
            None where there are enough, or the space has no other combination.
        """
        with self._told(), self._owner.alone():
            study = self._fresh()
            stored = study.get_trials(deepcopy=False)
            every = [self._trial(each) for each in stored]
            for each, trial in zip(stored, every, strict=True):
                if trial.outcome == RUNNING and not self._owner.is_alive(trial.owner):
                    self._storage.set_trial_user_attr(each._trial_id, _OWNER, self._owner.token)
                    trial.owner = self._owner.token
                    return trial
            tried_again = {trial.retry_of for trial in every}
            while retries:
                if (number := retries.pop(0)) not in tried_again:
                    return self._added(study, every[number].values, number)
            if sum(trial.retry_of is None for trial in every) >= self._search.number:
                return None
            tried = {trial.words for trial in every}
            values = propose(self._fresh(), self._search, len(every), tried)
            return None if values is None else self._added(study, values, None)

    def note(self, trial: Trial, **facts: Any) -> None:
        """Keep what has become known of a trial."""
        with self._told():
            self._note(trial, facts)

    def conclude(self, trial: Trial, outcome: str, **facts: Any) -> None:
        """Tell the study what became of a trial; nothing where another process has told it."""
        states = self._optuna.trial.TrialState
        values = None
        if outcome == FINISHED:
            state = states.COMPLETE
            values = [facts["accuracy"]]
            values += [trial.facts["latency"][0]] if LATENCY in self._search.objectives else []
        else:
            state = states.FAIL if outcome == FAILED else states.PRUNED
        with self._told():
            self._note(trial, {**facts, _OUTCOME: outcome})
            self._fresh().tell(trial.number, values, state, skip_if_finished=True)
        trial.outcome = outcome

    @property
    def reference_ms(self) -> float | None:
        """Milliseconds of the network beside which all are timed, as they were measured first."""
        with self._told():
            found = self._fresh().user_attrs.get(_REFERENCE)
        return None if found is None else float(found)

    def set_reference(self, milliseconds: float) -> float:
        """Keep them, unless another process has; returns those that are kept."""
        with self._told(), self._owner.alone():
            found = self._fresh().user_attrs.get(_REFERENCE)
            if found is None:
                self._study.set_user_attr(_REFERENCE, milliseconds)
        return milliseconds if found is None else float(found)

    def _note(self, trial: Trial, facts: Mapping[str, Any]) -> None:
        each = self._fresh().get_trials(deepcopy=False)[trial.number]
        if not each.state.is_finished():
            for key, value in facts.items():
                self._storage.set_trial_user_attr(each._trial_id, key, value)
        trial.facts |= {key: value for key, value in facts.items() if key != _OUTCOME}

    def _added(self, study: Study, values: Mapping[str, Any], retry_of: int | None) -> Trial:
        attributes: dict[str, Any] = {_OWNER: self._owner.token}
        if retry_of is not None:
            attributes[_RETRY] = retry_of
        study.add_trial(
            self._optuna.trial.create_trial(
                state=self._optuna.trial.TrialState.RUNNING,
                params=dict(values),
                distributions=distributions(self._search.space),
                user_attrs=attributes,
            )
        )
        return self._trial(study.get_trials(deepcopy=False)[-1])

    def _trial(self, each: FrozenTrial) -> Trial:
        facts = dict(each.user_attrs)
        words = tuple(one.word(each.params[one.key]) for one in self._search.space)
        outcome = facts.pop(_OUTCOME, RUNNING) if each.state.is_finished() else RUNNING
        facts.pop(_OUTCOME, None)
        owner, retry_of = str(facts.pop(_OWNER, "")), facts.pop(_RETRY, None)
        return Trial(each.number, words, dict(each.params), str(outcome), owner, retry_of, facts)

    def _loaded(self, signature: dict[str, Any]) -> Study:
        directions = ["maximize" if one != LATENCY else "minimize" for one in self._search.objectives]
        names = [one.study_name for one in self._storage.get_all_studies()]
        if self._name not in names:
            study = self._optuna.create_study(storage=self._storage, study_name=self._name, directions=directions)
            study.set_user_attr(_SIGNATURE, signature)
            return study  # type: ignore[no-any-return]
        study = self._optuna.load_study(storage=self._storage, study_name=self._name)
        known = study.user_attrs.get(_SIGNATURE)
        if known is None:  # killed between the two
            study.set_user_attr(_SIGNATURE, signature)
        elif known != signature:
            differing = [key for key in signature if known.get(key) != signature[key]]
            raise UserError(
                f"{PLACE}: the trials in {self._place} are of another search, with another {', '.join(differing)}; "
                "give experiment.name=OTHER, or move that file away"
            )
        return study  # type: ignore[no-any-return]

    def _fresh(self) -> Study:
        """The study as all processes have it now: a study remembers what it has read."""
        return self._optuna.load_study(storage=self._storage, study_name=self._name)  # type: ignore[no-any-return]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What a storage raises, in one line."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            if "locked" in reason:
                raise UserError(
                    f"{PLACE}.storage={self._place}: is locked by another program; end that, or wait"
                ) from error
            expected = (OSError, ValueError, KeyError, ImportError, self._optuna.exceptions.StorageInternalError)
            outside = type(error).__module__.startswith("sqlalchemy")
            if not isinstance(error, expected) and not outside:
                raise
            raise UserError(
                f"{PLACE}: {self._place} cannot be used ({type(error).__name__}: {reason}); "
                "move it away, or give another experiment.name"
            ) from error
