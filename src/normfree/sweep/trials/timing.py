"""Latency of networks before they are trained, each measured in turn with one network, the reference.

A latency is how many times slower than the reference a network is, the median over rounds, times the reference's
milliseconds as the search measured them first: so trials of hours, and of several processes, can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from normfree.config import Resolved, UserError
from normfree.sweep.aside import Aside
from normfree.sweep.trials.block import PLACE, Search, Timing
from normfree.sweep.trials.store import Store
from normfree.train.latency import inference_seconds


@dataclass(frozen=True)
class Latency:
    """Milliseconds for a batch: the median of the rounds, and their quartiles."""

    ms: float
    low: float
    high: float

    def told(self) -> list[float]:
        """As it is stored."""
        return [float(f"{value:.5g}") for value in (self.ms, self.low, self.high)]


@dataclass(frozen=True)
class Measured:
    """What was measured together: in turns, on one device, by one clock."""

    latencies: tuple[Latency, ...]
    reference_ms: float
    device: str
    clock: str


class Stopwatch:
    """Asks the process that has torch.

    Args:
        reference: the run of the network beside which all others are measured.
    """

    def __init__(self, aside: Aside, timing: Timing, reference: Resolved) -> None:
        self._aside, self._timing, self._reference = aside, timing, reference

    def measure(self, runs: Sequence[Resolved], reference_ms: float | None) -> Measured:
        """Latencies of these runs.

        Args:
            reference_ms: of the reference, as it was measured first; ``None`` for what it is now.

        Raises:
            UserError: a network cannot be built.
        """
        timing = self._timing
        try:
            seconds, device, clock = self._aside.ask(
                inference_seconds, [self._reference, *runs], timing.batch, timing.rounds, timing.threads
            )
        except EOFError as error:
            raise UserError(
                f"{PLACE}.latency: the process that times networks was ended from outside (is the memory full?); "
                "give a smaller experiment.trials.latency.batch"
            ) from error
        beside = seconds[0]
        scale = 1e3 * median(beside) if reference_ms is None else reference_ms
        found = [
            _latency([one / other for one, other in zip(each, beside, strict=True)], scale) for each in seconds[1:]
        ]
        return Measured(tuple(found), scale, device, clock)


def settled(store: Store, measured: Measured) -> Latency:
    """The one latency that was measured, by the reference's milliseconds that all processes of the search have."""
    kept = store.set_reference(measured.reference_ms)
    (one,) = measured.latencies
    scale = kept / measured.reference_ms
    return Latency(scale * one.ms, scale * one.low, scale * one.high)


def nearest_told(search: Search, tried: Sequence[tuple[Latency, tuple[str, ...]]]) -> str:
    """The line that a budget which nothing meets is refused with."""
    assert search.timing is not None
    latency, words = min(tried, key=lambda one: one[0].ms)
    return (
        f"{PLACE}.latency.budget_ms={search.timing.budget:g}: none of {len(tried)} networks of the space meets it; the "
        f"nearest takes {latency.ms:.4g} ms ({' '.join(words)}); give at least {1.1 * latency.ms:.3g}"
    )


def _latency(ratios: list[float], scale: float) -> Latency:
    if len(ratios) < 2:
        return Latency(*[scale * ratios[0]] * 3)
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return Latency(scale * middle, scale * low, scale * high)
