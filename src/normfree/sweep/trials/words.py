"""The overrides of the runs of a search."""

from collections.abc import Sequence

from normfree.config.names import key_of
from normfree.sweep.trials.block import Search
from normfree.sweep.trials.trial import Trial

TRIALS, SHORT, FRONT, BESIDE = "trials", "trials_short", "front", "beside"
MOST_ACCURATE, NO_SLOWER = "most_accurate", "no_slower"
"""Names of grids, by which a report chooses: trials, their short runs, those of the front with further seeds, what is
trained beside them, the most accurate of the front, and of those no slower than the reference.
"""
_LENGTH = ("steps", "epochs")


def trial_words(arguments: Sequence[str], search: Search, words: Sequence[str], seed: int) -> list[str]:
    """Of the whole run of a trial."""
    return [*arguments, *search.base, *words, f"seed={seed}"]


def short_words(words: Sequence[str], steps: int) -> list[str]:
    """The same for so many steps."""
    return [*(word for word in words if key_of(word) not in _LENGTH), "epochs=null", f"steps={steps}"]


def beside_words(arguments: Sequence[str], line: Sequence[str], seed: int) -> list[str]:
    """Of a run beside the trials."""
    return [*arguments, *line, f"seed={seed}"]


def roles(chosen: Sequence[Trial], reference_ms: float | None) -> dict[int, list[str]]:
    """Number of each chosen trial -> the grids that its further seeds stand in."""
    found = {trial.number: [FRONT] for trial in chosen}

    def best(some: Sequence[Trial]) -> int:
        return max(some, key=lambda trial: (trial.facts["accuracy"], -trial.number)).number

    if chosen:
        found[best(chosen)].append(MOST_ACCURATE)
    fast = [trial for trial in chosen if reference_ms is not None and trial.facts["latency"][0] <= reference_ms]
    if fast:
        found[best(fast)].append(NO_SLOWER)
    return found
