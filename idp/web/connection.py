"""A connection: uvicorn's, with limits of its own to a head, and without trailers that pass for headers."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from idp.web.guard import MAX_HEAD, MAX_HEADERS, MAX_TARGET

HEAD_SECONDS = 15.0
MAX_UNFINISHED = 2 * (MAX_HEAD + MAX_TARGET)
_LINGER_SECONDS = 1.0  # closed over bytes that were not read, it would be reset, perhaps before the answer is read
# RFC 6585 section 5
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(HttpToolsProtocol):
    """Of a head that is too large it keeps as much as the guard needs to refuse it."""

    _head = True  # is being read, or waited for
    _size = 0
    _unfinished = 0  # bytes in a row, to within a read, that are neither a head that ended nor of a body
    _refused = False
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._limit = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_UNFINISHED:
            self._refuse()
        elif self._head and self._limit is None:
            self._limit = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size = self._unfinished = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer is none (RFC 9110 section 6.5.1), and nothing here reads one."""
        if self._head and len(self.headers) <= MAX_HEADERS and self._size <= MAX_HEAD:
            super().on_header(name, value)
            self._size += len(name) + len(value)

    def on_headers_complete(self) -> None:
        self._head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._stop_waiting()  # what comes next has its own time
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _too_slow(self) -> None:
        self._limit = None
        if not self._answering:
            self.transport.close()

    def _refuse(self) -> None:
        self._refused = True
        if not self._answering:
            self.transport.write(_TOO_LARGE)
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
