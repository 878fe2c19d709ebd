"""``/metrics`` over HTTP: on a thread of our own (`start`), or in an aiohttp application (`mount`).

The exporter's thread is a daemon with its own
event loop: a scrape is answered while the application's loop is stuck, and no end of a process waits for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

from aiohttp import web

from bpexporter.automatic.unseen import unseen
from bpexporter.export.json import judged
from bpexporter.export.registries import checked_registries
from bpexporter.hub.hub import Hub, checked_hub
from bpexporter.server.answers import Answers
from bpexporter.server.composing import own_process
from bpexporter.server.connections import DEFAULT_LIMITS, Limits
from bpexporter.server.door import OPEN, read_web_config
from bpexporter.server.exporter import Exporter, forks
from bpexporter.server.listening import AddressError
from bpexporter.server.page.answers import PageAnswers
from bpexporter.server.state import StateKeeper
from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT

__all__ = ["AddressError", "Exporter", "mount", "start"]


def sources(hub: Hub | None, registries: Iterable[Any]) -> tuple[Hub, tuple[Any, ...]]:
    """`hub`, by default the process's, and `registries`, checked."""
    chosen = checked_hub(hub)
    return chosen, checked_registries(registries, chosen)


def checked_address(host: object, port: object) -> None:
    """Raise for a host or port of the wrong type or range."""
    if not isinstance(host, str):
        raise TypeError(f"host must be a string, not {type(host).__name__}")
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port must be an integer, not {type(port).__name__}")
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be from 0 to 65535, not {port}")


def start(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    hub: Hub | None = None,
    registries: Iterable[Any] = (),
    web_config: str | os.PathLike[str] | None = None,
    _limits: Limits = DEFAULT_LIMITS,
) -> Exporter:
    """Serve ``/metrics``, ``/healthz`` and a page for people at ``/`` on a daemon thread of its own.

    `port` 0 takes a free one. `registries` are ``prometheus_client`` registries to be shown as well; families that are
    ours are shown once, and a registry that takes over a second is shown late. Called again with the address of an
    exporter that runs, it returns that one.

    Raises at once, in the caller: ``OSError`` with its `errno` where the address cannot be listened on;
    ``AddressError``, an ``OSError`` and a ``ValueError``, for a host that is empty or cannot be resolved;
    ``ValueError`` for a port outside 0 to 65535, for a registry that holds a `Collector` of another hub, or when the
    exporter that runs there shows another hub or other registries; ``TypeError`` for arguments of a wrong type.
    """
    checked_address(host, port)
    hub, found = sources(hub, registries)
    with forks.lock:
        running = forks.running.get((host, port))
        if running is not None and running.running:
            if not running.serves(hub, found):
                raise ValueError(f"{running!r} shows another hub or other registries")
            return running
        door = OPEN if web_config is None else read_web_config(os.fspath(web_config))
        exporter = Exporter(host, port, hub=hub, registries=found, limits=_limits, door=door)
        forks.running[host, exporter.port] = exporter
        exporter.launch()
        return exporter


def checked_path(app: web.Application, path: object) -> str:
    """`path`, if a route can be added there."""
    if not isinstance(app, web.Application):
        raise TypeError(f"app must be an aiohttp.web.Application, not {type(app).__name__}")
    if not isinstance(path, str):
        raise TypeError(f"path must be a string, not {type(path).__name__}")
    if not path.startswith("/") or not path.isprintable() or set(path) & set("{}?# "):
        raise ValueError(f"path must be a plain path that begins with '/', not {path[:100]!r}")
    for route in app.router.routes():
        taken = route.resource is not None and route.resource.canonical == path
        if taken and route.method in ("GET", "HEAD", "*"):
            raise ValueError(f"the application has a route for {route.method} {path} already")
    return path


def mount(
    app: web.Application, path: str = "/metrics", *, hub: Hub | None = None, registries: Iterable[Any] = ()
) -> None:
    """Add the metrics to `app`, an aiohttp application, at `path`, for GET and HEAD.

    Rendering does not run on the application's loop; but while that loop is stuck nothing is answered, which
    `start` does better. Raises ``TypeError`` for arguments of a wrong type, ``ValueError`` for a path that is
    not plain or taken, ``RuntimeError`` when the application runs already.
    """
    path = checked_path(app, path)
    hub, found = sources(hub, registries)
    answers = Answers(hub, found, seconds=DEFAULT_LIMITS.render)
    page = PageAnswers(
        answers.worker,
        StateKeeper(hub.snapshot, judge=judged, processes=own_process, unseen=unseen),
        metrics=f"../{path.rpartition('/')[2]}",
        seconds=DEFAULT_LIMITS.render,
    )
    app.router.add_get(path, answers.metrics)
    for route, handler in page.routes(f"{path}/" if path != "/" else "/page/").items():
        app.router.add_get(route, handler)
    app.cleanup_ctx.append(partial(worker_of, answers))
    app.cleanup_ctx.append(partial(keeper_of, page))


async def keeper_of(page: PageAnswers, _app: web.Application) -> AsyncIterator[None]:
    """The history of the page, as long as the application runs."""
    keeping = asyncio.create_task(page.keep())
    yield
    keeping.cancel()


async def worker_of(answers: Answers, _app: web.Application) -> AsyncIterator[None]:
    """The rendering thread, as long as the application runs."""
    answers.worker.open()
    yield
    thread = answers.worker.release()
    for _ in range(200):  # the host's loop goes on while the last page is rendered
        if thread is None or not thread.is_alive():
            break
        await asyncio.sleep(0.01)
