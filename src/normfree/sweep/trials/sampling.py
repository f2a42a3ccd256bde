"""What the next trial tries: a function of the sampler's seed, the trial's number and the trials before it.

A sampler is made for each trial, so that one worker proposes the same whether it was stopped in between or not. The
tree-structured Parzen estimator (Bergstra et al. 2011; Ozaki et al. 2020 for several objectives) takes over from chance
once enough trials are known. A combination that was tried is not proposed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from normfree.sweep.trials.block import Search
from normfree.sweep.trials.space import Dimension

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

_BY_THE_ESTIMATOR, _ATTEMPTS = 10, 2000


def distributions(space: Sequence[Dimension]) -> dict[str, BaseDistribution]:
    """The space as Optuna has it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        one.key: CategoricalDistribution(one.choices)
        if one.choices
        else FloatDistribution(one.low, one.high, log=one.log, step=one.step)
        for one in space
    }


def propose(study: Study, search: Search, number: int, tried: Collection[tuple[str, ...]]) -> dict[str, Any] | None:
    """Key -> value of a trial.

    Args:
        number: of the trial.
        tried: the words of those before it.

    Returns:
        None where no other combination was found.
    """
    from optuna.samplers import RandomSampler, TPESampler

    for attempt in range(_ATTEMPTS):
        seed = seed_of(search.sampler_seed, number, attempt)
        estimated = attempt < _BY_THE_ESTIMATOR
        sampler = TPESampler(seed=seed, n_startup_trials=search.startup) if estimated else RandomSampler(seed=seed)
        values = drawn(sampler, study, search.space)
        if words_of(search.space, values) not in tried:
            return values
    return None


def by_chance(search: Search, number: int) -> dict[str, Any]:
    """Values drawn from the space alone, the same for the same number."""
    from optuna import create_study
    from optuna.samplers import RandomSampler

    return drawn(RandomSampler(seed=seed_of(search.sampler_seed, number, 0)), create_study(), search.space)


def drawn(sampler: BaseSampler, study: Study, space: Sequence[Dimension]) -> dict[str, Any]:
    """One value a key."""
    from optuna.trial import TrialState, create_trial

    beside = create_trial(state=TrialState.PRUNED)  # of which no sampler used here reads anything
    return {key: sampler.sample_independent(study, beside, key, one) for key, one in distributions(space).items()}


def words_of(space: Sequence[Dimension], values: Mapping[str, Any]) -> tuple[str, ...]:
    """The overrides that values come to."""
    return tuple(one.word(values[one.key]) for one in space)


def seed_of(sampler_seed: int, number: int, attempt: int) -> int:
    """Of the sampler of a trial, 32 bits."""
    digest = hashlib.sha256(f"{sampler_seed}/{number}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
