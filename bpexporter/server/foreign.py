"""Registries of the application's, rendered on threads of their own: one that hangs costs its own lines and not ours.

A page waits for a registry for a second. What comes later is shown by the next page, and rendered anew behind it; of a
registry that never answers there are no lines.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import Any, NamedTuple

from bpexporter.export.registries import render_registry
from bpexporter.faults import faults
from bpexporter.server.rendering import NotRendered, describe, workers

PATIENCE = 1.0
# Choices of format and names of which one registry may have a rendering at a time: each is a thread.
MOST_RENDERINGS = 8

Key = tuple[bool, frozenset[str]]


class Rendering(NamedTuple):
    """Lines that are being rendered, or were and nobody has taken."""

    begun: float
    lines: Future[bytes | BaseException]


class ForeignRegistry:
    """One registry of the application's; may be asked from several loops."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry
        self.reset()
        workers.add(self)

    def reset(self) -> None:
        """Begin anew without threads, as a forked child must."""
        self._renderings: dict[Key, Rendering] = {}
        self._warned = False

    async def lines(self, *, openmetrics: bool, names: frozenset[str]) -> bytes:
        """Its lines, those of the rendering before where this one takes too long; none where there are none."""
        key = openmetrics, names
        rendering = self._renderings.get(key) or self._begin(key)
        if rendering is None:
            return self._left_out()
        waited = time.monotonic() - rendering.begun
        await asyncio.wait([asyncio.wrap_future(rendering.lines)], timeout=max(0.0, PATIENCE - waited))
        if not rendering.lines.done():
            return self._left_out()
        self._take(key, rendering)
        if waited > PATIENCE:
            self._begin(key)
        return _result(rendering)

    def _begin(self, key: Key) -> Rendering | None:
        for done in [key for key, one in self._renderings.copy().items() if one.lines.done()]:
            self._renderings.pop(done, None)
        if len(self._renderings) >= MOST_RENDERINGS:
            return None
        rendering = self._renderings[key] = Rendering(time.monotonic(), Future())
        arguments = (rendering.lines, *key)
        threading.Thread(target=self._render, args=arguments, name="bpexporter-registry", daemon=True).start()
        return rendering

    def _take(self, key: Key, rendering: Rendering) -> None:
        if self._renderings.get(key) is rendering:
            del self._renderings[key]

    def _render(self, lines: Future[bytes | BaseException], openmetrics: bool, names: frozenset[str]) -> None:
        try:
            lines.set_result(render_registry(self.registry, openmetrics=openmetrics, names=names))
        except BaseException as error:  # a host's collector may raise SystemExit: not on this thread
            lines.set_result(error)  # as an exception, asyncio would complain that nobody has asked for it

    def _left_out(self) -> bytes:
        faults.count += 1
        if not self._warned:
            self._warned = True
            faults.warn("bpexporter: a registry of the application's takes over %s s; its lines are late", PATIENCE)
        return b""


def _result(rendering: Rendering) -> bytes:
    result = rendering.lines.result()
    if isinstance(result, bytes):
        return result
    try:
        faults.swallow(result, "a registry of the application's")
    except BaseException:
        raise NotRendered(500, describe(result)) from None
    return b""
