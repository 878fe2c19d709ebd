"""The stalled seconds so far of what a trigger looks at."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from bpexporter.hub.registry import Registry
from bpexporter.watching.watch import ledger_of


def kind_of(registry: Registry, name: str, kind: str | None) -> str:
    """The kind of what is watched under `name`."""
    kinds = [one for one in registry.kinds_of(name) if kind in (None, one)]
    if not kinds:
        raise LookupError(f"nothing is watched under {name[:100]!r}" + (f" as a {kind}" if kind else ""))
    if len(kinds) > 1:
        raise ValueError(f"{name[:100]!r} is the name of a {' and of a '.join(kinds)}: say which with kind=")
    return kinds[0]


def total_of_object(owner: weakref.ref[Any]) -> Callable[[], float | None]:
    """The stalled seconds so far of one object; ``None`` when it is gone or no longer watched."""

    def total() -> float | None:
        obj = owner()
        ledger = ledger_of(obj) if obj is not None else None
        return stalled_seconds(ledger) if ledger is not None else None

    return total


def total_of_name(registry: Registry, kind: str, name: str) -> Callable[[], float | None]:
    """The stalled seconds so far of all members of a name, those that are gone included."""

    def total() -> float:
        retired, ledgers = registry.under(kind, name)
        return (retired.stalled_seconds if retired is not None else 0.0) + sum(map(stalled_seconds, ledgers))

    return total


def stalled_seconds(ledger: Any) -> float:
    """The stalled seconds so far that one ledger holds."""
    return float(ledger.instrument.stalled_seconds(ledger, ledger.clock()))
