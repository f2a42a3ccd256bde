"""Files that a page may be sent: good ones, and those that are made to harm."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image


def encoded(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, bits: int, colour: int, rows: Iterator[bytes], *before: bytes) -> bytes:
    """A PNG of rows that are given without their filter's byte."""
    packed = zlib.compressobj(9)
    data = b"".join(packed.compress(b"\0" + row) for row in rows) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(before) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(count: int, length: int) -> Iterator[bytes]:
    row = bytes(length)
    return (row for _ in range(count))


def hundred_megapixels() -> bytes:
    """10,000 x 10,000 in some tens of kilobytes."""
    return png(10_000, 10_000, 1, 0, zeros(10_000, 1250))


def bomb() -> bytes:
    """Says that it has 60,000 x 60,000 pixels."""
    return png(60_000, 60_000, 8, 2, zeros(10, 180_000))


def heavy() -> bytes:
    """As many pixels as are taken, of 16 bits with transparency: 256 MB in memory before anything is done."""
    return png(5600, 5600, 16, 6, zeros(5600, 5600 * 8))


def text_bomb() -> bytes:
    """Compressed text of 200 MB in a PNG of one pixel."""
    return png(1, 1, 8, 0, zeros(1, 1), chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)))


def truncated() -> bytes:
    return encoded()[:900]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="file:///etc/passwd"/></svg>'
SCRIPT_GIF = b"GIF89a/*" + bytes(20) + b"*/=1;alert(1);//;"
HTML = b"<!doctype html><script>alert(1)</script>"


def jpeg_and_zip() -> bytes:
    """An image at its beginning, an archive at its end."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../evil.py", "print(1)")
    return encoded() + stream.getvalue()


def damaged(seed: int) -> bytes:
    """A JPEG with some of its bytes changed, cut out or doubled."""
    chance = random.Random(seed)
    content = bytearray(encoded(size=(32, 32)))
    for _ in range(chance.randint(1, 12)):
        place = chance.randrange(len(content))
        way = chance.randrange(4)
        if way == 0:
            content[place] = chance.randrange(256)
        elif way == 1:
            del content[place : place + chance.randrange(40)]
        elif way == 2:
            content[place:place] = content[place : place + chance.randrange(40)]
        else:
            content[place : place + 2] = b"\xff" + bytes([chance.randrange(0xC0, 0x100)])
        content = content or bytearray(b"\0")
    return bytes(content)


TRAVERSALS = (
    "/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/app.css/../../app.py",
    "/page/index.html", "/app.css%00.html", "/file:///etc/passwd", "/\\..\\..\\x",
)  # fmt: skip


def malformed(seed: int, host: str) -> bytes:
    """A request that is wrong in some way."""
    chance = random.Random(seed)
    path = chance.choice((*TRAVERSALS, "/frame", "/image", "/about", "/", "/frame?of=9", "/frame?of=0,0", "/x" * 500))
    method = chance.choice(("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "G\0T", "POST" * 50))
    length = chance.choice(("-1", "1e9", "999999999999", "abc", "0x10", "10", ""))
    if plain := chance.random() < 0.5:
        method = chance.choice(("GET", "POST", "OPTIONS", "HEAD"))
    lines = [f"{method} {path} HTTP/{'1.1' if plain else chance.choice(('1.1', '1.0', '9.9', ''))}"]
    lines += [f"Host: {host}"] if plain else []
    lines += chance.sample(
        [
            f"Host: {host}",
            "Host: evil.example",
            f"Content-Length: {length}",
            "Transfer-Encoding: chunked",
            f"Content-Type: {chance.choice(('image/jpeg', 'image/svg+xml', 'text/html', '', '/'))}",
            "Origin: http://evil.example",
            "Cookie: " + "a=b; " * chance.randrange(300),
            "Upgrade: websocket",
            "Connection: upgrade",
            "Expect: 100-continue",
            "X: " + "y" * chance.randrange(70_000),
            ": no name",
            "Nothing",
            "\xff\xfe: \x01",
        ],
        chance.randint(0, 2 if plain else 8),
    )
    head = "\r\n".join(lines).encode("latin-1") + chance.choice((b"\r\n\r\n", b"\r\n", b"\n\n", b""))
    way = chance.randrange(6)
    if way == 0:
        return chance.randbytes(chance.randrange(1, 3000))
    if way == 1:
        return head[: chance.randrange(1, len(head) + 1)]
    return head + chance.choice((b"", b"zz\r\nabc\r\n", b"FFFFFFFFFFFFFFFF\r\n", chance.randbytes(50)))
