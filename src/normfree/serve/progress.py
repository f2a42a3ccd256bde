"""How far work on files is: a bar on a terminal, a line for every tenth elsewhere, on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from normfree.host.durations import duration

_WIDTH = 30
_SECONDS_BETWEEN = 0.1


class Progress:
    """A context manager.

    Args:
        noun: of what is counted, in the plural.
        total: how many there will be; 0 where it is not known.
    """

    def __init__(self, noun: str, total: int) -> None:
        self._noun, self._total, self._done = noun, total, 0
        self._began = self._shown = time.monotonic()
        self._tenth = 0
        self._bar = sys.stderr.isatty()

    def add(self, count: int = 1) -> None:
        self._done += count
        now, tenth = time.monotonic(), self._done * 10 // max(self._total, 1)
        if self._bar and (now - self._shown > _SECONDS_BETWEEN or self._done == self._total):
            print(f"\r{self._text(now)}\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = now
        elif not self._bar and self._total and tenth > self._tenth:
            print(self._text(now), file=sys.stderr, flush=True)
        self._tenth = tenth

    def _text(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-9)
        if not self._total:
            return f"{self._done:,} {self._noun}, {rate:,.0f}/s"
        bar = ("#" * min(_WIDTH, self._done * _WIDTH // self._total)).ljust(_WIDTH)
        left = duration(max(0, self._total - self._done) / max(rate, 1e-9))
        return f"[{bar}] {self._done:,}/{self._total:,} {self._noun}, {rate:,.0f}/s, {left} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar and self._done:
            print(file=sys.stderr)
