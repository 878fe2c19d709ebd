"""Answers to what the page asks: itself, its files, the state and the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from bpexporter.server.answers import joined, refuse, send
from bpexporter.server.connections import HEADERS
from bpexporter.server.history import STEP_SECONDS
from bpexporter.server.negotiating import accepts_gzip, has_already
from bpexporter.server.page import assets
from bpexporter.server.rendering import NotRendered, Worker
from bpexporter.server.state import Question, StateKeeper

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# So many readings may be chosen by name.
MOST_READINGS = 64
# Headers that every answer of the page carries besides.
GUARDED = {"Content-Security-Policy": assets.POLICY, "Referrer-Policy": "no-referrer"}


class PageAnswers:
    """The handlers of the page and of what feeds it. `metrics` is the address of the metrics, as seen from the page."""

    def __init__(self, worker: Worker, keeper: StateKeeper, *, metrics: str, seconds: float) -> None:
        self._worker = worker
        self._keeper = keeper
        self._metrics = metrics
        self._seconds = seconds

    def routes(self, base: str = "/") -> dict[str, Handler]:
        """The handlers by their paths, which begin with `base`."""
        return {
            base: self.page,
            f"{base}page/{{name}}": self.file,
            f"{base}api/state": self.state,
            f"{base}api/catalogue": self.catalogue,
        }

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page."""
        return await _sent(request, assets.page(self._metrics))

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A style or a script of the page."""
        found = assets.files().get(request.match_info["name"])
        if found is None:
            return web.Response(status=404, text="404 there is no such file\n", headers=HEADERS)
        return await _sent(request, found)

    async def catalogue(self, request: web.Request) -> web.StreamResponse:
        """Answers with the meaning of the fields of readings."""
        return await _sent(request, assets.File(assets.catalogue(), "application/json"))

    async def state(self, request: web.Request) -> web.StreamResponse:
        """The state; with ``?since=N`` only the history after the step N, with ``?readings=`` only these readings."""
        asked = _question(request)
        zipped = accepts_gzip(joined(request, "Accept-Encoding"))
        try:
            tag = (await self._ask(("tag", asked.readings), lambda: self._keeper.tag(asked).encode())).decode()
            # weak: it stands for the state, compressed or not
            headers = {"Content-Type": "application/json", "ETag": f"W/{tag}", "Vary": "Accept-Encoding"}
            if has_already(joined(request, "If-None-Match"), tag):
                return web.Response(status=304, headers=HEADERS | headers)
            body = await self._ask(("state", tag, asked, zipped), partial(self._keeper.state, asked, compressed=zipped))
        except NotRendered as error:
            return refuse(request, error.status, str(error))
        except TimeoutError:
            return refuse(request, 503, f"no state within {self._seconds} s")
        return await send(request, body, headers | ({"Content-Encoding": "gzip"} if zipped else {}))

    async def _ask(self, key: tuple[object, ...], work: Callable[[], bytes]) -> bytes:
        async with asyncio.timeout(self._seconds):
            return await self._worker.ask(key, work)

    async def keep(self) -> None:
        """Remember the present every few seconds, whoever looks, until cancelled."""
        while True:
            await asyncio.sleep(STEP_SECONDS)
            try:
                await self._ask(("keep",), self._kept)
            except (NotRendered, TimeoutError):
                continue  # counted where it failed; the next step may succeed

    def _kept(self) -> bytes:
        self._keeper.keep()
        return b""


def _question(request: web.Request) -> Question:
    readings = request.query.getall("readings", None)
    chosen = None if readings is None else frozenset(filter(None, readings[:MOST_READINGS]))
    return Question(_step(request.query.get("since", "")), chosen)


def _step(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


async def _sent(request: web.Request, file: assets.File) -> web.StreamResponse:
    return await send(request, file.body, {"Content-Type": file.content_type, **GUARDED})
