"""A bare PyTorch loop: this package's network, AGC and fused SGD, torch's moving average and DataLoader."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from normfree.bench.race import reading
from normfree.bench.race import work as race
from normfree.bench.race.work import Done, Watch, Work
from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.nets import create_model
from normfree.optim import build_sgd, warmup_cosine


def train(work: Work) -> Done:
    watch = Watch(work)
    network = work.built(create_model(work.model, num_classes=work.classes))
    called = work.compiled(network)
    clipped = list(clipped_parameters(network))
    optimizer = build_sgd(network, work.lr, weight_decay=race.WEIGHT_DECAY, momentum=race.MOMENTUM, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_cosine(step, work.steps, work.warmup_steps)
    )
    averages = []
    if work.ema is not None:
        averages = [AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(work.ema))]  # type: ignore[no-untyped-call]
    testing = reading.testing(work) if work.evaluated else None
    for images, labels in reading.steps_of(reading.training(work), work.steps):
        optimizer.zero_grad()
        with work.autocast():
            logits = called(work.moved(images))
        loss = F.cross_entropy(
            logits.float(), labels.to(work.device, non_blocking=True), label_smoothing=race.LABEL_SMOOTHING
        )
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_agc_(clipped, race.CLIP_FACTOR, race.CLIP_EPS)
        optimizer.step()
        schedule.step()
        for average in averages:
            average.update_parameters(network)
        watch.step(images, loss)
        if testing is not None and watch.steps % work.per_epoch == 0:
            watch.evaluated(race.accuracy([network, *averages], testing, work))
    return watch.done(network)
