"""What may be frozen, and beside what."""

from normfree.config.errors import UserError
from normfree.config.schema import TrainConfig

ALL = "all"
"""Of ``model.freeze``: everything but the classifier."""


def check_finetuning(config: TrainConfig) -> None:
    """Relations between what is frozen and the rest; which stages a network has is known when it is built.

    Raises:
        UserError: for the first key that is wrong.
    """
    model = config.model
    if model.freeze is not None:
        listed = "[" + ",".join(model.freeze) + "]"
        for stage in model.freeze or ("",):
            if stage not in ("stem", ALL) and not stage.isdigit():
                raise UserError(
                    f"model.freeze={listed}: choose from stem and numbers of stages, from 0, or give [all] for "
                    "everything but the classifier; null freezes nothing"
                )
        if ALL in model.freeze and len(model.freeze) > 1:
            raise UserError(f"model.freeze={listed}: all has every stage in it; give [all] alone")
    if not model.freeze_norm:
        return
    if model.normalizer != "batchnorm":
        raise UserError(
            f"model.freeze_norm=true: {model.name} has no BatchNorm; leave it out or choose a BatchNorm network "
            "such as model=resnet20"
        )
    for key, value in (("ghost_batch", model.ghost_batch), ("sync_norm", model.sync_norm or None)):
        if value is not None:
            raise UserError(
                f"model.freeze_norm=true and model.{key}={str(value).lower()}: frozen statistics see no batch; leave "
                "one of them out"
            )
