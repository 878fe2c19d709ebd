"""Actions that wait until the program has imported a module, if it ever does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from bpexporter.faults import faults

Then = Callable[[ModuleType], None]

_waiting: dict[str, list[Then]] = {}


class Finder:
    """The first to be asked for a module: lets the others find it, and says when it is loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec that the other finders give for a module that is waited for."""
        if name not in _waiting:
            return None
        for finder in list(sys.meta_path):
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                _call(_tell, spec, name)
                return spec
        return None


_finder = Finder()


def _tell(spec: ModuleSpec, name: str) -> None:
    loader: Any = spec.loader
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module  # what follows is the loader's own again
        load(module)
        for then in _waiting.pop(name, ()):
            _call(then, module)

    loader.exec_module = exec_module


def _call(function: Callable[..., None], *arguments: Any) -> None:
    try:
        function(*arguments)
    except Exception as error:
        faults.swallow(error, "a module that was imported")


def when_imported(name: str, then: Then) -> None:
    """Call `then` with the module `name`: now where it is imported already, else right after it is."""
    module = sys.modules.get(name)
    if module is not None:
        then(module)
        return
    waiting = _waiting.setdefault(name, [])
    if then not in waiting:
        waiting.append(then)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def forget(name: str, then: Then) -> None:
    """Do not call `then` for the module `name` any more."""
    waiting = [one for one in _waiting.pop(name, ()) if one != then]
    if waiting:
        _waiting[name] = waiting
    if not _waiting and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
