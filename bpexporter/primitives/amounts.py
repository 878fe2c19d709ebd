"""Numbers as the host means them: whole ones, floats, numpy's, decimals and fractions; what is none is unknown."""

from __future__ import annotations

import math
from typing import Any

# Modules whose numbers become floats by code of their own, and none of the host's.
MODULES = ("numpy", "decimal", "fractions")


def amount(value: Any) -> float | None:
    """`value` as a number that can be counted with; ``None`` where it is none, or not finite.

    May be called on any thread: runs none of the host's code.
    """
    kind = type(value)
    if kind is int:
        return value  # type: ignore[no-any-return]
    if issubclass(kind, int):
        return int.__add__(value, 0)
    if issubclass(kind, float):
        found = float.__add__(value, 0.0)
    elif kind.__module__ in MODULES and hasattr(kind, "__float__"):
        found = float(value)
    else:
        return None
    if not math.isfinite(found):
        return None
    return int(found) if found.is_integer() else found
