"""An event loop whose time passes only when nothing else is left to do: a minute takes milliseconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from bpexporter import Hub


class Skipping(selectors.SelectSelector):
    """A selector that, asked to wait, lets the time pass instead."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: nothing is scheduled any more")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.skipping = Skipping()
        super().__init__(self.skipping)

    def time(self) -> float:
        return self.skipping.now


def run(main: Coroutine[Any, Any, Any], monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Run `main` in virtual time, with a default hub on the same clock; that hub."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        hub = Hub(clock=runner.get_loop().time)
        monkeypatch.setattr("bpexporter.hub.hub.default_hub", hub)
        runner.run(main)
    return hub
