"""Methods of a library's classes, replaced while something of theirs is watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Making = Callable[[Any], Any]


class Replacements:
    """Functions that stand in the place of a class's methods, and what was there before."""

    def __init__(self) -> None:
        self._before: list[tuple[type, str, Any, Any]] = []

    def replace(self, kind: type, name: str, making: Making) -> None:
        """Let `making` make, of the method `name` of `kind`, the one that takes its place."""
        function = making(getattr(kind, name))
        self._before.append((kind, name, vars(kind).get(name), function))
        setattr(kind, name, function)

    def undo(self) -> None:
        """Put the originals back, except where somebody else has replaced ours in the meantime."""
        for kind, name, original, function in reversed(self._before):
            if vars(kind).get(name) is not function:
                continue
            if original is None:  # it was inherited
                delattr(kind, name)
            else:
                setattr(kind, name, original)
        self._before.clear()

    def __bool__(self) -> bool:
        return bool(self._before)
