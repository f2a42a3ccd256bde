"""What one request, one client and all of them together may take."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MIB = 2**20
FRAME_BYTES, IMAGE_BYTES = MIB, 16 * MIB
MOST_PIXELS = 32_000_000
"""Of an image that is sent, 8,000 x 4,000: less than files may have, so that a decoder's memory can be bounded."""
DECODER_BYTES = 768 * MIB
"""Of memory that a decoder may take beyond what it has after its imports."""
DECODE_SECONDS = 5.0
CONNECTIONS = 256
HEAD_SECONDS = 10.0
"""Within which a connection must have sent a whole head of a request."""


class Refused(Exception):
    """A request that is not answered as it would like.

    Attributes:
        status: of HTTP.
        reason: one line for the user of the page.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Buckets:
    """How much each client may still ask for: so much a second, and ``burst`` at once.

    Args:
        clients: how many are remembered; the one that has been silent for longest is forgotten.
    """

    def __init__(self, a_second: float, burst: float, clients: int = 1024) -> None:
        self._rate, self._burst, self._clients = a_second, burst, clients
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, amount: float = 1.0, now: float | None = None) -> bool:
        """Whether the client may have so much now."""
        now = time.monotonic() if now is None else now
        left, before = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - before) * self._rate)
        enough = left >= amount
        self._left[client] = (left - amount if enough else left, now)
        while len(self._left) > self._clients:
            self._left.popitem(last=False)
        return enough


class Room:
    """So many bodies are read at a time; where there is no room the one that has been read for longest gives way.

    Args:
        places: how many.
        seconds: within which a body must have come.
    """

    def __init__(self, places: int, seconds: float) -> None:
        self._places, self._seconds = places, seconds
        self._taken: OrderedDict[int, asyncio.Timeout] = OrderedDict()

    @contextmanager
    def _place(self, deadline: asyncio.Timeout) -> Iterator[None]:
        while len(self._taken) >= self._places:
            _, oldest = self._taken.popitem(last=False)
            oldest.reschedule(asyncio.get_running_loop().time())
        self._taken[id(deadline)] = deadline
        try:
            yield
        finally:
            self._taken.pop(id(deadline), None)

    async def read(self, chunks: AsyncIterator[bytes], most: int) -> bytes:
        """A whole body.

        Raises:
            Refused: it is too long or too slow.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds) as deadline:
                with self._place(deadline):
                    async for chunk in chunks:
                        body += chunk
                        if len(body) > most:
                            raise Refused(413, f"more than {most // MIB} MiB")
        except TimeoutError as error:
            raise Refused(408, "the request did not come in time") from error
        return bytes(body)


@dataclass(frozen=True)
class Kind:
    """What is sent to one of the two places that take images.

    Attributes:
        formats: as pillow calls them.
        types: the ``Content-Type`` that goes with them.
    """

    most: int
    formats: tuple[str, ...]
    types: tuple[str, ...]
    rates: Buckets
    room: Room
    waiting: int


def frames() -> Kind:
    """Of a camera: small and many."""
    return Kind(FRAME_BYTES, ("JPEG",), ("image/jpeg",), Buckets(240, 240), Room(32, 3.0), 8)


def images() -> Kind:
    """Dropped: large and few."""
    formats = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
    types = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp")
    return Kind(IMAGE_BYTES, formats, types, Buckets(2, 6), Room(4, 15.0), 4)
