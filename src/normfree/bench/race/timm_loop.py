"""The loop of timm's train.py from timm's parts, with its options for this work and else its defaults.

As there, AGC leaves the head alone. ``create_loader`` knows crops of random size and aspect alone: for a crop after
padding torchvision's RandomCrop takes the place of that.
"""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import nn
from torchvision import transforms

from normfree.bench.race import reading, timm_network, timm_parts
from normfree.bench.race import work as race
from normfree.bench.race.work import Done, Watch, Work


class ParquetReader:
    """Rows of a parquet file; timm's own way to them is the package datasets."""

    def __init__(self, images: reading.ParquetImages) -> None:
        self._images = images

    def __getitem__(self, place: int) -> tuple[io.BytesIO, int]:
        return io.BytesIO(self._images.contents[place]), self._images.labels[place]

    def __len__(self) -> int:
        return len(self._images)


def train(work: Work) -> Done:
    watch = Watch(work)
    network = work.built(timm_network.build(work.model, work.classes))
    called = work.compiled(network)
    clipped = list(timm_parts.models.model_parameters(network, exclude_head=True))
    optimizer = timm_parts.optim.create_optimizer_v2(
        network, opt="sgd", lr=work.lr, weight_decay=race.WEIGHT_DECAY, momentum=race.MOMENTUM
    )
    scheduler = timm_parts.scheduler.CosineLRScheduler(
        optimizer, t_initial=work.steps, warmup_t=round(work.warmup_steps), t_in_epochs=False
    )
    averages = [] if work.ema is None else [timm_parts.utils.ModelEmaV3(network, decay=work.ema)]
    loss_of = timm_parts.loss.LabelSmoothingCrossEntropy(race.LABEL_SMOOTHING)
    loader = loader_of(work, training=True)
    testing = loader_of(work, training=False) if work.evaluated else None
    for images, labels in reading.steps_of(loader, work.steps):
        images = images.contiguous(memory_format=work.memory_format)
        with work.autocast():
            logits = called(images)
            loss = loss_of(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        timm_parts.clip(clipped, race.CLIP_FACTOR, race.CLIP_EPS)
        optimizer.step()
        watch.step(images, loss)
        for average in averages:
            average.update(network, step=watch.steps)
        scheduler.step_update(watch.steps)
        if testing is not None and watch.steps % work.per_epoch == 0:
            networks: list[nn.Module] = [network, *(average.module for average in averages)]
            watch.evaluated(race.accuracy(networks, testing, work))
    return watch.done(network)


def loader_of(work: Work, training: bool) -> Any:
    split = "train" if training else "validation"
    if work.data == "parquet":
        dataset = timm_parts.data.ImageDataset(
            work.root, ParquetReader(reading.ParquetImages(reading.parquet_of(work, split)))
        )
    else:
        dataset = timm_parts.data.create_dataset("", root=work.root, split=split)
    loader = timm_parts.data.create_loader(
        dataset,
        input_size=(3, work.size, work.size),
        batch_size=work.batch if training else race.EVALUATION_BATCH,
        is_training=training,
        color_jitter=None,
        interpolation="bicubic",
        mean=race.MEAN,
        std=race.STD,
        crop_pct=1.0,
        num_workers=work.workers,
        device=torch.device(work.device),
    )
    if training and work.crop == "padded":
        sides = [work.size, work.size]
        dataset.transform = transforms.Compose(
            [
                transforms.Resize(sides, transforms.InterpolationMode.BICUBIC),
                transforms.RandomCrop(sides, race.PADDING),
                transforms.RandomHorizontalFlip(),
                timm_parts.data.transforms.MaybePILToTensor(),
            ]
        )
    return loader
