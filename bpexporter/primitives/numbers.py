"""Numbers as the host means them: what compares as a number counts as one, also numpy's, decimals and fractions."""

from __future__ import annotations

import math
import operator
from typing import Any

BUILT_IN = (int, float)
# Modules whose numbers run no code of the host's; none of them is loaded for it.
HARMLESS = frozenset({"builtins", "decimal", "fractions", "numpy"})


def as_number(value: Any) -> int | float | None:
    """`value` as an `int` or `float`, ``None`` where it is none. Runs code of the class of `value`."""
    if type(value) in BUILT_IN:
        return None if value != value else value
    try:
        return operator.index(value)
    except TypeError:
        pass
    try:
        number = float(value) if not isinstance(value, (str, bytes, bytearray)) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def is_harmless(value: Any) -> bool:
    """Returns whether a number can be made of `value` without any code of the host's."""
    return type(value).__module__ in HARMLESS


def share(part: float, whole: float) -> float:
    """`part` of `whole`, 0 to 1, where a limit may be exceeded: `maxsize` is no whole number, or was lowered."""
    ratio = part / whole
    return ratio if 0.0 <= ratio <= 1.0 else min(1.0, max(0.0, ratio))
