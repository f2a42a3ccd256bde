"""One image -> what the networks say of it: decoded in another process, computed in a thread of its own."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from normfree.host.wording import counted
from normfree.serve.browser.decoder import Decoder
from normfree.serve.browser.limits import Kind, Refused
from normfree.serve.labels import top_of
from normfree.serve.networks import Network, kinds_of
from normfree.serve.speed import Way

_Made = TypeVar("_Made")
_KEPT = 1000
SMOOTHED_OVER = 20
"""Classes that a page is told of a frame, of which it shows fewer: it smooths them over time."""


@dataclass(frozen=True)
class Shown:
    """A network on the page."""

    name: str
    network: Network
    way: Way

    def record(self) -> dict[str, Any]:
        """For the page."""
        preprocessing = self.network.preprocessing
        return {
            "name": self.name,
            "size": preprocessing.size,
            "channels": preprocessing.channels,
            "dark": max(preprocessing.mean) < 0.3,
            "classes": len(self.network.classes),
            "precision": self.way.precision,
            "ms": float(f"{self.way.seconds * 1000:.3g}"),
        }


@dataclass
class Lane:
    """A decoder, with the thread that waits for it."""

    kind: Kind
    decoder: Decoder
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "decoder"))
    waiting: int = 0


class Answers:
    """Asks decoders and networks.

    Args:
        shown: the networks of the page.
        lanes: one for frames and one for dropped images, so that a large one does not hold up a camera.
        top: how many classes are shown.
    """

    def __init__(self, shown: Sequence[Shown], lanes: dict[str, Kind], top: int) -> None:
        self.shown, self.top = list(shown), top
        self._wanted = kinds_of(each.network for each in shown)
        self.lanes = {name: Lane(kind, Decoder(self._wanted, kind.formats)) for name, kind in lanes.items()}
        self._computing = ThreadPoolExecutor(1, "networks")
        self.count = 0
        self.decoding: deque[float] = deque(maxlen=_KEPT)
        self.computing: deque[float] = deque(maxlen=_KEPT)

    def start(self) -> None:
        """Start the decoders, before the first image comes."""
        for lane in self.lanes.values():
            lane.decoder.start()

    def stop(self) -> None:
        for lane in self.lanes.values():
            lane.decoder.stop()
            lane.thread.shutdown(wait=False, cancel_futures=True)
        self._computing.shutdown(wait=False, cancel_futures=True)

    async def of(self, name: str, content: bytes, kind: str, networks: Sequence[int]) -> dict[str, Any]:
        """What these networks say of an image, and how long it took.

        Raises:
            Refused: the image cannot be decoded, or too many wait.
        """
        lane = self.lanes[name]
        if lane.waiting >= lane.kind.waiting:
            raise Refused(503, "busy; try again")
        lane.waiting += 1
        try:
            pixels, decoding = await _timed(lane.thread, lambda: lane.decoder.decode(content, kind))
            told = await asyncio.get_running_loop().run_in_executor(
                self._computing, lambda: [self._say(number, pixels) for number in networks]
            )
        finally:
            lane.waiting -= 1
        self.count += 1
        self.decoding.append(decoding)
        self.computing.append(sum(each["ms"] for each in told) / 1000)
        return {"decode_ms": round(decoding * 1000, 2), "networks": told}

    def _say(self, number: int, pixels: list[Tensor]) -> dict[str, Any]:
        shown = self.shown[number]
        if torch.get_num_threads() != shown.way.threads:
            torch.set_num_threads(shown.way.threads)
        begin = time.perf_counter()
        images = pixels[self._wanted.index(shown.network.preprocessing)]
        probabilities = shown.network.probabilities(images)[0].cpu()
        seconds = time.perf_counter() - begin
        top = top_of(probabilities, shown.network.classes, max(self.top, SMOOTHED_OVER))
        return {"network": number, "ms": round(seconds * 1000, 2), "top": [[name, round(p, 5)] for name, p in top]}

    def summary(self) -> str:
        """What was done, in one line."""
        if not self.count:
            return "no image was sent"
        decoding, computing = (1000 * statistics.median(each) for each in (self.decoding, self.computing))
        share = 100 * computing / (decoding + computing)
        return (
            f"{counted(self.count, 'image')}; medians of the last: networks {computing:.1f} ms, "
            f"decoding {decoding:.1f} ms; the networks' share is {share:.0f} %"
        )


async def _timed(thread: ThreadPoolExecutor, call: Callable[[], _Made]) -> tuple[_Made, float]:
    def timed() -> tuple[_Made, float]:
        begin = time.perf_counter()
        return call(), time.perf_counter() - begin

    return await asyncio.get_running_loop().run_in_executor(thread, timed)
