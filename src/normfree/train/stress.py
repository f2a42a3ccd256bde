"""A learning-rate stress test: one training whose rate is raised stage by stage until it breaks.

After D. Page's experiment (davidcpage/cifar10-fast, ``batch_norm_post.ipynb``). Network, images, optimizer and clipping
are those of a run; there is no warm-up, no decay and no evaluation. Needs no Lightning, writes nothing.

A stage breaks where a loss or gradient is not finite, where the loss blows up by the rule for diverged runs, or where
its median over the last quarter of the stage, of at most ``outcome.window`` steps, is not below that of guessing by
``outcome.tolerance`` any more after it once was at the end of a stage: the same for every network.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import Resolved
from normfree.config.parts import CLIP
from normfree.data import Batch, build_source
from normfree.nets import sample_noise
from normfree.train.loss_rule import LossRule
from normfree.train.parts.clipped import NetworkClipping
from normfree.train.parts.initial_values import initialise_from_data
from normfree.train.parts.instantiate import clipper_of
from normfree.train.parts.network import build_network
from normfree.train.parts.optimizer import build_optimizer
from normfree.train.parts.weights import give_weights
from normfree.train.preflight import preflight
from normfree.train.threads import computing_threads

FORGOT = "no better than guessing any more"


@dataclass(frozen=True)
class Stage:
    """Some steps at one learning rate.

    Attributes:
        number: from 0.
        loss: mean of the training loss at its end; NaN where there is none.
        learned: the loss was below that of guessing at its end.
        broke: why the training ended in it, else empty.
    """

    number: int
    lr: float
    loss: float
    learned: bool
    broke: str = ""


def stress(
    resolved: Resolved,
    factor: float,
    steps: int,
    highest: float,
    told: Callable[[float, int], None] = lambda lr, step: None,
) -> list[Stage]:
    """Train from the run's learning rate on, ``factor`` times that after every ``steps``, until a stage breaks.

    Args:
        highest: no stage has a higher rate.
        told: the rate and the number of steps that were taken at it.

    Raises:
        UserError: as for a run.
    """
    ready = preflight(resolved)
    stages = 1 + math.floor(math.log(highest / resolved.lr) / math.log(factor) + 1e-9)
    torch.manual_seed(resolved.config.seed)
    network = build_network(resolved)
    give_weights(network, resolved)
    network.to(ready.device)
    accumulation = ready.plan.accumulation
    source = build_source(resolved, ready.plan.micro_batch, ready.device)
    if resolved.config.model.weights is None:
        initialise_from_data(network, source)
    torch.manual_seed(resolved.config.seed)
    batches = source.training_batches(0, stages * steps * accumulation)
    update = _Step(resolved, network)
    guessing, initial, learned = math.log(resolved.config.data.classes), None, False
    found: list[Stage] = []
    with _prepared(network, resolved, ready.device):
        for number in range(stages):
            lr = resolved.lr * factor**number
            rule = LossRule(resolved.config.outcome, steps, 0.0, guessing, initial)
            for step in range(steps):
                loss, finite = update(batches, lr, number * steps + step, accumulation)
                rule.update(step + 1, loss)
                told(lr, step + 1)
                if not finite and not rule.reason:
                    rule.reason = f"gradient not finite at step {step + 1}"
                if rule.reason or rule.blew_up:
                    break
            initial = rule.initial
            forgot = f"{FORGOT}: training loss {rule.final:.4g}" if learned and not rule.fell else ""
            broke = rule.reason or rule.blew_up or forgot
            learned = learned or rule.fell
            found.append(Stage(number, lr, rule.final, rule.fell and not broke, broke))
            if broke:
                break
    return found


class _Step:
    """One optimizer step at a learning rate: its loss, and whether all is finite; a step that is not is not taken."""

    def __init__(self, resolved: Resolved, network: nn.Module) -> None:
        clip = resolved.config.clip
        self._network, self._config = network, resolved.config
        self._optimizer = build_optimizer(resolved, network)
        self._shares = [group["lr"] / resolved.lr for group in self._optimizer.param_groups]
        self._clip = NetworkClipping(network, clip, clipper_of(clip) if CLIP.is_custom(resolved.config) else None)

    def __call__(self, batches: Iterator[Batch], lr: float, step: int, accumulation: int) -> tuple[float, bool]:
        for group, share in zip(self._optimizer.param_groups, self._shares, strict=True):
            group["lr"] = lr * share
        self._optimizer.zero_grad()
        total = 0.0
        for place in range(accumulation):
            images, labels = next(batches)
            numbers = torch.arange(place * len(images), (place + 1) * len(images), device=images.device)
            with sample_noise(self._config.seed, step, numbers, 0):
                logits = self._network(_laid_out(images, self._config.trainer.channels_last))
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=self._config.optimizer.label_smoothing)
            (loss / accumulation).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) / accumulation
        finite = math.isfinite(total) and not bool(self._clip().nonfinite)
        if finite:
            self._optimizer.step()
        return total, finite


def _laid_out(images: Tensor, channels_last: bool) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last) if channels_last else images


@contextmanager
def _prepared(network: nn.Module, resolved: Resolved, device: torch.device) -> Iterator[None]:
    if resolved.config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    with computing_threads(resolved, device):
        yield
