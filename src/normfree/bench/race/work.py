"""What every contestant is given, and what it hands back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

CONTESTANTS = {"normfree": "ours", "bare": "bare_loop", "timm": "timm_loop", "lightning": "lightning_loop"}
"""The module of this folder that trains as each does."""

BASE_LR, WARMUP_SHARE, MOMENTUM, WEIGHT_DECAY, LABEL_SMOOTHING = 1.6, 0.1, 0.9, 2e-5, 0.1
CLIP_FACTOR, CLIP_EPS = 0.04, 0.1
"""The recipe of small networks on natural images, conf/data_recipe/small_images.yaml."""
PADDING = 4
EVALUATION_BATCH = 250
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Work:
    """One training.

    Attributes:
        data: ``parquet`` or ``folder``, as which the images lie in `root`.
        size: side in pixels of what is trained on.
        crop: ``padded``, a random crop after padding by 4 px, or ``resized``, one of random size and aspect; both are
            mirrored at random.
        samples: training images.
        steps: optimizer steps of `batch` images.
        ema: decay of the moving average of the weights; None for none.
        loader: ``data.loader`` of this package alone.
        workers: processes that read images, where a contestant has such.
        threads: of the process that computes.
        evaluated: whether the test images are counted after every pass over the training images.
        device: ``cpu`` or ``cuda``.
        compile: by torch.compile, ours as ``trainer.compile=true`` has it, the others as torch.compile does it.
    """

    model: str
    data: str
    root: str
    classes: int
    size: int
    crop: str
    samples: int
    batch: int
    steps: int
    precision: str
    layout: str
    ema: float | None
    loader: str
    workers: int
    threads: int
    evaluated: bool = False
    seed: int = 0
    device: str = "cpu"
    compile: bool = False

    @property
    def per_epoch(self) -> int:
        """Steps of a pass; what is left over is dropped."""
        return self.samples // self.batch

    @property
    def lr(self) -> float:
        return BASE_LR * self.batch / 256

    @property
    def warmup_steps(self) -> float:
        return WARMUP_SHARE * self.steps

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "nhwc" else torch.contiguous_format

    def moved(self, images: Tensor) -> Tensor:
        """To the device, in the memory format."""
        return images.to(self.device, non_blocking=True, memory_format=self.memory_format)

    def built(self, network: nn.Module) -> nn.Module:
        """On the device, in the memory format, in training mode."""
        placed: nn.Module = network.to(self.device, memory_format=self.memory_format)  # type: ignore[call-overload]
        return placed.train()

    def compiled(self, network: nn.Module) -> nn.Module:
        """What is called in place of `network`, whose parameters stay its own."""
        called: nn.Module = torch.compile(network) if self.compile else network  # type: ignore[assignment]
        return called

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device, torch.bfloat16) if self.precision == "bf16" else nullcontext()


@dataclass(frozen=True)
class Done:
    """One training that has ended.

    Attributes:
        seconds: from the call to the end of the last step, or of the last evaluation where there are any.
        images: that were trained on, each time counted.
        losses: of the first and the last step, or rows of steps.
        evaluations: seconds from the call to the end of each, and the accuracy in [0, 1] of the weights as trained.
    """

    seconds: float
    images: int
    steps: int
    parameters: int
    losses: tuple[float, float]
    evaluations: tuple[tuple[float, float], ...] = ()

    def seconds_to(self, target: float) -> float | None:
        """To the end of the first evaluation that reaches this accuracy; None if none does."""
        return next((seconds for seconds, accuracy in self.evaluations if accuracy >= target), None)


class Watch:
    """Counts from now on what a loop does; the clock runs through evaluations."""

    def __init__(self, work: Work) -> None:
        torch.set_num_threads(work.threads)
        self._began = time.perf_counter()
        torch.manual_seed(work.seed)
        self.images = self.steps = 0
        self._first = self._last = torch.zeros(())
        self._device = work.device
        self._evaluations: list[tuple[float, float]] = []

    def step(self, images: Tensor, loss: Tensor) -> None:
        """A step was taken on ``[N, C, H, W]``."""
        self._last = loss.detach()
        self._first = self._first if self.steps else self._last
        self.images += len(images)
        self.steps += 1

    def evaluated(self, accuracy: float) -> None:
        """All test images were counted."""
        self._wait()
        self._evaluations.append((time.perf_counter() - self._began, accuracy))

    def done(self, network: nn.Module) -> Done:
        """The last step was taken."""
        self._wait()
        seconds, losses = time.perf_counter() - self._began, (float(self._first), float(self._last))
        return Done(seconds, self.images, self.steps, count(network), losses, tuple(self._evaluations))

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


@torch.no_grad()
def accuracy(networks: Sequence[nn.Module], batches: Iterable[tuple[Tensor, Tensor]], work: Work) -> float:
    """That of the first of these in [0, 1], all of them evaluated in eval mode and float32 in one pass."""
    correct, total = [torch.zeros((), dtype=torch.int64, device=work.device) for _ in networks], 0
    training = [network.training for network in networks]
    for network in networks:
        network.eval()
    for images, labels in batches:
        images, labels = work.moved(images), labels.to(work.device, non_blocking=True)
        total += len(labels)
        for place, network in enumerate(networks):
            correct[place] += (network(images).argmax(1) == labels).sum()
    for network, trained in zip(networks, training, strict=True):
        network.train(trained)
    return int(correct[0]) / total


def count(network: nn.Module) -> int:
    """Parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def train(contestant: str, work: Work) -> Done:
    """The training, by one of `CONTESTANTS`."""
    done: Done = import_module(f"normfree.bench.race.{CONTESTANTS[contestant]}").train(work)
    return done
