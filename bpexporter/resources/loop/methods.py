"""The methods of loops' classes that say when a loop begins to run and when it closes, while somebody wants to know.

On asyncio's loops and on uvloop's: its Python class can be given methods, and calls its own ones through them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from bpexporter.primitives.imports import forget, when_imported
from bpexporter.resources.patching import dressed, guarded

Told = Callable[[Any], None]


class Lives:
    """Tells `begins` of each loop that is about to run, on its thread, and `ends` of each that is about to close."""

    def __init__(self, begins: Told, ends: Told) -> None:
        self._told = {"run_forever": begins, "close": ends}
        self._replaced: list[tuple[Any, str, Any]] = []  # class, name, our method
        self._followed: set[type] = set()

    def install(self) -> None:
        """Follow the classes that are loaded, each once, and those that are loaded later."""
        if not self._followed:
            when_imported("uvloop", self._loaded)
        self._follow()

    def _loaded(self, _uvloop: ModuleType) -> None:
        self._follow()

    def _follow(self) -> None:
        for kind in loop_classes():
            if kind not in self._followed:
                self._followed.add(kind)
                for name, told in self._told.items():
                    self._replace(kind, name, told)

    def uninstall(self) -> None:
        """Put the originals back, except where somebody else has replaced ours in the meantime."""
        for kind, name, ours in self._replaced:
            if vars(kind).get(name) is ours:
                _put_back(kind, name, ours.original)
        forget("uvloop", self._loaded)
        self._replaced.clear()
        self._followed.clear()

    def _replace(self, kind: Any, name: str, told: Told) -> None:
        original = getattr(kind, name)

        def ours(self: Any) -> None:
            guarded(told, self)
            original(self)

        dressed(ours, original)
        ours.original = original  # type: ignore[attr-defined]
        setattr(kind, name, ours)
        self._replaced.append((kind, name, ours))


def _put_back(kind: Any, name: str, original: Any) -> None:
    delattr(kind, name)
    if getattr(kind, name, None) is not original:  # it was the class's own, and not inherited
        setattr(kind, name, original)


def loop_classes() -> Iterator[Any]:
    """The classes whose loops can be followed, of those that are loaded."""
    yield asyncio.BaseEventLoop
    uvloop = sys.modules.get("uvloop")
    if isinstance(getattr(uvloop, "Loop", None), type):
        yield uvloop.Loop  # type: ignore[union-attr]
