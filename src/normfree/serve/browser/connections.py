"""Connections that send no request, or send it without end, are closed; there are never more than so many."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, ClassVar

from h11 import LocalProtocolError
from uvicorn.protocols.http.h11_impl import H11Protocol

from normfree.serve.browser.limits import CONNECTIONS, HEAD_SECONDS


class BoundedProtocol(H11Protocol):
    """uvicorn's, which would wait for the head of a request for ever."""

    _open: ClassVar[OrderedDict[int, BoundedProtocol]] = OrderedDict()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._watch: asyncio.TimerHandle | None = None
        self._served: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        everyone = BoundedProtocol._open
        if len(everyone) >= CONNECTIONS:
            oldest = next((each for each in everyone.values() if each.is_silent), None)
            if oldest is None:
                transport.abort()
                return
            everyone.pop(id(oldest), None)
            oldest.transport.abort()
        everyone[id(self)] = self
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, error: Exception | None) -> None:
        BoundedProtocol._open.pop(id(self), None)
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(error)

    def send_400_response(self, msg: str) -> None:
        """What goes wrong in the middle of a request ends it: its answer has nobody to go to."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except LocalProtocolError:  # an answer is on its way already
            self.transport.abort()

    @property
    def is_silent(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _look(self) -> None:
        """Close the connection if since the last look no request has come whole."""
        if self.is_silent and self.cycle is self._served:
            self.transport.abort()
            return
        self._served = self.cycle
        self._watch = self.loop.call_later(HEAD_SECONDS, self._look)
