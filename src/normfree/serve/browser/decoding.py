"""The process that decodes: it sees bytes of strangers, has little memory, opens no file and writes none.

An answer is a byte that says whether it went well, and then pixels of known sizes, or a line of text. Nothing of it is
executed by the one who reads it.
"""

from __future__ import annotations

import io
import resource
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from normfree.serve.browser.limits import MOST_PIXELS
from normfree.trained import Preprocessing

GOOD, BAD = b"\1", b"\0"
_FILES = 32
_MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp"}
_ALSO = {"MPO": "image/jpeg"}
"""JPEG with further pictures behind it, as phones write it."""

Image.init()  # the readers of formats are imported before files can no longer be opened


def work(connection: Connection, wanted: Sequence[Preprocessing], formats: Sequence[str], memory: int) -> None:
    """Decode what comes until the connection ends.

    Args:
        wanted: what is made of every image.
        memory: bytes beyond what the process has now.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _warm_up(wanted, formats)
    _restrict(memory)
    while True:
        try:
            kind, content = connection.recv_bytes(), connection.recv_bytes()
        except EOFError:
            return
        try:
            answer = GOOD + decoded(content, kind.decode(), wanted, formats)
        except ValueError as error:
            answer = BAD + str(error).encode()
        connection.send_bytes(answer)


def decoded(content: bytes, kind: str, wanted: Sequence[Preprocessing], formats: Sequence[str]) -> bytes:
    """Pixels of all kinds that are wanted, one after the other.

    Args:
        kind: the media type that the sender says it is.

    Raises:
        ValueError: it is no image of these formats, too large, damaged, or not what it is said to be.
    """
    try:
        with Image.open(io.BytesIO(content), formats=list(formats)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} are more than {MOST_PIXELS:,} pixels")
            if (_MIME | _ALSO).get(image.format or "") != kind:
                raise ValueError(f"said to be {kind}, and is {image.format}")
            return b"".join(each.tested(image).numpy().tobytes() for each in wanted)
    except Image.DecompressionBombError as error:
        raise ValueError(f"more than {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"none of {', '.join(formats)}, or damaged") from error
    except (OSError, SyntaxError, EOFError, MemoryError) as error:
        raise ValueError(f"damaged ({error})") from error


def _restrict(memory: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    bounds = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _FILES,
    }
    for limit, value in bounds.items():
        resource.setrlimit(limit, (value, value))


def _warm_up(wanted: Sequence[Preprocessing], formats: Sequence[str]) -> None:
    """Load what is loaded when an image of a format is first decoded."""
    for name in formats:
        stream = io.BytesIO()
        Image.new("RGB", (300, 300)).save(stream, name)
        decoded(stream.getvalue(), _MIME[name], wanted, formats)
