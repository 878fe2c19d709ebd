"""A name of a hub: what it may be, its members, and what those that are gone have left.

Floor 3.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol

from bpexporter.clocks import PeakWindow

if TYPE_CHECKING:
    from bpexporter.hub import Hub

OTHER_NAME = "__other__"
# One name costs 90 lines a scrape; more than 1,000 is a name made from a connection or a user.
MAX_NAMES = 1_000


def checked_name(name: object) -> str:
    """`name` as a plain `str`.

    Raises ``TypeError`` where it is not a string, ``ValueError`` where it is empty, longer than 1,000
    characters, or cannot be written as UTF-8 (a lone surrogate), which would fail every scrape.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    plain = str.__str__(name) if type(name) is str else "".join(str.__iter__(name))
    if not plain:
        raise ValueError("a name must not be empty")
    if len(plain) > 1_000:
        raise ValueError(f"a name must not be longer than 1,000 characters; this one has {len(plain):,}")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a name must be valid Unicode text; {plain!a} has a lone surrogate") from None
    return plain


class Ledger(Protocol):
    """What the hub asks of a ledger."""

    owner: weakref.ref[Any] | None
    home: Any
    instrument: Any
    index: int
    asked: str
    retired: bool


class Instrument(Protocol):
    """What the hub asks of the instrument that a ledger came from."""

    kind: str

    def read(self, ledger: Any, now: float) -> Any:
        """A reading of the ledger's object."""

    def close(self, ledger: Any, now: float) -> Any:
        """The totals of a ledger whose object is gone or no longer watched."""

    def peak(self, ledger: Any, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""

    def restart(self, ledger: Any, now: float) -> None:
        """Count from zero."""


class Entry:
    """One name: its members, and what the members that are gone have left."""

    __slots__ = ("hub", "left", "members", "name", "peaks", "shown", "turn")

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        self.members: list[Any] = []
        self.left: Any = None
        self.peaks: PeakWindow | None = None
        self.shown: tuple[Any, ...] = ()  # the counted seconds of the last reading
        self.turn = 0  # from which member on the next reading asks, where it asks some of them only

    def add(self, ledger: Ledger) -> None:
        """A further member."""
        ledger.home, ledger.index = self, len(self.members)
        self.members.append(ledger)

    def is_only(self, ledger: Ledger) -> bool:
        """Whether nothing but `ledger` was ever counted here."""
        return self.left is None and self.members == [ledger]

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
