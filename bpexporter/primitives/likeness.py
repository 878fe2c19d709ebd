"""Knowing an item again without holding it.

An identity alone does not do: once an item is gone, the next may come to lie at the same address. An object is known
again by a weak reference, and what takes none (numbers, texts, tuples of such) by what it holds. None of this runs
code of the item's own class.
"""

from __future__ import annotations

import weakref
from typing import Any

PLAIN = frozenset({int, float, complex, str, bytes, bool, type(None)})
# So much of a tuple or list is looked at.
PARTS = 8
# Among more items none is searched by its identity: that would take a millisecond, and the GIL for as long.
SEARCHED = 1 << 15


def likeness_of(item: Any) -> Any:
    """Returns the likeness of `item`, which tells it from another at its address: a weak reference, else a number."""
    kind = type(item)
    if kind in PLAIN:
        return hash(item)
    if kind is tuple:
        return hash(tuple([_part(one) for one in item[:PARTS]]))
    if kind is list:  # entries of a heap are marked as removed in place: their numbers stay
        return hash(tuple([hash(one) for one in item[:PARTS] if type(one) in (int, float)]))
    try:
        return weakref.ref(item)
    except TypeError:
        return id(kind)


def _part(one: Any) -> int:
    return hash(one) if type(one) in PLAIN else id(one)


def is_alike(likeness: Any, item: Any) -> bool:
    """Returns whether `likeness` is the one of `item`."""
    if type(likeness) is weakref.ReferenceType:
        return likeness() is item
    return bool(likeness == likeness_of(item))


def identities(container: Any) -> list[int]:
    """The identities of all in `container`, taken in one step: no other thread changes it meanwhile."""
    try:
        return list(map(id, container))
    except RuntimeError:  # it has changed between the two calls
        return list(map(id, container.copy()))
