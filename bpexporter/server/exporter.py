"""The running exporter: a daemon thread, its loop and its socket, from start to stop or fork."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any, Self

from aiohttp import web

from bpexporter.automatic.unseen import unseen
from bpexporter.export.json import judged
from bpexporter.hub.snapshot import Source
from bpexporter.primitives.public import public
from bpexporter.primitives.threads import own_thread
from bpexporter.server.answers import Answers
from bpexporter.server.composing import own_process
from bpexporter.server.connections import (
    DEFAULT_LIMITS,
    Connection,
    Connections,
    Limits,
    dress,
    in_flight,
    logger,
    turns,
)
from bpexporter.server.door import OPEN, Door
from bpexporter.server.doorkeeper import Doorkeeper
from bpexporter.server.listening import BACKLOG, bind, url_of
from bpexporter.server.page.answers import PageAnswers
from bpexporter.server.rendering import workers
from bpexporter.server.state import StateKeeper

START_SECONDS = 10.0
STOP_SECONDS = 5.0
# An answer that is being rendered or read gets so long when the exporter is stopped.
GRACE_SECONDS = 0.5


def make_loop(selector: selectors.BaseSelector) -> asyncio.AbstractEventLoop:
    """A plain loop, whatever policy the host has set."""
    loop = asyncio.SelectorEventLoop(selector)
    loop.set_exception_handler(report)
    return loop


def report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs one line of ours where asyncio would log a traceback."""
    error = context.get("exception")
    if not isinstance(error, ConnectionError):
        logger.warning("%s: %s", context.get("message"), type(error).__name__)


