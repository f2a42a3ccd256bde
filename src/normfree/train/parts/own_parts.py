"""What the user's own network, optimizer and logger are tried for before anything is written. Needs no Lightning."""

from normfree.config import Resolved
from normfree.config.parts import LOGGER, OPTIMIZER
from normfree.train.parts.instantiate import check_own_optimizer
from normfree.train.parts.network import build_network, check_network
from normfree.train.parts.optimizer import shares_of
from normfree.train.parts.own_network import on_meta
from normfree.train.record.own_tracker import check_own_logger


def check_own_parts(resolved: Resolved) -> None:
    """Nothing where a run has no such parts.

    Raises:
        UserError: one of them cannot be made, or is not what it must be.
    """
    check_network(resolved)
    if LOGGER.is_custom(resolved.config):
        check_own_logger(resolved.config.logger)
    if OPTIMIZER.is_custom(resolved.config):
        on_meta(lambda: _check_optimizer(resolved))


def _check_optimizer(resolved: Resolved) -> None:
    network = build_network(resolved)
    check_own_optimizer(resolved.config.optimizer, network, resolved.lr, shares_of(resolved, network))
