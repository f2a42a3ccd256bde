"""A network of the user's own among those of this package: what is not given is found by looking at its modules."""

from __future__ import annotations

from torch import Tensor, nn

from normfree.nets.classifier_network import ClassifierNetwork
from normfree.nets.peers.ghost_batches import use_ghost_batches
from normfree.nets.peers.peer_noise import peer_noise


class OwnNetwork(ClassifierNetwork):
    """`network` as it is: ``[N, in_channels, H, W] -> [N, K]``.

    - ``classifier`` is the module of that name in `network`, if one is given.
    - ``blocks`` are the modules with a whole number ``stage``, in depth order.
    - Dropout and stochastic depth draw by the sample, as in the networks of other libraries.

    Args:
        normalizer: what its layers normalise by.
        ghost_batch: samples per ghost batch of BatchNorm; None for the whole micro batch.
        classifier: the name of the layer that gives the logits, where there is one.

    Raises:
        ValueError: there is no BatchNorm that has ghost batches.
    """

    library = "own"

    def __init__(
        self,
        network: nn.Module,
        normalizer: str,
        in_channels: int = 3,
        ghost_batch: int | None = None,
        classifier: str | None = None,
    ) -> None:
        super().__init__()
        if ghost_batch is not None:
            use_ghost_batches(network, ghost_batch)
        self.network = network
        self.normalizer = normalizer
        self.in_channels = in_channels
        self.drop_rate = 0.0
        self._classifier = classifier

    @property
    def classifier(self) -> nn.Module:  # type: ignore[override]
        """Without one there is no such attribute."""
        if self._classifier is None:
            raise AttributeError("classifier")
        return self.network.get_submodule(self._classifier)

    @property
    def blocks(self) -> nn.ModuleList:  # type: ignore[override]
        """The modules that know their stage."""
        return nn.ModuleList(module for module in self.network.modules() if _stage(module) is not None)

    def forward(self, x: Tensor) -> Tensor:
        with peer_noise(self.training):
            # One that works in place would change images that others still look at.
            logits: Tensor = self.network(x.clone())
        return logits


def _stage(module: nn.Module) -> int | None:
    stage = getattr(module, "stage", None)
    return stage if isinstance(stage, int) and not isinstance(stage, bool) else None
