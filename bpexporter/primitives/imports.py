"""Hears of a module's import, so that what concerns a library is done when, and only when, a program loads it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

from bpexporter.faults import faults


class Imports:
    """Finds nothing itself: it lets the others find, and tells who waits for the module once it is loaded."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def when_loaded(self, module: str, call: Callable[[], None]) -> None:
        """Call `call` when `module` has been imported; now, where it has been already."""
        if module in sys.modules:
            call()
            return
        self._waiting.setdefault(module, []).append(call)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def forget(self, module: str, call: Callable[[], None]) -> None:
        """Call `call` for `module` no more."""
        calls = self._waiting.get(module, [])
        if call in calls:
            calls.remove(call)
        if not any(self._waiting.values()) and self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """What the other finders find, with a loader that tells; asked by the import system."""
        calls = self._waiting.pop(name, None)
        if calls is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            self._waiting[name] = calls
            return None
        try:
            _tell(spec.loader, calls)
        except Exception as error:  # a loader of the host's to which nothing can be added
            faults.swallow(error, f"the import of {name}")
        return spec


def _tell(loader: Any, calls: list[Callable[[], None]]) -> None:
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        del loader.exec_module
        execute(module)
        for call in calls:
            try:
                call()
            except Exception as error:
                faults.swallow(error, "a library that was imported")

    loader.exec_module = exec_module


imports = Imports()
