"""Connections to the exporter: where they are made, how many, for how long, and what becomes of rude ones.

The exporter lives in somebody else's process: whoever connects to it, and whatever they send or fail
to read, costs a bounded amount of memory and descriptors, a status, and at most one line in one log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

logger = logging.getLogger("bpexporter.server")

# A scraper that comes every 15 s connects anew each time; one that comes every second need not.
KEEPALIVE_SECONDS = 5.0


class Limits(NamedTuple):
    """The limits of a connection. Together with one `tick` each deadline stays under 15 s."""

    idle: float = 10.0
    """Seconds until a request is complete, counted from the connection or from the last answer, not from the
    last byte, so that dripping bytes buys no time. Twice the keep-alive, which ends most of them before."""
    unsent: float = 12.0
    """Seconds until the peer has taken an answer. Prometheus gives up after 10 s by default."""
    render: float = 30.0
    """Seconds until an answer is rendered; only a collector of the host's that hangs takes so long."""
    connections: int = 64
    """Open at a time. Prometheus needs one; 64 leaves room for a pair of them, people and probes."""

    @property
    def tick(self) -> float:
        """Seconds between two looks at the connections."""
        return min(1.0, self.idle / 4, self.unsent / 4)

    @property
    def keepalive(self) -> float:
        """Seconds that a connection may stay open between two requests."""
        return min(KEEPALIVE_SECONDS, self.idle)


DEFAULT_LIMITS = Limits()
# Turns of the loop from accept() to connection_made() are three, from abort() to close() one.
TURNS = 6

HEADERS = {"Cache-Control": "no-store", "Server": "bpexporter", "X-Content-Type-Options": "nosniff"}


class Connection(RequestHandler):
    """One connection: aiohttp's handler, which also knows since when it idles and keeps errors short."""

    def __init__(self, manager: web.Server, table: Connections, **options: Any) -> None:
        super().__init__(manager, **options)
        self._table = table
        self.link: asyncio.Transport | None = None
        self.busy = False
        self.idle_since = 0.0
        self.unsent_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer has connected."""
        super().connection_made(transport)
        self.link = cast(asyncio.Transport, transport)
        self._table.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self._table.forget(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write what is left of the answer; from then on the connection idles."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.busy = False
            self.idle_since = self._table.now()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A short answer and one line, where aiohttp would write a traceback and send the bytes back."""
        if not isinstance(exc, ConnectionError):
            level = logging.WARNING if status >= 500 else logging.INFO
            logger.log(level, "request answered with %s: %s", status, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        answer = web.Response(status=status, text=f"{status} {HTTPStatus(status).phrase}\n", headers=HEADERS)
        answer.force_close()
        return answer

    def log_exception(self, *_args: Any, **kw: Any) -> None:
        """One line, no traceback."""
        logger.warning("connection closed: %s", type(kw.get("exc_info")).__name__)

    def unsent(self) -> int:
        """Bytes of an answer that the peer has not yet taken from us."""
        return self.link.get_write_buffer_size() if self.link is not None else 0

    def abort(self) -> None:
        """Close now, whatever is still to be sent."""
        if self.link is not None:
            self.link.abort()


class Connections:
    """The open connections, and a timer that runs while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._loop = loop
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self.open: set[Connection] = set()
        self.now = loop.time

    def admit(self, connection: Connection) -> None:
        """Take `connection` in; when full, instead of the one that has idled longest, or not at all."""
        connection.idle_since = self.now()
        if len(self.open) >= self._limits.connections and not self._evict():
            connection.abort()
            return
        self.open.add(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.tick, self._tick)

    def _evict(self) -> bool:
        idle = [each for each in self.open if not each.busy and not each.unsent()]
        if not idle:
            return False
        longest = min(idle, key=lambda each: each.idle_since)
        self.forget(longest)
        longest.abort()
        return True

    def forget(self, connection: Connection) -> None:
        """`connection` is no longer open."""
        self.open.discard(connection)

    def _tick(self) -> None:
        now = self.now()
        for connection in tuple(self.open):
            if self._overdue(connection, now):
                connection.abort()
        self._timer = self._loop.call_later(self._limits.tick, self._tick) if self.open else None

    def _overdue(self, connection: Connection, now: float) -> bool:
        if connection.unsent():
            connection.unsent_since = connection.unsent_since or now
            return now - connection.unsent_since >= self._limits.unsent
        connection.unsent_since = None
        return not connection.busy and now - connection.idle_since >= self._limits.idle

    async def end(self) -> None:
        """Abort every connection, wait until their sockets are closed, and stop looking."""
        for connection in tuple(self.open):
            connection.abort()
        await turns()
        if self._timer is not None:
            self._timer.cancel()


async def turns() -> None:
    """Let what the loop has begun come to its end."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


@web.middleware
async def in_flight(request: web.Request, handler: Any) -> web.StreamResponse:
    """Mark the connection as busy, and refuse what no request here needs: a body."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.busy = True
    if request.match_info.http_exception is None and request.body_exists:
        refusal = web.Response(status=413, text="413 a request here has no body\n", headers=HEADERS)
        refusal.force_close()
        return refusal
    answer: web.StreamResponse = await handler(request)
    return answer


async def dress(_request: web.Request, answer: web.StreamResponse, *, more: Mapping[str, str]) -> None:
    """Give `answer` the headers that all have in common, and `more`."""
    answer.headers.update({**HEADERS, **more})
