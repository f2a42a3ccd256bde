"""What happens in a run, in order: docs/pseudocode.md is written from it, and a test compares it with a training.

``python -m normfree.train.callbacks.events`` writes the page; `make pseudocode` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

PAGE = Path("docs/pseudocode.md")


class When(Enum):
    """How often something happens."""

    ONCE = "once a run"
    RESUMED = "once, where the run goes on from a checkpoint"
    EACH = "at each micro batch"
    FIRST = "at the first micro batch of a step"
    LAST = "at the last micro batch of a step"
    SAVED = "when last.ckpt is written"


@dataclass(frozen=True)
class Event:
    """Something that a run does.

    Attributes:
        does: in words.
        calls: the method or function that does it, below ``normfree.train``: ``Checkpoint.on_train_start``,
            ``fit.prepare``. Empty for what stands inside of the one before, or is Lightning's.
        depth: of its indentation.
    """

    does: str
    calls: str = ""
    when: When = When.ONCE
    depth: int = 0


def _each(does: str, calls: str = "", depth: int = 1) -> Event:
    return Event(does, calls, When.EACH, depth)


def _last(does: str, calls: str = "", depth: int = 2) -> Event:
    return Event(does, calls, When.LAST, depth)


def _resumed(does: str, calls: str) -> Event:
    return Event(does, calls, When.RESUMED, 1)


def _saved(does: str, calls: str) -> Event:
    return Event(does, calls, When.SAVED, 3)


EVENTS: tuple[Event, ...] = (
    Event("resolve the configuration: batch plan, steps, learning rate, norm_batch; stop on the first thing wrong"),
    Event("if result.json says finished, untrained or diverged: print it and end"),
    Event("refuse what cannot run here, or at all; nothing is written before", "run.preflight"),
    Event("create the run directory, take its lock, write config, overrides, environment"),
    Event("seed everything", "fit.prepare"),
    Event("build the network", "session.build_network", depth=1),
    Event("read the images; number micro batches 0 .. steps x accumulation - 1", "session.build_source", depth=1),
    Event("find a checkpoint that is whole; drop the rows of metrics.csv after it", "session.find_start", depth=1),
    Event("where there is none, with model.weights: give the network these weights", depth=1),
    Event("make the callbacks", "fit.callbacks"),
    Event("train", "fit.train"),
    Event("refuse a second clipping by Lightning", "GradientClipping.setup", depth=1),
    Event("restore weights", when=When.RESUMED, depth=1),
    _resumed("take the moving average that was saved", "MovingAverage.on_load_checkpoint"),
    _resumed("count micro batches anew, if a batch is cut otherwise now", "LossWatch.on_load_checkpoint"),
    _resumed("take what the clipper knew of earlier steps", "GradientClipping.load_state_dict"),
    _resumed("restore the rule of losses, and losses that are in no row", "LossWatch.load_state_dict"),
    _resumed("restore the best evaluation so far", "BestWeights.load_state_dict"),
    _resumed("take the random states that were saved", "RandomStates.load_state_dict"),
    Event("make optimizer and schedule", "Classifier.configure_optimizers", depth=1),
    Event("choose the parameters to clip; restore what was known", "GradientClipping.on_fit_start", depth=1),
    Event("note each BatchNorm's momentum", "RunningStatistics.on_fit_start", depth=1),
    Event("copy the network as its moving average, or restore that", "MovingAverage.on_fit_start", depth=1),
    Event("restore optimizer, schedule and position in the data", when=When.RESUMED, depth=1),
    Event("drop the rows of clip.csv after the step", "GradientClipping.on_train_start", depth=1),
    Event("with model.freeze_norm: BatchNorm as in evaluation", "RunningStatistics.on_train_start", depth=1),
    Event("note how many micro batches a step has", "LossWatch.on_train_start", depth=1),
    Event("start the clock", "Recorder.on_train_start", depth=1),
    Event("restore the random state; ranks but the first draw from their own", "RandomStates.on_train_start", depth=1),
    Event("listen to requests to stop", "Checkpoint.on_train_start", depth=1),
    _each("for each micro batch from the position on, in one Lightning epoch:", depth=0),
    _each("move it to the device", "Classifier.transfer_batch_to_device"),
    _each("keep it, to find the layer where numbers stop being finite", "FiniteGuard.on_train_batch_start"),
    _each("share a BatchNorm's momentum among a step's micro batches", "RunningStatistics.on_train_batch_start"),
    _each("loss = cross entropy(network(images), labels)", "Classifier.training_step"),
    _each("before it, with SAM, at the first of a step: weights += rho * g / |g|,", depth=2),
    _each("g of the first fifth of the images of the step, of all ranks", depth=2),
    Event("gradients = none", when=When.FIRST, depth=1),
    _each("gradients += gradient of loss / accumulation"),
    _each("with SAM, at the last of a step: weights as they were, bit for bit", "Classifier.on_after_backward"),
    _last("at the last micro batch of a step:", depth=1),
    _last("unscale gradients (16-mixed)"),
    _last("clip gradients in place, keep statistics", "GradientClipping.on_before_optimizer_step"),
    _last("loss or gradient not finite: drop gradients, end as diverged", "FiniteGuard.on_before_optimizer_step"),
    _last("note the learning rate", "Recorder.on_before_optimizer_step"),
    _last("weight decay, momentum, step; next learning rate"),
    _each("average running statistics over the ranks, once a step", "RunningStatistics.on_train_batch_end"),
    _each("average += (1 - decay) * (weights - average), once a step", "MovingAverage.on_train_batch_end"),
    _each("keep the loss on the device", "LossWatch.on_train_batch_end"),
    _each("every outcome.window steps, and where losses are needed: show them to the rule", depth=2),
    _each("at guessing for outcome.patience steps: test the accuracy; if that is guessing too, give up", depth=2),
    _each("at a step that is due (log_every, evaluate_every, the last):", "Recorder.on_train_batch_end"),
    _each("at evaluate_every: evaluate on the validation split, and the average too", depth=2),
    _each("if its accuracy (the average's, where there is one) is the best so far: save best.ckpt", depth=3),
    _each("write a row to metrics.csv and to W&B, show progress", depth=2),
    _each("if diverged or given up: stop after this step", depth=2),
    _each("at the end of a step:", "Checkpoint.on_train_batch_end"),
    _each("if asked to stop, or checkpoint_minutes have passed: save last.ckpt, keep the one before", depth=2),
    _saved("what the clipper knows of earlier steps (zclip, adagc, autoclip)", "GradientClipping.state_dict"),
    _saved("losses and what the rule knows of them", "LossWatch.state_dict"),
    _saved("the best evaluation so far", "BestWeights.state_dict"),
    _saved("random states of all ranks", "RandomStates.state_dict"),
    _saved("how many rows there are, and their checksums", "Checkpoint.on_save_checkpoint"),
    _saved("the moving average", "Classifier.on_save_checkpoint"),
    Event("if asked to stop: stop after this step", when=When.EACH, depth=2),
    Event("give each BatchNorm its momentum back", "RunningStatistics.on_fit_end", depth=1),
    Event("conclude", "fit.conclude"),
    Event("if steps are left and it has neither diverged nor been given up: status preempted, end", depth=1),
    Event("if all weights are finite: evaluate on test and validation, and the average too", depth=1),
    Event("status = diverged, untrained or finished, and whether it stalled", "conclusion.status_of", depth=1),
    Event("with evaluate_every: save best.ckpt if this was the best", depth=1),
    Event("write the last row; of a small network measure batch dependence in float64",
          "conclusion.batch_dependence", depth=1),
    Event("save final.ckpt", depth=1),
    Event("write result.json atomically, remove the other checkpoints"),
)  # fmt: skip

_TITLE = """\
<!-- Written by `make pseudocode` from the code; edit src/normfree/train/callbacks/events.py or order.py instead. -->

