"""The end of a run on other images than its own, or under conditions: what ``evaluate_also`` names."""

from __future__ import annotations

from dataclasses import replace

from normfree.config.also import also_conditions, also_images
from normfree.config.conditions import Condition
from normfree.config.schema import DataConfig
from normfree.data import build_source
from normfree.data.source import ALONE as WHOLE
from normfree.train.conditions import Conditioned
from normfree.train.examiner import Examiner
from normfree.train.parts.attack import Attack
from normfree.train.ranks.world import ALONE
from normfree.train.session import Session


def measured_also(session: Session) -> dict[str, float]:
    """``also/<name>/accuracy``, loss and so on, of the weights as trained and of their average; on all ranks.

    Images are cut and normalised as the run's own are tested.

    Raises:
        UserError: images that cannot be read.
    """
    found: dict[str, float] = {}
    config = session.resolved.config
    conditions = also_conditions(config)
    for name, data in also_images(config).items():
        examiner = _examiner(session, data, conditions[name])
        for column, value in examiner.scores("test").items():
            found[f"also/{name}/{column.removeprefix('test/')}"] = value
    return found


def _examiner(session: Session, data: DataConfig, condition: Condition) -> Examiner:
    config, (mean, std) = session.resolved.config, session.source.statistics()
    # One image a batch: however few there are to train on.
    prepared = replace(config, data=replace(data, mean=mean, std=std), batch=1)
    # A batch is to be the same on any number of ranks: each tests all images.
    share, world = (WHOLE, ALONE) if condition.sees_the_batch else (session.world.share, session.world)
    source = build_source(replace(session.resolved, config=prepared), 1, session.ready.device, share)
    attack = None if condition.attack is None else Attack(condition.attack, (mean, std), config.seed)
    conditioned = Conditioned(source, condition, share.rank, share.world_size)
    return Examiner(session.module, conditioned, world, attack, condition.statistics)
