"""Timing several things side by side, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

CLOCKS = ("cpu", "wall")


@dataclass(frozen=True)
class Spread:
    """Median of repeated measurements, and the outer ones of the values that cut them into `parts`: quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float], parts: int = 4) -> Spread:
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        cuts = statistics.quantiles(values, n=parts, method="inclusive")
        return cls(statistics.median(values), cuts[0], cuts[-1])


def interleave(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    clock: str,
    repeats: int = 1,
    warmup: int = 2,
    prepare: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Seconds of one call of each case, `rounds` times; every round runs every case, in an order that rotates.

    Args:
        clock: ``cpu`` is the processor time of this process (its threads summed; other processes do not count),
            ``wall`` is time on the clock. On a GPU only ``wall`` means something; the device is waited for.
        repeats: calls in one measurement, for cases of less than some milliseconds.
        warmup: calls of each case that are not measured.
        prepare: called before each measurement and not measured.
    """
    read = time.process_time if clock == "cpu" else time.perf_counter
    for call in cases.values():
        for _ in range(warmup):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            call = cases[name]
            if prepare is not None:
                prepare()
            _wait(device)
            begin = read()
            for _ in range(repeats):
                call()
            _wait(device)
            seconds[name].append((read() - begin) / repeats)
    return seconds


def ratios(reference: list[float], subject: list[float]) -> list[float]:
    """How many times faster the subject is, round by round."""
    return [theirs / ours for theirs, ours in zip(reference, subject, strict=True)]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
