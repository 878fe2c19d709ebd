"""A name of a hub: its members, and what those that are gone have left."""

from __future__ import annotations

import weakref
from typing import Any

from bpexporter.primitives.peaks import PeakWindow
from bpexporter.resources.protocols import Ledger, Registry


class Entry:
    """One name: its members, and the totals of the members that are gone."""

    __slots__ = ("members", "name", "next_asked", "peaks", "registry", "requested", "retired_totals", "shown_seconds")

    def __init__(self, registry: Registry, name: str) -> None:
        self.registry = registry
        self.name = name
        self.members: list[Any] = []
        self.requested = False  # somebody has asked for the name
        self.retired_totals: Any = None
        self.peaks: PeakWindow | None = None
        self.shown_seconds: tuple[Any, ...] = ()  # the counted seconds of the last reading
        self.next_asked = 0  # from which member on the next reading asks, where it asks some of them only

    def add(self, ledger: Ledger) -> None:
        """A further member."""
        ledger.entry, ledger.index = self, len(self.members)
        self.members.append(ledger)
        self.requested = self.requested or not ledger.automatic

    def is_only(self, ledger: Ledger) -> bool:
        """Returns whether nothing but `ledger` was ever counted here."""
        return self.retired_totals is None and self.members == [ledger]

    def drop(self, ledger: Ledger) -> bool:
        """A member less, in constant time; whether it was one."""
        members = self.members
        if ledger.index >= len(members) or members[ledger.index] is not ledger:
            return False
        last = members.pop()
        if last is not ledger:
            members[ledger.index] = last
            last.index = ledger.index
        return True


class Owner(weakref.ref[Any]):
    """A weak reference that knows the ledger of its object."""

    __slots__ = ("ledger",)
    ledger: Any
