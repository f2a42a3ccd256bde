"""The side of the server: a process that decodes is asked, and replaced when it dies or takes too long."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe
from multiprocessing.forkserver import ensure_running, set_forkserver_preload
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch import Tensor

from normfree.serve.browser import decoding
from normfree.serve.browser.limits import DECODE_SECONDS, DECODER_BYTES, Refused
from normfree.trained import Preprocessing

_LONGEST_LINE = 2**16


def warm_up() -> None:
    """Start the process that decoders are forked from, with torch imported; returns at once."""
    set_forkserver_preload([decoding.__name__])
    ensure_running()


class Decoder:
    """Bytes -> pixels, in another process; for one thread at a time.

    Args:
        wanted: what is made of every image.
        formats: as pillow calls them.
    """

    def __init__(self, wanted: Sequence[Preprocessing], formats: Sequence[str]) -> None:
        self._wanted, self._formats = list(wanted), list(formats)
        self._shapes = [(1, each.channels, each.size, each.size) for each in wanted]
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def decode(self, content: bytes, kind: str) -> list[Tensor]:
        """uint8 ``[1, C, S, S]`` of each that is wanted.

        Raises:
            Refused: it is no image, a damaged one, too large, too slow, or the decoder did not survive it.
        """
        if self._process is not None and not self._process.is_alive():
            self.stop()  # ended from outside, since the last image
        connection = self._connection or self.start()
        try:
            connection.send_bytes(kind.encode())
            connection.send_bytes(content)
            if not connection.poll(DECODE_SECONDS):
                self.stop()
                raise Refused(422, f"decoding takes more than {DECODE_SECONDS:.0f} s")
            answer = connection.recv_bytes(sum(map(_bytes, self._shapes)) + _LONGEST_LINE)
        except (EOFError, OSError) as error:
            self.stop()
            raise Refused(422, "damaged, or it takes too much memory") from error
        if answer[:1] != decoding.GOOD:
            raise Refused(422, answer[1:].decode(errors="replace"))
        return self._cut(bytearray(answer))

    def start(self) -> Connection:
        """A fresh process."""
        mine, other = Pipe()
        context: Any = multiprocessing.get_context("forkserver")
        arguments = (other, self._wanted, self._formats, DECODER_BYTES)
        self._process = context.Process(target=decoding.work, args=arguments, name="normfree-decoder", daemon=True)
        self._process.start()
        other.close()
        self._connection = mine
        return mine

    def stop(self) -> None:
        """End the process; the next image starts another."""
        if self._process is not None and self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _cut(self, answer: bytearray) -> list[Tensor]:
        place, parts = 1, []
        for shape in self._shapes:
            parts.append(torch.frombuffer(answer, dtype=torch.uint8, count=_bytes(shape), offset=place).view(shape))
            place += _bytes(shape)
        return parts


def _bytes(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
