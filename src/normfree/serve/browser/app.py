"""The page and its two places for images. Every path is listed here; no request can name a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from normfree.serve.browser.answers import Answers
from normfree.serve.browser.limits import Buckets, Refused
from normfree.serve.browser.reception import HEADERS, SAFE, Reception, Visitor

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE = {
    "index.html": "text/html; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "bars.js": "text/javascript; charset=utf-8",
    "camera.js": "text/javascript; charset=utf-8",
    "meter.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_BYTES_A_SECOND = 32 * 2**20


class Door:
    """What comes before every route: `Reception`, and headers that every answer has."""

    def __init__(self, app: Starlette, reception: Reception) -> None:
        self._app, self._reception = app, reception

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        visitor = Visitor.of(scope)
        try:
            entering = scope["path"] == "/enter" and scope["method"] in SAFE
            (self._reception.look_at_name if entering else self._reception.look)(visitor)
        except Refused as refused:
            await refusal(refused)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def refusal(refused: Refused) -> Response:
    """A line for the page; the connection is not kept, as its body may not have been read."""
    headers = {"connection": "close"} | ({"retry-after": "1"} if refused.status in (429, 503) else {})
    return JSONResponse({"error": refused.reason}, refused.status, headers)


def application(answers: Answers, reception: Reception) -> Door:
    """The ASGI application."""
    bytes_of = Buckets(_BYTES_A_SECOND, 2 * _BYTES_A_SECOND)
    about = {
        "networks": [each.record() for each in answers.shown],
        "top": answers.top,
        "types": list(answers.lanes["image"].kind.types),
        "most": answers.lanes["image"].kind.most,
    }

    async def tell(request: Request) -> Response:
        return JSONResponse(about)

    async def enter(request: Request) -> Response:
        cookie = reception.admit(request.query_params.get("token", ""), Visitor.of(request.scope).address)
        return RedirectResponse("/", 303, {"set-cookie": cookie})

    async def answer(request: Request) -> Response:
        name = request.scope["path"][1:]
        kind, address = answers.lanes[name].kind, Visitor.of(request.scope).address
        if not kind.rates.take(address):
            raise Refused(429, "too many images; slow down")
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in kind.types:
            raise Refused(415, f"send one of {', '.join(kind.types)}")
        length = request.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > kind.most:
            raise Refused(413, f"more than {kind.most // 2**20} MiB")
        networks = _networks(request.query_params.get("of", "0"), len(answers.shown))
        content = await kind.room.read(request.stream(), kind.most)
        if not bytes_of.take(address, len(content)):
            raise Refused(429, "too many bytes; slow down")
        return JSONResponse(await answers.of(name, content, media, networks))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return refusal(error)

    async def vanished(request: Request, error: Exception) -> Response:
        return Response(status_code=400)

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return refusal(Refused(error.status_code, "there is nothing here"))

    routes = [
        *(Route("/" if name == "index.html" else f"/{name}", _page(name, kind)) for name, kind in PAGE.items()),
        Route("/about", tell),
        Route("/enter", enter),
        *(Route(f"/{name}", answer, methods=["POST"]) for name in answers.lanes),
    ]
    handlers: Any = {Refused: refused, ClientDisconnect: vanished, HTTPException: unknown}
    return Door(Starlette(routes=routes, exception_handlers=handlers), reception)


def _page(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("normfree.serve.browser") / "page" / name).read_bytes()

    async def page(request: Request) -> Response:
        return Response(content, media_type=kind)

    return page


def _networks(of: str, count: int) -> list[int]:
    """``0``, ``1`` or ``0,1``."""
    numbers = [int(part) for part in of.split(",") if part in ("0", "1")]
    if not numbers or len(numbers) > count or max(numbers) >= count or len(set(numbers)) < len(of.split(",")):
        raise Refused(400, "of=: give the number of a network")
    return numbers
