"""The ledgers of objects of libraries, kept beside them: their classes often have no room for an attribute of ours."""

from __future__ import annotations

import weakref
from typing import Any

_kept: dict[int, tuple[weakref.ref[Any], Any]] = {}


def ledger_of(obj: Any) -> Any:
    """The ledger of `obj`, ``None`` where it is not watched; runs none of the host's code."""
    kept = _kept.get(id(obj))
    return kept[1] if kept is not None and kept[0]() is obj else None


def keep(obj: Any, ledger: Any) -> None:
    """`ledger` is that of `obj` for as long as that lives. Raises ``TypeError`` where no weak reference can be made."""
    key = id(obj)

    def forget(reference: weakref.ref[Any]) -> None:
        kept = _kept.get(key)
        if kept is not None and kept[0] is reference:
            del _kept[key]

    _kept[key] = weakref.ref(obj, forget), ledger


def drop(obj: Any) -> None:
    """`obj` has no ledger any more."""
    if ledger_of(obj) is not None:
        _kept.pop(id(obj), None)
