"""The step alone, on images that stay the same: forward and backward pass, AGC, SGD and the moving average."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.bench.race import work as race
from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.host.allocator import keep_freed_memory
from normfree.nets import create_model
from normfree.optim import ExponentialMovingAverage, build_sgd

CONTESTANTS = ("normfree", "timm")
CLASSES = 1000
_LR, _WARMUP = 0.01, 2


@dataclass(frozen=True)
class StepCase:
    """One network of `normfree.bench.peers.PEERS`; see `normfree.bench.race.work.Work`."""

    model: str
    size: int
    batch: int
    precision: str
    layout: str
    ema: float | None
    threads: int
    device: str = "cpu"


@dataclass
class Step:
    """A network, and a call that takes one step on its images and returns the loss."""

    network: nn.Module
    take: Callable[[], Tensor]


_latest: dict[str, tuple[StepCase, Step]] = {}
"""Of each contestant, that a process holds; an earlier one is gone."""


def step_of(contestant: str, case: StepCase) -> Step:
    """Built once, and warmed up."""
    if contestant in _latest and _latest[contestant][0] == case:
        return _latest[contestant][1]
    _latest.pop(contestant, None)
    torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    images = torch.randn(case.batch, 3, case.size, case.size).to(case.device)
    labels = torch.randint(0, CLASSES, (case.batch,)).to(case.device)
    torch.manual_seed(0)
    step = (_ours if contestant == "normfree" else _timms)(case, _laid_out(images, case), labels)
    for _ in range(_WARMUP):
        step.take()
    if case.device == "cuda":
        torch.cuda.synchronize()
    _latest[contestant] = case, step
    return step


def seconds(contestant: str, case: StepCase) -> tuple[float, int]:
    """Of one step, on the clock; and the network's parameters."""
    step = step_of(contestant, case)
    began = time.perf_counter()
    step.take()
    if case.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, race.count(step.network)


def _laid_out(what: Any, case: StepCase) -> Any:
    return what.to(memory_format=torch.channels_last if case.layout == "nhwc" else torch.contiguous_format)


def _ours(case: StepCase, images: Tensor, labels: Tensor) -> Step:
    """What a run of this package computes with."""
    keep_freed_memory()
    network = _laid_out(create_model(case.model, num_classes=CLASSES).to(case.device), case).train()
    clipped = list(clipped_parameters(network))
    optimizer = build_sgd(network, _LR, weight_decay=race.WEIGHT_DECAY, momentum=race.MOMENTUM, fused=True)
    average = None if case.ema is None else ExponentialMovingAverage(network, case.ema)

    def take() -> Tensor:
        optimizer.zero_grad()
        with torch.autocast(case.device, torch.bfloat16, enabled=case.precision == "bf16"):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=race.LABEL_SMOOTHING)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_agc_(clipped, race.CLIP_FACTOR, race.CLIP_EPS)
        optimizer.step()
        if average is not None:
            average.update(network)
        return loss.detach()

    return Step(network, take)


def _timms(case: StepCase, images: Tensor, labels: Tensor) -> Step:
    """The same from timm's parts, as its train.py does."""
    # A step of ours needs no timm.
    from normfree.bench.race import timm_network, timm_parts

    network = _laid_out(timm_network.build(case.model, CLASSES).to(case.device), case).train()
    clipped = list(timm_parts.models.model_parameters(network, exclude_head=True))
    optimizer = timm_parts.optim.create_optimizer_v2(
        network, opt="sgd", lr=_LR, weight_decay=race.WEIGHT_DECAY, momentum=race.MOMENTUM
    )
    average = None if case.ema is None else timm_parts.utils.ModelEmaV3(network, decay=case.ema)
    loss_of = timm_parts.loss.LabelSmoothingCrossEntropy(race.LABEL_SMOOTHING)

    def take() -> Tensor:
        with torch.autocast(case.device, torch.bfloat16, enabled=case.precision == "bf16"):
            loss = loss_of(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        timm_parts.clip(clipped, race.CLIP_FACTOR, race.CLIP_EPS)
        optimizer.step()
        if average is not None:
            average.update(network)
        detached: Tensor = loss.detach()
        return detached

    return Step(network, take)
