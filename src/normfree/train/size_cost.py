"""What a size of an experiment costs, as far as that can be told without the machine that it is for."""

from collections.abc import Mapping, Sequence

from normfree.config import Resolved
from normfree.config.experiment_sizes import USUAL
from normfree.train.estimate import about

_RATE = 1e14
"""Floating-point operations a second of the round number that hours are told for."""


def images_told(runs: Sequence[Resolved]) -> str:
    """Images that all runs train on, each as often as it is seen."""
    return f"images: {sum(run.steps * run.config.batch for run in runs):,} in training, over all runs"


def cost_told(run: Resolved, flop: float) -> list[str]:
    """Lines about the size of a sweep that this run is of; none in the usual one.

    Args:
        flop: of all runs.
    """
    experiment = run.config.experiment
    if experiment.size == USUAL:
        return []
    said = experiment.sizes.get(experiment.size)
    cost = said.get("cost") if isinstance(said, Mapping) else None
    hours = f"{about(flop / _RATE)} of arithmetic at 100 TFLOP/s, a round number that nobody measured"
    return [f"size={experiment.size}: " + "; ".join([*([" ".join(str(cost).split())] if cost else []), hours])]
