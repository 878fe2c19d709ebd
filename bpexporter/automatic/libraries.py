"""Objects of libraries for which there is an adapter: each that is made, and what it is called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType, ModuleType
from typing import Any

from bpexporter.adapters.known import modules
from bpexporter.adapters.replacing import Replacements
from bpexporter.faults import faults
from bpexporter.naming.places import MOST_FRAMES, Place, place_of
from bpexporter.primitives.imports import Then, forget, when_imported
from bpexporter.resources.origins import module_name, plain, written

# Watches an object that was made at a place, where it is wanted.
Made = Callable[[object, Place | None], None]

# Modules of the standard library that call for whom they are asked to.
BETWEEN = "typing", "functools", "contextlib"

_waiting: dict[str, Then] = {}
_replaced: dict[str, Replacements] = {}


def know_libraries(made: Made) -> None:
    """Tell `made` of each object from now on for which there is an adapter."""
    for module in modules():
        if module not in _waiting:
            _waiting[module] = partial(_hook, made)
            when_imported(module, _waiting[module])


def forget_libraries() -> None:
    """Know of no further object."""
    for module, then in _waiting.items():
        forget(module, then)
    _waiting.clear()
    for replacements in _replaced.values():
        replacements.undo()
    _replaced.clear()


def _hook(made: Made, module: ModuleType) -> None:
    from bpexporter.adapters.choosing import sorts_of

    name = module.__name__
    _replaced.setdefault(name, Replacements())
    for sort in sorts_of(name):
        for kind in sort.classes()[:1]:  # none, where this version has no such class
            _replaced[name].replace(kind, sort.made, partial(_making, sort, made))


def _making(sort: Any, made: Made, original: Any) -> Any:
    """Returns what takes the place of `original`, after which an object is whole."""

    def tell(obj: Any, frame: FrameType) -> None:
        try:
            made(obj, place_of_library(sort, obj, frame))
        except Exception as error:
            faults.swallow(error, f"a new {sort.name}")

    if sort.made == "__init__":

        def constructor(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            tell(self, sys._getframe(1))

        return functools.wraps(original)(constructor)

    async def opened(self: Any, *args: Any, **kwargs: Any) -> Any:
        got = await original(self, *args, **kwargs)
        tell(self, sys._getframe(1))
        return got

    return functools.wraps(original)(opened)


# Names ---------------------------------------------------------------------------------------------------


def place_of_library(sort: Any, obj: object, frame: FrameType) -> Place | None:
    """Returns the place of `obj`: where the library was called. ``None`` for a part of something that is watched."""
    package = sort.module.partition(".")[0]
    own = {package, *BETWEEN, *sort.libraries}
    outside: FrameType | None = frame
    for _ in range(MOST_FRAMES * 2):
        if outside is None or module_name(outside.f_globals).partition(".")[0] not in own:
            break
        name = sort.functions.get(outside.f_code.co_name)
        if name is not None:
            return Place(name, (package,), adapted=True) if name else None
        outside = outside.f_back
    found = place_of(obj, outside, inside=sort.inside)
    kind = f"{package}.{plain(type(obj).__qualname__)}"
    if found is None:
        return Place(written(kind), (sort.module,), adapted=True)
    name = f"{kind}:{found.name}" if sort.is_named else found.name
    return Place(written(name), (*found.modules, sort.module), adapted=True)
