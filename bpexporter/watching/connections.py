"""One line for a server, one for a client: `watched_handler()` and `watched_connection()`.

What the caller has written wrongly is refused at the call; what happens at a connection is the application's own, and
an error of ours is swallowed there.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import FunctionType, MethodType
from typing import Any, TypeVar

from bpexporter.faults import faults
from bpexporter.hub.hub import Hub, checked_hub
from bpexporter.hub.names import checked_name
from bpexporter.watching.watch import watch

Result = TypeVar("Result")
Streams = TypeVar("Streams", bound=tuple[asyncio.StreamReader, asyncio.StreamWriter])


def watched_handler(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Result], name: str, *, hub: Hub | None = None
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Result]:
    """`handler`, with the writer of each connection watched under `name` before it begins.

    For `asyncio.start_server()` and `start_unix_server()`: ``await
    asyncio.start_server(bpexporter.watched_handler(handle, "echo"), "127.0.0.1", 8888)``. What comes back is called as
    `handler` is, and gives what it gives: a coroutine, which the server makes a task of, or nothing.

    Raises at once, not at the first connection: ``TypeError`` for what cannot be called, for a name that is no string
    and a hub that is none; ``ValueError`` for a name as in `watch()`.
    """
    if not callable(handler):
        raise TypeError(f"handler must be a function of reader and writer, not {type(handler).__name__}")
    plain = _checked(name, hub)

    def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Result:
        _watch(writer, plain, hub)
        return handler(reader, writer)

    _dress(watched, handler)
    return watched


def watched_connection(
    connecting: Awaitable[Streams], name: str, *, hub: Hub | None = None
) -> Coroutine[Any, Any, Streams]:
    """Reader and writer of `connecting`, with the writer watched under `name`.

    For `asyncio.open_connection()`, `open_unix_connection()` and whatever else is awaited for a reader and a writer:
    ``reader, writer = await bpexporter.watched_connection(asyncio.open_connection(host, port), "upstream")``. It goes
    around the call, and takes no address itself, so that every way to connect and each of its options stays as it is.

    Raises at once: ``TypeError`` for what cannot be awaited, for a name that is no string and a hub that is none;
    ``ValueError`` for a name as in `watch()`. A connection that fails or is cancelled does so as without.
    """
    if not inspect.isawaitable(connecting):
        raise TypeError(f"connecting must be awaitable, as asyncio.open_connection() is, not {connecting!r}")
    try:
        plain = _checked(name, hub)
    except BaseException:
        if inspect.iscoroutine(connecting):  # or Python warns besides that nobody awaited it
            connecting.close()
        raise
    return _connected(connecting, plain, hub)


async def _connected(connecting: Awaitable[Streams], name: str, hub: Hub | None) -> Streams:
    streams = await connecting
    try:
        writer = streams[1]
    except Exception as error:  # something else than a pair is the application's own affair
        faults.swallow(error, "watching a connection")
    else:
        _watch(writer, name, hub)
    return streams


def _checked(name: str, hub: Hub | None) -> str:
    checked_hub(hub)
    return checked_name(name)


def _watch(writer: asyncio.StreamWriter, name: str, hub: Hub | None) -> None:
    try:
        watch(writer, name, hub=hub)
    except Exception as error:
        faults.swallow(error, "watching a connection")


def _dress(watched: Any, handler: Any) -> None:
    """Let help() and inspect see `handler`; of an object with a state of its own, not that state."""
    own = functools.WRAPPER_UPDATES if isinstance(handler, (FunctionType, MethodType)) else ()
    functools.update_wrapper(watched, handler, updated=own)
    if sys.version_info >= (3, 12) and inspect.iscoroutinefunction(handler):
        inspect.markcoroutinefunction(watched)
