"""Ghost batches for networks that bring BatchNorm layers of their own."""

from __future__ import annotations

from torch import nn

from normfree.nets.batch_norm import GhostBatchNorm2d


def use_ghost_batches(network: nn.Module, ghost_batch: int) -> None:
    """Puts `GhostBatchNorm2d` in the place of every ``nn.BatchNorm2d``, with its values, eps and momentum.

    Raises:
        ValueError: there is no BatchNorm, or one of another kind, whose statistics would see other samples.
    """
    norms = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        raise ValueError(f"ghost_batch={ghost_batch}: the network has no BatchNorm; leave it out")
    for name, norm in norms:
        if type(norm) is not nn.BatchNorm2d or not norm.affine:
            raise ValueError(
                f"ghost_batch={ghost_batch}: the layer {name} is a {type(norm).__name__}, which has no ghost batches; "
                "leave it out"
            )
        ghost = GhostBatchNorm2d(norm.num_features, ghost_batch)
        ghost.eps, ghost.momentum = norm.eps, norm.momentum
        ghost.weight, ghost.bias = norm.weight, norm.bias
        ghost.running_mean, ghost.running_var = norm.running_mean, norm.running_var
        parent, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, ghost)
