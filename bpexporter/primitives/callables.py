"""Functions of the application's, called with what they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def fitted(function: Callable[..., Any], most: int) -> Callable[..., Any]:
    """`function`, called with as many of `most` arguments as it takes.

    Raises ``TypeError`` where it needs more, or arguments that have no place.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins do not tell
        return function
    for count in range(most, -1, -1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return function if count == most else _first_arguments(function, count)
    raise TypeError(f"{function!r} cannot be called with {most} arguments or fewer")


def _first_arguments(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    return lambda *arguments: function(*arguments[:count])
