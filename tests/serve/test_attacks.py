"""What strangers send is refused, and the server lives on with bounded memory."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from tests.serve import pictures
from tests.serve.server import Server
from tests.tiers import times

from normfree.serve.browser.limits import CONNECTIONS, HEAD_SECONDS

MOST_GROWTH = 150
"""MiB by which the server's own memory may grow under anything; a decoder's goes when it ends."""


def post(server: Server, path: str, body: bytes, kind: str = "image/jpeg", **headers: str) -> tuple[int, Any]:
    """Waits where it is told to slow down."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            connection.request("POST", path, body, {"Content-Type": kind, **headers})
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        finally:
            connection.close()
        if status not in (429, 503):
            return status, json.loads(content)
        time.sleep(0.3)


def get(server: Server, path: str) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def works(server: Server, within: float = 5.0) -> None:
    """A good frame is answered."""
    begin = time.monotonic()
    status, answer = post(server, "/frame?of=0,1", pictures.encoded())
    assert status == 200, answer
    assert len(answer["networks"]) == 2
    assert time.monotonic() - begin < within


@pytest.fixture
def bounded(server: Server) -> Any:
    """Afterwards the server answers, and has not grown."""
    works(server)
    before = server.memory()
    yield
    works(server)
    after = server.memory()
    print({name: (round(before[name]), round(after[name])) for name in before}, "MiB before and after")
    assert after["server"] < before["server"] + MOST_GROWTH


FILES: list[tuple[str, Callable[[], bytes], str, int, str]] = [
    ("100 megapixels", pictures.hundred_megapixels, "image/png", 422, "10000 x 10000 are more than"),
    ("a bomb", pictures.bomb, "image/png", 422, "more than"),
    ("as large as may be, with 16 bits and transparency", pictures.heavy, "image/png", 200, ""),
    ("200 MB of text in a pixel", pictures.text_bomb, "image/png", 422, "too large"),
    ("cut off", pictures.truncated, "image/jpeg", 422, "truncated"),
    ("CMYK", lambda: pictures.encoded("JPEG", "CMYK"), "image/jpeg", 200, ""),
    ("SVG", lambda: pictures.SVG, "image/svg+xml", 415, "send one of"),
    ("SVG that is said to be PNG", lambda: pictures.SVG, "image/png", 422, "none of JPEG, PNG"),
    ("TIFF", lambda: pictures.encoded("TIFF"), "image/png", 422, "none of JPEG, PNG"),
    ("PNG that is said to be JPEG", lambda: pictures.encoded("PNG"), "image/jpeg", 422, "said to be image/jpeg"),
    ("GIF and script", lambda: pictures.SCRIPT_GIF, "image/gif", 422, ""),
    ("HTML", lambda: pictures.HTML, "image/gif", 422, "none of JPEG, PNG"),
    ("JPEG and archive: an image", pictures.jpeg_and_zip, "image/jpeg", 200, ""),
    ("nothing", lambda: b"", "image/jpeg", 422, "none of JPEG, PNG"),
    ("16 MiB and more", lambda: bytes(17 * 2**20), "image/png", 413, "more than 16 MiB"),
]


@pytest.mark.parametrize(
    ("make", "kind", "status", "line"), [each[1:] for each in FILES], ids=[each[0] for each in FILES]
)
def test_a_file(make: Callable[[], bytes], kind: str, status: int, line: str, server: Server, bounded: None) -> None:
    try:
        answered, told = post(server, "/image?of=0", make(), kind)
    except (ConnectionError, BrokenPipeError):
        assert status == 413, "refused before it was sent whole"
        return
    assert answered == status, told
    assert line in told.get("error", "")


