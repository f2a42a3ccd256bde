"""From a configuration to a source of images."""

import warnings
from dataclasses import replace

import torch

from normfree.config import Resolved, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources import is_ffcv, is_resident, named, read_of
from normfree.config.sources.beton_file import beton_files
from normfree.config.sources.reading import looked_up_once
from normfree.data.readers import arrays_of, parts_of
from normfree.data.resident import ResidentSource
from normfree.data.source import ALONE, SPLITS, Share, Source
from normfree.data.workers import WorkerSource


def build_source(
    resolved: Resolved, micro_batch: int, device: torch.device | None = None, share: Share = ALONE
) -> Source:
    """The source that ``data=`` names, giving training batches of ``micro_batch`` images.

    Args:
        device: where a set that is held in memory lies, and is augmented.
        share: this rank's part, where several train together.

    Raises:
        UserError: if the data set is missing, unreadable or not what the configuration says.
    """
    with looked_up_once():
        source = _built(resolved, micro_batch, device, share)
        found = read_of(resolved.config.data)
    mean, std = source.statistics()
    source.digest, source.read = found.digest, found.record() | {"mean": mean, "std": std}
    return source


def _built(resolved: Resolved, micro_batch: int, device: torch.device | None, share: Share) -> Source:
    config, data = resolved.config, resolved.config.data
    a_step = config.batch // micro_batch
    if is_resident(data):
        arrays, skipped = arrays_of(data)
        # A pass has fewer steps where images are left out.
        steps = len(arrays["train"][1]) // config.batch if sum(skipped.values()) else resolved.steps_per_epoch
        source: Source = ResidentSource(
            arrays,
            data.classes,
            config.augment,
            config.seed,
            micro_batch,
            max(1, steps) * a_step,
            mean=data.mean,
            std=data.std,
            device=device,
            skipped=skipped,
            share=share,
            per_step=a_step,
        )
    elif is_ffcv(data):
        # FFCV is imported by a run that asks for it, and takes seconds.
        from normfree.data.ffcv_source import FfcvSource

        files = beton_files(data.train_file, data.test_file, data.root)
        per_epoch = resolved.steps_per_epoch * a_step
        if named(data.name).own_statistics:
            data = _with_own_statistics(data)
        source = FfcvSource(files, data, config.augment, config.seed, micro_batch, per_epoch, device, share, a_step)
    else:
        samples = parts_of(data)
        per_epoch = resolved.steps_per_epoch * a_step
        train, validation, test = samples["train"], samples.get("validation"), samples.get("test")
        source = WorkerSource(
            train, test, data, config.augment, config.seed, micro_batch, per_epoch, share, validation, a_step
        )
    left_out = sum(source.skipped().values())
    if left_out:
        warnings.warn(f"data.on_error=skip: {data.name} is without {left_out} unreadable images", stacklevel=2)
    for split in SPLITS:
        expected, found = getattr(data, f"{split}_samples"), source.size(split)
        if not expected - left_out <= found <= expected:
            raise UserError(
                f"data.{split}_samples={expected}: {data.name} has {found} images for {split}; "
                f"set data.{split}_samples={found}"
            )
    if source.size("train") < config.batch:
        raise UserError(f"batch={config.batch}: only {source.size('train')} training images of {data.name} can be read")
    return source


def _with_own_statistics(data: DataConfig) -> DataConfig:
    """With the mean and deviation of the training images, which the loader in memory takes where a set gives none."""
    images = arrays_of(data)[0]["train"][0].double() / 255
    mean, std = images.mean((0, 2, 3)).tolist(), images.std((0, 2, 3), correction=0).tolist()
    return replace(data, mean=data.mean or mean, std=data.std or std)
