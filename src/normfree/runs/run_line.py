"""Progress of one run: a line that is rewritten on a terminal, and printed ten times elsewhere."""

import time
from typing import TextIO

from normfree.host.durations import duration

_MOST = 1e5
"""From which a loss has an exponent, as it may grow without end."""


class RunLine:
    """Shows step, loss, accuracy, speed and the time left."""

    def __init__(self, steps: int, stream: TextIO) -> None:
        self._steps = steps
        self._stream = stream
        self._rewrite = stream.isatty()
        self._shown_tenth = -1
        self._first: tuple[float, float] | None = None
        self._open = False

    def show(self, row: dict[str, float]) -> None:
        """``row`` as it is written to metrics.csv."""
        step = int(row["step"])
        now = time.monotonic()
        if self._first is None:
            self._first = (now, step)
        line = self._line(row, step, now)
        tenth = step * 10 // self._steps
        if self._rewrite:
            self._stream.write(f"\r{line:<100}")
            self._open = True
        elif tenth > self._shown_tenth or "validation/accuracy" in row:
            self._stream.write(line + "\n")
        self._shown_tenth = max(tenth, self._shown_tenth)
        self._stream.flush()

    def end(self) -> None:
        """Leave the line standing."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()

    def _line(self, row: dict[str, float], step: int, now: float) -> str:
        assert self._first is not None
        began, first = self._first
        left = f"  {duration((now - began) / (step - first) * (self._steps - step))} left" if step > first else ""
        loss = row["train/loss"]
        text = (
            f"step {step}/{self._steps}  epoch {row['epoch']:.1f}  loss {loss:{'.3f' if loss < _MOST else '.4g'}}  "
            f"accuracy {row['train/accuracy']:.1%}  lr {row['lr']:.3g}  {row['images_per_second']:,.0f} images/s"
        )
        if "validation/accuracy" in row:
            text += f"  validation {row['validation/accuracy']:.1%}"
        return f"{text}{left}"