@pytest.mark.parametrize(
    ("path", "kind", "headers", "status"),
    [
        ("/frame?of=0", "image/png", {}, 415),
        ("/frame?of=2", "image/jpeg", {}, 400),
        ("/frame?of=0,0", "image/jpeg", {}, 400),
        ("/frame?of=../0", "image/jpeg", {}, 400),
        ("/image/../../etc/passwd", "image/jpeg", {}, 404),
        ("/about", "image/jpeg", {}, 405),
        ("/frame", "image/jpeg", {"Host": "evil.example"}, 421),
        ("/frame", "image/jpeg", {"Origin": "http://evil.example"}, 403),
        ("/frame", "image/jpeg", {"Origin": "null"}, 403),
        ("/frame", "image/jpeg", {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_request(path: str, kind: str, headers: dict[str, str], status: int, server: Server) -> None:
    answered, told = post(server, path, pictures.encoded(), kind, **headers)
    assert (answered, list(told)) == (status, ["error"])


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/page/app.css", "/app.py"]
)
def test_no_path_leads_to_a_file(path: str, server: Server) -> None:
    status, _, content = get(server, path)
    assert (status, json.loads(content)) == (404, {"error": "there is nothing here"})


def test_every_answer_has_the_headers(server: Server) -> None:
    for path in ("/", "/app.js", "/about", "/nothing", "/image"):
        _, headers, _ = get(server, path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def raw(server: Server, content: bytes) -> bytes:
    """What comes back at once."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with connection, contextlib.suppress(OSError):
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(2)
        return connection.recv(65536)
    return b""


def test_malformed_requests(server: Server, bounded: None) -> None:
    statuses: Counter[str] = Counter()
    for seed in range(times(5_000, 500)):
        answer = raw(server, pictures.malformed(seed, f"127.0.0.1:{server.port}"))
        statuses[answer[9:12].decode("latin-1") or "none"] += 1
        assert b"root:" not in answer
    print(dict(statuses))
    assert not {status for status in statuses if status.startswith("5")}, statuses


def test_damaged_frames(server: Server, bounded: None) -> None:
    statuses: Counter[int] = Counter()
    for seed in range(times(5_000, 500)):
        statuses[post(server, "/frame?of=0", pictures.damaged(seed))[0]] += 1
    print(dict(statuses))
    assert set(statuses) <= {200, 422}


def test_heads_that_never_end(server: Server, bounded: None) -> None:
    """More connections than there may be, each with a head that comes a byte at a time."""
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(CONNECTIONS + 50)]
    try:
        for connection in silent:
            with contextlib.suppress(OSError):
                connection.sendall(b"POST /frame HTTP/1.1\r\nHost: 127")
        works(server, 3)
        until = time.monotonic() + 2 * HEAD_SECONDS + 5
        while time.monotonic() < until and any(not _closed(each) for each in silent):
            for connection in silent:
                with contextlib.suppress(OSError):
                    connection.sendall(b"0")
            works(server, 3)
            time.sleep(1)
        assert all(_closed(each) for each in silent)
    finally:
        for connection in silent:
            connection.close()


def _closed(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    if not readable:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


@pytest.mark.parametrize("path", ["/frame", "/image"])
def test_bodies_that_never_come(path: str, server: Server, bounded: None) -> None:
    head = f"POST {path}?of=0 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: image/jpeg\r\n"
    slow = []
    for _ in range(60 if path == "/frame" else 6):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + bytes(10))
        slow.append(connection)
    works(server, 3)
    for connection in slow:
        connection.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100)[9:12] in (b"408", b"429", b"")
        connection.close()


def test_clients_that_vanish(server: Server, bounded: None) -> None:
    body = pictures.encoded(size=(640, 480))
    head = f"POST /frame?of=0,1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: image/jpeg\r\n"
    for number in range(100):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            part = body if number % 2 else body[: len(body) // 2]
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + part)
            if number % 3 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_a_decoder_that_is_killed_is_replaced(server: Server, bounded: None) -> None:
    def decoders() -> list[psutil.Process]:
        own = psutil.Process(server.pid).children(recursive=True)
        every = [each for each in own if "forkserver" in " ".join(each.cmdline())]
        return [each for each in every if each.parent() in every]

    before = decoders()
    assert len(before) == 2
    for process in before:
        os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in before)
    assert post(server, "/image?of=0", pictures.encoded())[0] == 200


def test_a_second_client_is_served_beside_a_large_image(server: Server) -> None:
    """A camera goes on while another client sends what takes long to decode."""
    large = pictures.heavy()
    other = threading.Thread(target=post, args=(server, "/image?of=0", large, "image/png"))
    time.sleep(2)
    other.start()
    slowest, count = 0.0, 0
    while other.is_alive():
        begin = time.monotonic()
        works(server)
        slowest, count = max(slowest, time.monotonic() - begin), count + 1
    print(f"{count} frames beside it, the slowest {slowest * 1000:.0f} ms")
    assert count > 3


def test_haste_is_told(server: Server) -> None:
    """More images a second than are taken."""
    body = pictures.encoded()
    statuses = Counter[int]()
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", "/image?of=0", body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        statuses[answer.status] += 1
        if answer.status == 429:
            assert answer.headers["retry-after"] == "1"
        connection.close()
    assert set(statuses) == {200, 429}
    time.sleep(2)
    works(server)
