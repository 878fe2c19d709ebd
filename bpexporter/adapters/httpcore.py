"""The pool of httpcore, with which httpx makes its requests: connections at most, requests that have one, that wait.

When a connection is free httpcore gives it to all requests that wait, and all but one of them wait again. A request is
one acquire, with one wait over all of these; it is counted when it has its answer.
"""

from __future__ import annotations

import functools
import sys
from contextvars import ContextVar
from typing import Any

from bpexporter.adapters.ledgers import ledger_of
from bpexporter.adapters.shape import Adapter, Limiter, Replacing
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.reading import Level
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import guarded


def level(pool: Any) -> Level:
    """Requests that have a connection; over HTTP/2 several share one, and the pool is full at most."""
    most = pool._max_connections
    taken = sum(request.connection is not None for request in pool._requests.copy())
    return Level(None, taken) if most >= sys.maxsize else Level(most, min(taken, most))


class Call:
    """A request on its way through the pool."""

    __slots__ = ("has_connection", "ledger", "token", "waited")

    def __init__(self, ledger: LimiterLedger) -> None:
        self.ledger = ledger
        self.token: object = None
        self.waited = 0.0
        self.has_connection = False

    def begin(self) -> None:
        """It waits, the first time or again."""
        self.has_connection = False
        if self.token is None:
            self.token = waiting_token(self.ledger.blocked)
            self.ledger.begin(self.token)
        else:
            self.ledger.blocked.resume(self.token, self.ledger.clock())

    def end(self) -> None:
        """It waits no more."""
        self.waited += self.ledger.end_wait(self.ledger.blocked, self.token)

    def settle(self) -> None:
        """It has its answer, or was given up."""
        if self.has_connection:
            self.ledger.waits.feed(self.waited)
            self.ledger.acquires += 1
        else:
            self.ledger.refused_cancelled += 1


_call: ContextVar[Call | None] = ContextVar("bpexporter_request", default=None)


def handling(sort: Limiter, original: Any) -> Any:
    """Makes a request, and records."""

    @functools.wraps(original)
    async def handle(self: Any, request: Any) -> Any:
        ledger = ledger_of(self)
        if ledger is None:
            return await original(self, request)
        call = Call(ledger)
        outer = _call.set(call)
        try:
            return await original(self, request)
        finally:
            _call.reset(outer)
            guarded(call.settle)
            guarded(sort.note, ledger, self)

    return handle


def waiting(sort: Limiter, original: Any) -> Any:
    """Waits for a connection, and records."""

    @functools.wraps(original)
    async def wait(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _call.get()
        if call is None:
            return await original(self, *args, **kwargs)
        if self.connection is None:
            guarded(call.begin)
        try:
            connection = await original(self, *args, **kwargs)
        finally:
            guarded(call.end)
        call.has_connection = True
        return connection

    return wait


ADAPTER = Adapter(
    library="httpcore",
    tried=("1.0.3", "1.0"),
    sorts=(
        Limiter(
            module="httpcore._async.connection_pool",
            name="AsyncConnectionPool",
            libraries=("httpx",),
            is_named=True,
            level=level,
            methods=(
                Replacing(method="handle_async_request", making=handling),
                Replacing(method="wait_for_connection", of="AsyncPoolRequest", making=waiting),
            ),
        ),
    ),
)
