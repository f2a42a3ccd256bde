"""What is asked of a search before anything is trained, and its plan."""

from collections.abc import Callable, Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from normfree.config import Resolved, UserError
from normfree.host.wording import counted
from normfree.runs.identity import arm_id
from normfree.sweep.planned import resolved_of
from normfree.sweep.sweep import run_sweep
from normfree.sweep.trials.block import Search
from normfree.sweep.trials.sampling import by_chance, words_of
from normfree.sweep.trials.space import PLACE
from normfree.sweep.trials.timing import Latency, Stopwatch, nearest_told
from normfree.sweep.trials.words import BESIDE, TRIALS, beside_words, trial_words

Compose = Callable[[Sequence[str]], Any]


def check(search: Search, arguments: Sequence[str], compose: Compose) -> Resolved:
    """What the base comes to with the first value of each key, once every value of every key has been tried with it.

    Raises:
        UserError: a value cannot be used, or the run is to be trained anew.
    """
    first = [one.word(one.examples[0]) for one in search.space]
    base = resolved_of(trial_words(arguments, search, first, search.seed), compose)
    if base.config.again:
        raise UserError("again=true: a search goes on from the trials that there are; leave it out")
    if base.config.sweep.detach:
        raise UserError("sweep.detach=true: a search ends with its command; leave it out")
    for place, one in enumerate(search.space):
        for value in one.examples[1:]:
            words = [*first[:place], one.word(value), *first[place + 1 :]]
            try:
                resolved_of(trial_words(arguments, search, words, search.seed), compose)
            except (UserError, HydraException, OmegaConfBaseException) as error:
                told = str(error).partition(" (in the combination")[0]
                raise UserError(f"{PLACE}.{one.key}={value}: {' '.join(told.split())}") from error
    for line in search.beside:
        resolved_of(beside_words(arguments, line, search.seed), compose)
    return base


def signature(search: Search, base: Resolved) -> dict[str, Any]:
    """What makes trials those of one search: its number of trials, and what comes after them, may change.

    Args:
        base: a run of the search, which says what all of its trials are trained on.
    """
    timing, short = search.timing, search.short
    return {
        "space": {one.key: one.described() for one in search.space},
        "base, data, steps or recipe": arm_id(base),
        "objectives": list(search.objectives),
        "latency": None if timing is None else [timing.budget, timing.batch, timing.threads, list(search.reference)],
        "short": None if short is None else [short.share, short.after],
        "seed": [search.seed, search.sampler_seed],
        "startup": search.startup,
    }


def check_budget(search: Search, arguments: Sequence[str], compose: Compose, stopwatch: Stopwatch) -> None:
    """Time networks drawn by chance until one meets the budget.

    Raises:
        UserError: none of as many as are drawn by chance anyway does; names the nearest.
    """
    if search.timing is None or search.timing.budget is None:
        return
    tried: list[tuple[Latency, tuple[str, ...]]] = []
    refused = ""
    for number in range(search.startup):
        words = words_of(search.space, by_chance(search, number))
        try:
            resolved = resolved_of(trial_words(arguments, search, words, search.seed), compose)
            (latency,) = stopwatch.measure([resolved], None).latencies
        except UserError as error:
            refused = str(error)
            continue
        if latency.ms <= search.timing.budget:
            return
        tried.append((latency, words))
    if not tried:
        raise UserError(
            f"{PLACE}: none of {counted(search.startup, 'network')} drawn can be built; the last: {refused}"
        )
    raise UserError(nearest_told(search, tried))


def tell_plan(
    search: Search, arguments: Sequence[str], planned: list[tuple[list[str], list[str]]], compose: Compose,
    base: Resolved,
) -> None:  # fmt: skip
    """What would be trained: one trial, what stands beside the trials, and the most that it all comes to."""
    first = [one.word(one.examples[0]) for one in search.space]
    one = (trial_words(arguments, search, first, search.seed), [TRIALS])
    beside = [(beside_words(arguments, line, seed), [BESIDE]) for line in search.beside for seed in search.seeds]
    run_sweep([*planned, one, *beside], compose)
    share = 1 + (search.short.share if search.short else 0.0)
    most = round(search.number * share * base.steps) + search.members * len(search.seeds) * base.steps
    told = ", ".join(f"{each.key} ({each.count or 'a range'})" for each in search.space)
    print(
        f"search: {counted(search.number, 'trial')} of {told}; the best {search.members} again with seeds "
        f"{', '.join(map(str, search.seeds))}; at most {most:,} optimizer steps beside those listed, of which one is "
        "an example of a trial"
    )
