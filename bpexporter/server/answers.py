"""Answers to requests: which page, in which format, and what when there is none."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable
from typing import Any

from aiohttp import web

from bpexporter.export.registries import OUR_SAMPLES
from bpexporter.export.text import render
from bpexporter.faults import faults
from bpexporter.hub.snapshot import Source
from bpexporter.server.connections import HEADERS, logger
from bpexporter.server.foreign import ForeignRegistry
from bpexporter.server.negotiating import accepts_gzip, negotiate
from bpexporter.server.rendering import NotRendered, Worker

# aiohttp waits for the peer after each piece, so that a slow reader holds two pieces and not a page.
PIECE_BYTES = 1 << 17


def joined(request: web.Request, header: str) -> str:
    """All values of `header`, as one."""
    return ",".join(request.headers.getall(header, []))


async def send(request: web.Request, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """Send `body` in pieces, each when the peer has taken those before."""
    answer = web.StreamResponse(headers=HEADERS | headers)
    answer.content_length = len(body)
    await answer.prepare(request)
    if request.method != "HEAD":
        view = memoryview(body)
        for start in range(0, len(view), PIECE_BYTES):
            await answer.write(view[start : start + PIECE_BYTES])
    await answer.write_eof()
    return answer


class Answers:
    """The handlers of the endpoint of one source, which is a hub or a folder."""

    def __init__(self, hub: Source, registries: tuple[Any, ...], *, seconds: float) -> None:
        self.worker = Worker()
        self._hub = hub
        self.foreign = [ForeignRegistry(registry) for registry in registries]
        self._seconds = seconds

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """``/metrics``: text or OpenMetrics, as `Accept` asks; only families in `name[]`, where given."""
        openmetrics, content_type = negotiate(joined(request, "Accept"))
        names = frozenset(filter(None, request.query.getall("name[]", [])))
        zipped = accepts_gzip(joined(request, "Accept-Encoding"))
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return await self._answer(request, self._metrics(openmetrics, names, zipped), headers)

    async def _metrics(self, openmetrics: bool, names: frozenset[str], zipped: bool) -> bytes:
        others = await self._others(openmetrics, names)

        def work() -> bytes:
            body = render(self._hub, openmetrics=openmetrics, names=names, others=others)
            return gzip.compress(body, 1, mtime=0) if zipped else body

        return await self.worker.ask((openmetrics, names, zipped, others), work)

    async def _others(self, openmetrics: bool, names: frozenset[str]) -> tuple[bytes, ...]:
        """The lines of the application's registries; they are not asked for what is ours alone."""
        if names and names <= OUR_SAMPLES:
            return ()
        asked = (one.lines(openmetrics=openmetrics, names=names) for one in self.foreign)
        return tuple(await asyncio.gather(*asked))

    async def health(self, _request: web.Request) -> web.Response:
        """``/healthz``: the exporter lives; says nothing of the application."""
        return web.Response(text="ok\n", headers=HEADERS)

    async def _answer(
        self, request: web.Request, asking: Awaitable[bytes], headers: dict[str, str]
    ) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._seconds):
                body = await asking
        except NotRendered as error:
            return refuse(request, error.status, str(error))
        except TimeoutError:
            return refuse(request, 503, f"not rendered within {self._seconds} s")
        return await send(request, body, headers)


def refuse(request: web.Request, status: int, reason: str) -> web.Response:
    """An error of ours: one line in the log, one more in the count, and its status."""
    faults.count += 1
    logger.warning("%s answered with %s: %s", request.path, status, reason)
    return web.Response(status=status, text=f"{status} see the log of bpexporter.server\n", headers=HEADERS)
