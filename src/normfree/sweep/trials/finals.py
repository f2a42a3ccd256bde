"""What follows the trials: the best with further seeds, beside the networks made by hand, all timed together.

A trial's accuracy is that by which it was chosen, and so too high; its further seeds say what it is worth.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from normfree.config import Resolved
from normfree.runs.identity import arm_id
from normfree.runs.plan import grid_digest
from normfree.sweep.planned import resolved_of
from normfree.sweep.trials.block import Search
from normfree.sweep.trials.record import arms_timed, write_latencies
from normfree.sweep.trials.timing import Stopwatch
from normfree.sweep.trials.trial import Trial
from normfree.sweep.trials.words import BESIDE, FRONT, MOST_ACCURATE, NO_SLOWER, beside_words, roles, trial_words

Compose = Callable[[Sequence[str]], Any]
Planned = list[tuple[list[str], list[str]]]


def finals(
    search: Search, arguments: Sequence[str], chosen: Sequence[Trial], reference_ms: float | None, compose: Compose,
    stopwatch: Stopwatch | None, folder: Path,
) -> tuple[Planned, dict[str, str]]:  # fmt: skip
    """The runs that follow, with their grids, and digests of these grids; their networks are timed, unless they are.

    Args:
        reference_ms: of the network beside which all are timed.
        stopwatch: ``None`` where nothing is timed.
    """
    grids = roles(chosen, reference_ms)
    first, subjects = search.seeds[0], list[tuple[str, int | None, Sequence[str], Resolved]]()
    for trial in chosen:
        resolved = resolved_of(trial_words(arguments, search, trial.words, first), compose)
        subjects.append((FRONT, trial.number, trial.words, resolved))
    for line in search.beside:
        subjects.append((BESIDE, None, line, resolved_of(beside_words(arguments, line, first), compose)))
    wanted = {(arm_id(resolved), grid) for grid, _, _, resolved in subjects}
    if stopwatch is not None and subjects and arms_timed(folder) != wanted:
        _time(search, subjects, stopwatch, reference_ms, folder)
    further = [
        (trial_words(arguments, search, trial.words, seed), grids[trial.number])
        for seed in search.seeds
        for trial in chosen
    ]
    beside = [(beside_words(arguments, line, seed), [BESIDE]) for seed in search.seeds for line in search.beside]
    digests = {
        name: grid_digest([list(trial.words) for trial in chosen if name in grids[trial.number]] + [search.seeds])
        for name in (FRONT, MOST_ACCURATE, NO_SLOWER)
    }
    return [*further, *beside], digests | {BESIDE: grid_digest([search.beside, search.seeds])}


def _time(
    search: Search, subjects: Sequence[tuple[str, int | None, Sequence[str], Resolved]], stopwatch: Stopwatch,
    reference_ms: float | None, folder: Path,
) -> None:  # fmt: skip
    assert search.timing is not None
    measured = stopwatch.measure([resolved for _, _, _, resolved in subjects], reference_ms)
    rows = [
        dict(zip(("latency_ms", "latency_low", "latency_high"), latency.told(), strict=True))
        | {"arm_id": arm_id(resolved), "grid": grid, "trial": number, "words": " ".join(words)}
        | {"batch": search.timing.batch, "threads": search.timing.threads, "rounds": search.timing.rounds}
        | {"clock": measured.clock, "device": measured.device}
        for (grid, number, words, resolved), latency in zip(subjects, measured.latencies, strict=True)
    ]
    write_latencies(folder, rows)
