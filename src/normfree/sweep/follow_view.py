"""How running runs are shown: a curve of the loss and one of the accuracy for each, as many as there is room for."""

import math
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from normfree.host.durations import duration
from normfree.sweep.plots import bounds, plot
from normfree.sweep.tail import Tail

HIGHEST = 8
"""Lines of a curve at most."""
_NARROWEST = 8
_LABEL = 18
"""Characters before a curve."""


@dataclass
class Followed:
    """A run that is being trained.

    Attributes:
        steps, batch: of its configuration; 0 where that is not known yet.
    """

    run_id: str
    tail: Tail
    steps: int = 0
    batch: int = 0

    def said(self) -> str:
        """``step 420/600  loss 0.312  accuracy 93.0%``."""
        last, step = self.tail.last, self.tail.step
        if not step:
            return "no row yet"
        parts = [f"step {step:,}/{self.steps:,}" if self.steps else f"step {step:,}"]
        parts += [f"loss {last['train/loss']:.3f}"] if "train/loss" in last else []
        parts += [f"accuracy {last['train/accuracy']:.1%}"] if "train/accuracy" in last else []
        for name in ("validation", "test"):
            if points := self.tail.curves[f"{name}/accuracy"]:
                parts.append(f"{name} {points[-1][1]:.1%}")
        return "  ".join(parts)

    def left(self) -> str:
        """The time left by its present speed, or nothing."""
        rate = self.tail.last.get("images_per_second", 0.0)
        known = self.steps and self.batch and rate > 0 and math.isfinite(rate)
        return f"{duration((self.steps - self.tail.step) * self.batch / rate)} left" if known else ""


@dataclass
class View:
    """What `rich` draws anew with each look."""

    runs: list[Followed]
    counts: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = console.size.height - 3
        height = max(1, min(HIGHEST, room // max(1, len(self.runs)) - 1))
        shown = self.runs[: max(1, room // (height + 1))]
        for run in shown:
            yield from _drawn(run, options.max_width, height)
        if len(shown) < len(self.runs):
            yield Text(f"and {len(self.runs) - len(shown)} more, for which there is no room", style="dim")
        yield Text(self.counts, style="bold", no_wrap=True, overflow="ellipsis")


def _drawn(run: Followed, width: int, height: int) -> list[Text]:
    head = "  ".join(filter(None, (run.run_id, run.said(), run.left())))
    lines = [Text(head, style="bold cyan", no_wrap=True, overflow="ellipsis")]
    losses, shares = run.tail.curves["train/loss"], run.tail.curves["train/accuracy"]
    until = max(run.steps, run.tail.step, 1)
    room = max(_NARROWEST, (width - 2 * _LABEL - 2) // 2)
    left = _labelled("loss", [f"{value:.3g}" for value in bounds(losses)], plot(losses, until, room, height))
    right = _labelled("accuracy", [f"{value:.0%}" for value in bounds(shares)], plot(shares, until, room, height))
    for (one, first), (two, second) in zip(left, right, strict=True):
        line = Text(no_wrap=True, overflow="crop")
        line.append(one, style="dim").append(first, style="yellow").append("  ")
        lines.append(line.append(two, style="dim").append(second, style="green"))
    return lines


def _labelled(name: str, ends: list[str], curve: list[str]) -> list[tuple[str, str]]:
    """The lines of a curve, each with what stands before it: its highest value, its name, its lowest value."""
    low, high = ends
    labels = [""] * len(curve)
    labels[-1] = low
    labels[0] = high
    if len(curve) == 1:
        labels = [f"{low.removesuffix('%')}-{high}"]
    named = 1 if len(curve) > 2 else 0
    labels[named] = f"{name} {labels[named]}".strip()
    return [(f"{label:>{_LABEL - 2}.{_LABEL - 2}} ┤", line) for label, line in zip(labels, curve, strict=True)]
