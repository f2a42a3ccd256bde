"""The end of a run on other images than its own: what ``evaluate_also`` names."""

from __future__ import annotations

from dataclasses import replace

from normfree.config.also import also_images
from normfree.data import build_source
from normfree.train.examiner import Examiner
from normfree.train.session import Session


def measured_also(session: Session) -> dict[str, float]:
    """``also/<name>/accuracy``, loss and so on, of the weights as trained and of their average; on all ranks.

    Images are cut and normalised as the run's own are tested.

    Raises:
        UserError: images that cannot be read.
    """
    found: dict[str, float] = {}
    config = session.resolved.config
    mean, std = session.source.statistics()
    for name, data in also_images(config).items():
        # One image a batch: however few there are to train on.
        prepared = replace(config, data=replace(data, mean=mean, std=std), batch=1)
        source = build_source(replace(session.resolved, config=prepared), 1, session.ready.device, session.world.share)
        examiner = Examiner(session.module, source, session.world)
        for column, value in examiner.scores("test").items():
            found[f"also/{name}/{column.removeprefix('test/')}"] = value
    return found
