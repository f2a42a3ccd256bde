"""The state of the random numbers, kept with a checkpoint: a resumed run draws what it would have drawn."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from normfree.config import Resolved
from normfree.train.ranks.world import ALONE, World

_APART = 0x9E3779B97F4A7C15
"""Keeps the random streams of ranks apart from those of neighbouring seeds."""


class RandomStates(pl.Callback):
    """Each rank has its own: rank 0 draws what one process would, the others draw from streams of their own."""

    def __init__(self, resolved: Resolved, world: World = ALONE) -> None:
        self._seed = resolved.config.seed
        self._world = world
        self._rng: Tensor | None = None
        self._cuda_rng: list[Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        cuda_rng = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"ranks": self._world.gather({"rng": torch.get_rng_state(), "cuda_rng": cuda_rng})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        ranks = state_dict["ranks"]
        if self._world.number < len(ranks):  # else this rank is new
            own = ranks[self._world.number]
            self._rng, self._cuda_rng = own["rng"], own["cuda_rng"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._rng is not None:
            torch.set_rng_state(self._rng)
            if len(self._cuda_rng) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(self._cuda_rng)
        elif self._world.number > 0:
            torch.manual_seed((self._seed + self._world.number * _APART) % 2**63)
