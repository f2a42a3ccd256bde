"""Who may ask: the right name of the server, the page's own origin, and the token where one is demanded."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from normfree.serve.browser.limits import Buckets, Refused

COOKIE = "normfree"
SAFE = ("GET", "HEAD")
_WILD = ("0.0.0.0", "::")

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "cache-control": "no-store",
}


def is_own(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    """As it stands in a URL."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Visitor:
    """What is asked of a request.

    Attributes:
        hosts, origins: all values of these headers.
        site: ``Sec-Fetch-Site``.
        bearer: of ``Authorization``.
    """

    method: str
    hosts: Sequence[str]
    origins: Sequence[str]
    site: str
    cookie: str
    bearer: str
    address: str

    @classmethod
    def of(cls, scope: Any) -> Visitor:
        def every(name: bytes) -> list[str]:
            return [value.decode("latin-1") for key, value in scope["headers"] if key == name]

        def one(name: bytes) -> str:
            return (every(name) or [""])[0]

        bearer = one(b"authorization").removeprefix("Bearer ")
        address = (scope.get("client") or ("unknown", 0))[0]
        site, cookie = one(b"sec-fetch-site"), one(b"cookie")
        return cls(scope["method"], every(b"host"), every(b"origin"), site, cookie, bearer, address)


class Reception:
    """Looks at every request before anything else does.

    Args:
        host, port: that are listened at.
        token: demanded, unless it is empty.
        secure: the page is asked for by https.
    """

    def __init__(self, host: str, port: int, token: str = "", secure: bool = False) -> None:
        self._scheme = "https" if secure else "http"
        names = ["localhost", "127.0.0.1", "[::1]"] if is_own(host) else [bracketed(host).lower()]
        # Behind another address any name may lead here; a page from elsewhere has neither certificate nor token.
        self._names = None if host in _WILD else {*names, *(f"{name}:{port}" for name in names)}
        self._secret = hashlib.sha256(f"normfree page {token}".encode()).hexdigest() if token else ""
        self._token = token
        self._guesses = Buckets(1, 20)

    def look(self, visitor: Visitor) -> None:
        """Let a visitor pass.

        Raises:
            Refused: another name of the server, another origin, or no token.
        """
        self.look_at_name(visitor)
        if visitor.method not in SAFE:
            own = f"{self._scheme}://{visitor.hosts[0]}".lower()
            if any(origin.lower() != own for origin in visitor.origins) or visitor.site not in ("", "same-origin"):
                raise Refused(403, "only the page itself may send images")
        if self._secret and not self._knows(visitor):
            if not self._guesses.take(visitor.address):
                raise Refused(429, "too many wrong tokens; wait a minute")
            raise Refused(401, "open the address that was printed when the server started, with its token")

    def look_at_name(self, visitor: Visitor) -> None:
        """The part that needs no token: another site's name that leads here is not taken.

        Raises:
            Refused: another name of the server.
        """
        if len(visitor.hosts) != 1 or (self._names is not None and visitor.hosts[0].lower() not in self._names):
            raise Refused(421, "open the address that was printed when the server started")

    def admit(self, token: str, address: str) -> str:
        """The cookie for one who gives the token.

        Raises:
            Refused: it is another, or there were too many others.
        """
        if not self._token or not hmac.compare_digest(token.encode(), self._token.encode()):
            if not self._guesses.take(address):
                raise Refused(429, "too many wrong tokens; wait a minute")
            raise Refused(401, "this is not the token; open the address that was printed when the server started")
        secure = "; Secure" if self._scheme == "https" else ""
        return f"{COOKIE}={self._secret}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def _knows(self, visitor: Visitor) -> bool:
        try:
            morsel = SimpleCookie(visitor.cookie).get(COOKIE)
        except CookieError:
            morsel = None
        shown = morsel.value if morsel else ""
        bearer = hmac.compare_digest(visitor.bearer.encode(), self._token.encode())
        return bearer or hmac.compare_digest(shown.encode(), self._secret.encode())
