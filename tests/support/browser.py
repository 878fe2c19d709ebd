"""A real Chromium for tests of the page: what it complains of, and what it asks of others, fails the test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from needs import needs

# Without these it calls home at its start.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


class Opened:
    """A page, and what went wrong on it."""

    def __init__(self, page: Any, host: str) -> None:
        self.page = page
        self.host = host
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        # A server that does not answer is what some tests are about.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.elsewhere.append(request.url)


@contextlib.asynccontextmanager
async def opened(url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> AsyncIterator[Opened]:
    """`url` in a Chromium of its own; at the end it must have complained of nothing and asked nobody else."""
    program = needs("chromium")
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=list(FLAGS))
        scheme = "dark" if dark else "light"
        context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        seen = Opened(await context.new_page(), urlsplit(url).netloc)
        try:
            await seen.page.goto(url)
            await seen.page.wait_for_selector('#link[data-state="live"]')
            yield seen
        finally:
            await browser.close()
    assert (seen.errors, seen.elsewhere) == ([], [])