# The training loop and its events

What `normfree train` does, in order, and what does it: a hook of Lightning that a callback or the module `Classifier`
has, or a function of `src/normfree/train/`. What is marked *resumed* is left out where a run begins. A test trains a
network and compares.
"""
_ORDER = """\
## The order of the callbacks

At each hook callbacks are called in this order (`src/normfree/train/callbacks/order.py`):
"""
_END = """\
An exception anywhere gives status failed with its traceback, a full disk status preempted. Decisions behind this:
[one Lightning epoch](decisions/0003-one-lightning-epoch.md), [outcomes](decisions/0004-outcomes.md),
[clipping](decisions/0006-clipping-hook-and-scope.md),
[moving average and SAM](decisions/0009-moving-average-and-sam.md).
"""
_COLUMN = 82


def page() -> str:
    """docs/pseudocode.md."""
    from normfree.train.callbacks.order import ORDER

    order = "\n".join(f"{place}. `{kind.__name__}`: {why}." for place, (kind, why) in enumerate(ORDER.items(), 1))
    loop = "\n".join(_lines())
    return "\n".join([_TITLE, "```text", loop, "```", "", _ORDER, order, "", _END])


def _lines() -> Iterator[str]:
    for event in EVENTS:
        resumed = "resumed: " if event.when is When.RESUMED else ""
        text = f"{'    ' * event.depth}{resumed}{event.does}"
        yield f"{text:<{_COLUMN}}  {event.calls}".rstrip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit()
