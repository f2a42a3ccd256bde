"""How long a run would take here, from a few of its steps on images of noise. Needs no Lightning, writes nothing.

What is measured is the arithmetic of a step and of an evaluation, on one device. To it come the start of a process,
as long as this one took, what every run does beside its steps, and reading (`normfree.train.reading_time`); what
devices tell each other is left out. Random states are as before afterwards.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median

import psutil
import torch
import torch.nn.functional as F
from torch import nn

from normfree.config import Resolved
from normfree.config.also import also_conditions
from normfree.config.parts import CLIP
from normfree.config.schema import TrainConfig
from normfree.config.tracebacks import one_line
from normfree.optim import ExponentialMovingAverage
from normfree.train.hardware import free_memory, memory_estimate
from normfree.train.loader import Part
from normfree.train.parts.clipped import NetworkClipping
from normfree.train.parts.instantiate import clipper_of
from normfree.train.parts.network import build_network
from normfree.train.parts.optimizer import build_optimizer
from normfree.train.parts.private import PrivateSteps
from normfree.train.preflight import Ready
from normfree.train.threads import computing_threads

MOST_MACS = {"cpu": 4e9, "cuda": 4e12}
"""Multiply-adds of a step that is tried: some tenths of a second. Of a greater micro batch a part is tried."""
FEWEST = 4
"""Images that are tried at least; a network that is too large for them is not measured."""
TIMES = 3
OF_A_RUN = 1.2
"""Seconds beside steps and evaluations, for images, record, checkpoint and result: of embedded digits on an EPYC."""
_PASSES = 3
"""A backward pass costs as much as two forward passes."""
_MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Speed:
    """Of the arithmetic, in seconds.

    Attributes:
        images: of a micro batch that were tried.
        micro_batch: forward and backward.
        update: noise of private training, clipping, optimizer step and moving average.
        evaluation: an image.
    """

    images: int
    micro_batch: float
    update: float
    evaluation: float


def seconds_of(resolved: Resolved, accumulation: int, speed: Speed) -> float:
    """Of all steps and evaluations of a run."""
    config = resolved.config
    steps = resolved.steps * (accumulation * passes(config) / _PASSES * speed.micro_batch + speed.update)
    every = config.trainer.evaluate_every
    between = 0 if every is None else (resolved.steps - 1) // every
    devices = config.trainer.devices * config.trainer.nodes
    images = (config.data.test_samples + (1 + between) * config.data.validation_samples) / devices
    for condition in also_conditions(config).values():
        some = min(condition.images or config.data.test_samples, config.data.test_samples)
        # An attack goes forward and back to the image in each of its steps, and its result is tested.
        times = 1 if condition.attack is None else 2 + 2 * (condition.attack.steps or 0)
        images += some * times / (1 if condition.sees_the_batch else devices)
    return steps + images * speed.evaluation * (1 if config.optimizer.ema_decay is None else 2)


def seconds_to_start() -> float:
    """Since this process began; one that trains takes this long too before it does."""
    return max(0.0, time.time() - psutil.Process().create_time())


def passes(config: TrainConfig) -> float:
    """Forward passes that a step costs as much as, of all its images."""
    settings, attack = config.optimizer, config.attack
    sam = 1 + settings.sam_share if settings.sam_rho is not None else 1.0
    # A step of an attack goes forward and back to the image, and its gradient costs half of a backward pass.
    return _PASSES * sam + (0 if attack.name == "none" else 2 * (attack.steps or 0))


def tried(resolved: Resolved, ready: Ready) -> Speed | str:
    """The speed here, or why it is not measured."""
    images = images_to_try(resolved, ready)
    if images < FEWEST:
        return "the network is too large to try some steps in a plan"
    if memory_estimate(resolved, ready.cost, images) > free_memory(ready.device):
        return "it does not fit into the memory that is free"
    devices = [ready.device] if ready.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), computing_threads(resolved, ready.device):
        try:
            return _measured(resolved, ready, images)
        except (Exception, SystemExit) as error:  # of the user's own code perhaps
            return f"a step of it fails ({one_line(error)})"


def images_to_try(resolved: Resolved, ready: Ready) -> int:
    """As many of a micro batch as may be tried; none where that takes too long."""
    most = MOST_MACS[ready.device.type] / (_PASSES * ready.cost.macs_train)
    images = min(ready.plan.micro_batch, int(most))
    ghost = resolved.config.model.ghost_batch
    return images if ghost is None else images - images % ghost


def _measured(resolved: Resolved, ready: Ready, images: int) -> Speed:
    config, device = resolved.config, ready.device
    network = build_network(resolved).to(device)
    if config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mixed = _MIXED.get(config.precision)
    kind = torch.float64 if config.precision == "64-true" else torch.float32
    network.to(kind)
    layout = torch.channels_last if config.trainer.channels_last else torch.contiguous_format

    def noise(size: int) -> torch.Tensor:
        made = torch.randn(images, config.data.channels, size, size, device=device, dtype=kind)
        return made.to(memory_format=layout)

    def precision() -> AbstractContextManager[object]:
        return nullcontext() if mixed is None else torch.autocast(device.type, mixed)

    batch, labels = noise(config.data.train_size), torch.zeros(images, dtype=torch.int64, device=device)

    private = None if config.private.name == "none" else PrivateSteps(resolved)

    def forward_and_backward() -> None:
        with precision():
            if private is not None:
                loss, _ = private.loss(network, Part(batch, labels, 0), 0)
            else:
                loss = F.cross_entropy(network(batch).to(kind), labels)
        loss.backward()  # type: ignore[no-untyped-call]

    tested = noise(config.data.test_size)

    @torch.no_grad()
    def evaluation() -> None:
        network(tested)

    passes = _seconds(forward_and_backward, device)
    update = _seconds(_update(resolved, network, private), device)
    network.eval()
    an_image = _seconds(evaluation, device) / images
    return Speed(images, passes * ready.plan.micro_batch / images, update, an_image)


def _update(resolved: Resolved, network: nn.Module, private: PrivateSteps | None) -> Callable[[], None]:
    """What follows the backward passes of a step."""
    config = resolved.config
    clip = NetworkClipping(network, config.clip, clipper_of(config.clip) if CLIP.is_custom(config) else None)
    optimizer = build_optimizer(resolved, network)
    decay = config.optimizer.ema_decay
    average = None if decay is None else ExponentialMovingAverage(network, decay)

    def update() -> None:
        if private is not None:
            private.add_noise(network, 0)
        clip()
        optimizer.step()
        if average is not None:
            average.update(network)

    return update


def _seconds(call: Callable[[], None], device: torch.device) -> float:
    """Of one call, the median of a few after the first."""

    def once() -> float:
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    once()
    return median(once() for _ in range(TIMES))


def about(seconds: float) -> str:
    """``about 42 s``, ``about 12 min``, ``about 3.1 h`` or ``about 2.5 days``."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.2g} {unit}"
    return f"about {seconds:.0f} s" if seconds >= 10 else f"about {seconds:.2g} s"