@public
class Exporter:
    """A running endpoint, as `start` makes it. A context manager that stops at the end of the block."""

    host: str
    """As given to `start`."""
    port: int
    """The port that is listened on, also where 0 asked for a free one."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        hub: Source,
        registries: tuple[Any, ...] = (),
        limits: Limits = DEFAULT_LIMITS,
        sock: socket.socket | None = None,
        door: Door = OPEN,
        keeper: StateKeeper | None = None,
    ) -> None:
        self.host = host
        self._door = door
        self._limits = limits
        self._sources = (hub, registries)
        self._answers = Answers(hub, registries, seconds=limits.render)
        state = keeper or StateKeeper(hub.snapshot, judge=judged, processes=own_process, unseen=unseen)
        self._page = PageAnswers(self._answers.worker, state, metrics="metrics", seconds=limits.render)
        self._socket = sock or bind(host, port)
        self.port = self._socket.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.connections: Connections | None = None
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bpexporter-http", daemon=True)

    @property
    def url(self) -> str:
        """The address of the metrics; with every interface listened on, as seen from this machine."""
        return url_of(self.host, self.port, secure=self._door.tls is not None)

    @property
    def running(self) -> bool:
        """True while it serves."""
        return self._thread.is_alive() and self._failure is None

    def serves(self, hub: Source, registries: tuple[Any, ...]) -> bool:
        """Returns whether it shows exactly `hub` and `registries`."""
        mine, own = self._sources
        return mine is hub and len(own) == len(registries) and all(map(_same, own, registries))

    def __repr__(self) -> str:
        return f"<bpexporter.Exporter {self.url} {'running' if self.running else 'stopped'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    # Life ---------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the threads; raises here what they meet."""
        try:
            self._answers.worker.open()
            self._thread.start()
        except BaseException:
            self._release()
            raise
        if not self._ready.wait(START_SECONDS):
            self.stop()
            raise RuntimeError(f"the exporter's thread did not begin to serve within {START_SECONDS} s")
        if self._failure is not None:
            self.stop()
            raise self._failure

    def stop(self) -> None:
        """Stop serving and close everything; again does nothing.

        May be called from any thread and from coroutines of the application. It waits for the exporter's
        threads, as a rule some milliseconds, 7 seconds at most.
        """
        with forks.lock:
            if self._thread.is_alive():
                self._signal_end()
                if self._thread is not threading.current_thread():
                    self._thread.join(STOP_SECONDS)
            if not self._thread.is_alive():
                self._release()
            forget(self)

    def _signal_end(self) -> None:
        self._ready.wait(START_SECONDS)
        if self._loop is not None:
            with suppress(RuntimeError):  # it has closed in the meantime
                self._loop.call_soon_threadsafe(self._ended.set)

    def _release(self) -> None:
        self._answers.worker.close()
        self._socket.close()
        self._selector.close()

    # On the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with (
                own_thread(),
                asyncio.Runner(debug=False, loop_factory=partial(make_loop, self._selector)) as runner,
            ):
                self._loop = runner.get_loop()
                runner.run(self._serve(self._loop))
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                logger.warning("the exporter at %s has ended: %s", self.url, type(error).__name__)
        finally:
            self._ready.set()

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        options: dict[str, Any] = {"keepalive_timeout": self._limits.keepalive, "access_log": None}
        runner = web.AppRunner(
            self._app(),
            handle_signals=False,
            handler_cancellation=True,  # who hangs up waits no more
            shutdown_timeout=GRACE_SECONDS,
            **options,
        )
        await runner.setup()
        connections = self.connections = Connections(loop, self._limits)
        options |= {"loop": loop, "logger": logger, "lingering_time": 1.0, "auto_decompress": False}
        assert runner.server is not None
        make = partial(Connection, runner.server, connections, **options)
        server = await loop.create_server(make, sock=self._socket, backlog=BACKLOG, ssl=self._door.tls)
        self._ready.set()
        keeping = loop.create_task(self._page.keep())
        try:
            await self._ended.wait()
        finally:
            keeping.cancel()
            loop.remove_reader(self._socket)
            await turns()  # a server that is closed leaks the connections it is just accepting (CPython 3.13)
            server.close()
            await runner.cleanup()
            await connections.end()

    def _app(self) -> web.Application:
        answers = self._answers
        keeper = Doorkeeper(self._door, host=self.host, bound=self._socket.getsockname()[0])
        app = web.Application(middlewares=[in_flight, keeper.middleware()])
        app.on_response_prepare.append(partial(dress, more=self._door.headers))
        app.router.add_get("/metrics", answers.metrics)
        app.router.add_get("/healthz", answers.health)
        for path, handler in self._page.routes().items():
            app.router.add_get(path, handler)
        return app

    # After a fork -------------------------------------------------------------------------------

    def abandon(self) -> None:
        """In a forked child: close the child's copies of what the parent goes on using.

        Plain ``close()`` of descriptors only: whatever speaks to the peer or to the selector's kernel object
        would reach the parent.
        """
        self._thread = threading.Thread()
        self._selector.close()
        self._socket.close()
        loop: Any = self._loop
        if loop is not None:
            loop.set_exception_handler(lambda *_: None)
            for transport in list(loop._transports.values()):
                discard(transport)
            loop._ssock.close()
            loop._csock.close()
            loop._closed = True  # its finalizer would unregister the parent's descriptors


def discard(transport: Any) -> None:
    """Close the socket of `transport` without a word to its peer or its loop."""
    sock = getattr(transport, "_sock", None)
    if sock is not None:
        transport._sock = None
        sock.close()


def _same(one: object, other: object) -> bool:
    return one is other


class Forks:
    """Replaces, in a forked child, the lock, and the exporters whose threads it does not have."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may stop what the main thread is about to start.
        self.lock = threading.RLock()
        self.running: dict[tuple[str, int], Exporter] = {}
        self.abandoned: list[Exporter] = []

    def in_child(self) -> None:
        """Runs in the child before anything else does."""
        self.lock = threading.RLock()
        for worker in tuple(workers):
            worker.reset()
        abandoned, self.running = list(self.running.values()), {}
        self.abandoned += abandoned  # no finalizer of theirs may run
        for exporter in abandoned:
            with suppress(Exception):
                exporter.abandon()


forks = Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forks.in_child)


def forget(exporter: Exporter) -> None:
    """`exporter` is no longer found by `start`."""
    for address, running in tuple(forks.running.items()):
        if running is exporter:
            del forks.running[address]
