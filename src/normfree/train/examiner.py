"""How well the weights of a run do at the moment, on any of its splits."""

from torch import nn

from normfree.data import Source
from normfree.train.evaluation import Scores, measure
from normfree.train.module import Classifier
from normfree.train.parts.attack import Attack
from normfree.train.ranks.world import ALONE, World


class Examiner:
    """Scores the network of `module`, and the moving average of its weights where one is kept.

    Its methods are called on all ranks. ``attack`` and ``statistics`` are as `measure` has them.
    """

    def __init__(
        self,
        module: Classifier,
        source: Source,
        world: World = ALONE,
        attack: Attack | None = None,
        statistics: str = "running",
    ) -> None:
        self._module = module
        self._source = source
        self._channels_last = module.resolved.config.trainer.channels_last
        self._mirrored = module.resolved.config.augment.test_flip
        self._world = world
        self._attack, self._statistics = attack, statistics

    def trained(self, split: str) -> Scores | None:
        """Of the weights as trained; ``None`` for a split without images."""
        return self._score(self._module.network, split)

    def averaged(self, split: str) -> dict[str, float]:
        """Of the average, by their columns; none where there is none, or no image."""
        average = self._module.average
        scores = None if average is None else self._score(average.module, split)
        return {} if scores is None else scores.named(split, "ema_")

    def scores(self, split: str) -> dict[str, float]:
        """Of both, by their columns in metrics.csv."""
        found = self.trained(split)
        return {} if found is None else found.named(split) | self.averaged(split)

    def _score(self, network: nn.Module, split: str) -> Scores | None:
        if self._source.size(split) == 0:
            return None
        device, channels_last = self._module.device, self._channels_last
        how = self._attack, self._statistics, self._mirrored
        return measure(network, self._source, split, device, channels_last, self._world, *how)
