"""Who may ask, how much, and what is demanded of an address that others can reach."""

import asyncio
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from tests.serve.server import Server

from normfree import api
from normfree.config import UserError
from normfree.serve.browser.limits import Buckets, Refused, Room
from normfree.serve.browser.reception import Reception, Visitor, is_own
from normfree.serve.browser.serving import check, listening
from normfree.serve.keys import Prediction

TOKEN = "a secret of many letters"


def visitor(method: str = "POST", host: str = "127.0.0.1:8765", origin: str = "", **others: str) -> Visitor:
    known = {"site": "", "cookie": "", "bearer": "", "address": "10.0.0.1", **others}
    return Visitor(method, [host], [origin] if origin else [], **known)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        (visitor(), None),
        (visitor(host="localhost:8765"), None),
        (visitor(host="LOCALHOST:8765", origin="http://localhost:8765"), None),
        (visitor(host="[::1]:8765"), None),
        (visitor(host="evil.example:8765"), 421),
        (visitor(host="127.0.0.1:8766"), 421),
        (visitor(host="127.0.0.1.evil.example"), 421),
        (visitor(origin="http://evil.example"), 403),
        (visitor(origin="http://127.0.0.1:8766"), 403),
        (visitor(origin="https://127.0.0.1:8765"), 403),
        (visitor(origin="null"), 403),
        (visitor(site="same-site"), 403),
        (visitor("GET", site="cross-site"), None),
        (Visitor("GET", [], [], "", "", "", ""), 421),
        (Visitor("GET", ["127.0.0.1:8765", "evil.example"], [], "", "", "", ""), 421),
    ],
)
def test_names_and_origins(who: Visitor, status: int | None) -> None:
    reception = Reception("127.0.0.1", 8765)
    if status is None:
        reception.look(who)
        return
    with pytest.raises(Refused) as refused:
        reception.look(who)
    assert refused.value.status == status


def test_a_token_is_asked_for_and_kept_as_a_cookie() -> None:
    reception = Reception("0.0.0.0", 8765, TOKEN, secure=True)
    here = {"host": "any.name:8765"}
    for wrong in (visitor(**here), visitor(cookie=f"normfree={TOKEN}", **here), visitor(bearer="x", **here)):
        with pytest.raises(Refused, match="with its token"):
            reception.look(wrong)
    cookie = reception.admit(TOKEN, "10.0.0.1")
    assert TOKEN not in cookie
    assert cookie.endswith("; HttpOnly; SameSite=Lax; Secure")
    reception.look(visitor(cookie=cookie.partition(";")[0], **here))
    reception.look(visitor(bearer=TOKEN, **here))
    with pytest.raises(Refused, match="this is not the token"):
        reception.admit(TOKEN[:-1], "10.0.0.1")


def test_guessing_is_slow() -> None:
    reception = Reception("0.0.0.0", 8765, TOKEN, secure=True)
    statuses = []
    for number in range(40):
        with pytest.raises(Refused) as refused:
            reception.admit(f"guess {number}", "10.0.0.1")
        statuses.append(refused.value.status)
    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 25


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.0.2", False), ("name.example", False)],
)  # fmt: skip
def test_addresses_of_this_machine(host: str, own: bool) -> None:
    assert is_own(host) is own


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"host": "0.0.0.0"}, r"host=0.0.0.0: others can reach it.*add token= tls_cert= tls_key="),
        ({"host": "0.0.0.0", "token": TOKEN}, r"add tls_cert= tls_key="),
        ({"host": "0.0.0.0", "tls_cert": "a", "tls_key": "b"}, r"add token= \("),
        ({"token": "short"}, r"token=\.\.\.: has 5 characters; give at least 16"),
        ({"tls_cert": "a.pem"}, r"give tls_cert= and tls_key= together"),
        ({"tls_cert": "absent.pem", "tls_key": "absent.pem"}, r"tls_cert=absent.pem: no such file"),
        ({"tls_cert": __file__, "tls_key": __file__}, r"cannot be used with tls_key="),
    ],
)
def test_what_an_address_demands(keys: dict[str, str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        check(Prediction(**keys))  # type: ignore[arg-type]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs starlette and uvicorn; pip install 'normfree\[serve\]'"):
        check(Prediction())


def test_a_port_that_is_taken() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"port={port}: Address already in use; give another, or port=0"):
            listening("127.0.0.1", port)
    with pytest.raises(UserError, match="give an address of this machine"):
        listening("no.such.name.invalid", 8765)


def test_buckets_refill_and_forget() -> None:
    buckets = Buckets(a_second=2, burst=3, clients=2)
    assert [buckets.take("a", now=0.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b", now=0.0)
    assert [buckets.take("a", now=0.5), buckets.take("a", now=0.5)] == [True, False]
    assert [buckets.take("c", now=0.5), buckets.take("d", now=0.5)] == [True, True]
    assert len(buckets._left) == 2


def test_where_there_is_no_room_the_oldest_body_gives_way() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"1"
        await asyncio.sleep(60)

    async def once() -> AsyncIterator[bytes]:
        yield b"whole"

    async def three() -> list[object]:
        room = Room(2, 30)
        slow = [asyncio.create_task(room.read(never(), 100)) for _ in range(2)]
        await asyncio.sleep(0.05)
        content = await room.read(once(), 100)
        await asyncio.sleep(0.05)
        done = [task.done() for task in slow]
        slow[1].cancel()
        return [content, done, *await asyncio.gather(*slow, return_exceptions=True)]

    content, done, first, _ = asyncio.run(three())
    assert (content, done) == (b"whole", [True, False])
    assert isinstance(first, Refused)
    assert first.status == 408


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_a_page_for_others(twins: list[api.Run], tmp_path: Path) -> None:
    """TLS, the token's cookie, and nothing without it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words, "-subj", "/CN=localhost", "-days", "1"], check=True, capture_output=True)
    secret = TOKEN.replace(" ", "-")
    given = (f"run={twins[1].path}", "host=0.0.0.0", f"token={secret}", f"tls_cert={certificate}", f"tls_key={key}")
    with Server(*given) as server:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        handlers = [urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(CookieJar())]
        opener = urllib.request.build_opener(*handlers)
        base = f"https://localhost:{server.port}"
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            opener.open(f"{base}/about", timeout=10)
        refused.value.close()
        with opener.open(f"{base}/enter?token={secret}", timeout=10) as page:
            assert (page.url, page.status) == (f"{base}/", 200)
        with opener.open(f"{base}/about", timeout=10) as about:
            assert b"nf_resnet20" in about.read()
    assert server.errors == ""
