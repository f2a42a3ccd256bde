"""The networks that are evaluated, from the keys."""

from __future__ import annotations

from normfree.config import UserError
from normfree.evaluate.images import UNTRAINED, Wanted, wanted
from normfree.evaluate.keys import EvaluateKeys
from normfree.train.parts.network import least_image_size
from normfree.trained import Trained, from_file, from_run


def subjects(keys: EvaluateKeys, run: str = "") -> dict[str, Trained]:
    """``raw`` and ``ema``, or one of them, folded if asked for.

    Args:
        run: in place of the keys' own.

    Raises:
        UserError: there are no such weights, or their images would be too small.
    """
    kinds = ("raw", "ema") if keys.kind == "both" else (keys.kind,)
    found = {kind: _one(keys, run or keys.run, kind) for kind in kinds}
    for trained in found.values():
        least = least_image_size(trained.resolved)
        if keys.size is not None and least is not None and keys.size < least:
            raise UserError(f"size={keys.size}: {trained.model} takes images of {least} px or more; set size={least}")
    return {kind: each.folded() if keys.fold else each for kind, each in found.items()}


def images_of(keys: EvaluateKeys, trained: Trained) -> Wanted:
    """What the keys say of the images.

    Raises:
        UserError: as `normfree.evaluate.images.wanted`.
    """
    return wanted(trained, keys.data_words, keys.size, keys.classes)


def _one(keys: EvaluateKeys, run: str, kind: str) -> Trained:
    if run:
        try:
            return from_run(run, keys.checkpoint, kind)
        except UserError as error:
            if not keys.compare:
                raise
            raise UserError(str(error).replace(f"run={run}:", f"compare={run}:", 1)) from error
    if keys.checkpoint != "final":
        raise UserError(f"checkpoint={keys.checkpoint}: is of a run; give run=DIR, or leave it out")
    named = any(word.startswith("data=") for word in keys.data_words)
    sizes = [f"data.{key}={keys.size}" for key in ("train_size", "test_size")] if named and keys.size else []
    return from_file(keys.weights, [*UNTRAINED, *keys.model_words, *sizes, *keys.data_words], kind)
