"""What the ledgers of all kinds have in common: whose they are, and where they stand."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from bpexporter.resources.protocols import Entry, Instrument


class MemberLedger:
    """A ledger as the hub knows it: a member of a name. The kinds add what they count."""

    __slots__ = (
        "__weakref__",
        "owner",  # weak reference to the object that is recorded; None once it is released
        "entry",  # the name that it is a member of
        "index",  # its place among the members of that name
        "instrument",  # what updates and reads it
        "requested_name",  # the name that was asked for; `entry` may be the one of all names too many
        "automatic",  # nobody has asked for the name: it was found
        "retired",  # its totals are with its name, and it counts no more
        "loopless",  # the object belongs to no loop yet
        "clock",  # monotonic seconds
    )

    owner: weakref.ref[Any] | None
    entry: Entry
    instrument: Instrument[Any, Any]

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self.owner = None
        self.index = 0
        self.requested_name = ""
        self.automatic = self.retired = self.loopless = False
        self.clock = clock

    def __reduce__(self) -> tuple[type[None], tuple[None, ...]]:
        # A copied or pickled object is not watched, and unpickles where bpexporter is not installed.
        return type(None), ()

    def live_owner(self) -> Any:
        """The object that is recorded; ``None`` where it is gone or no longer watched."""
        return None if self.owner is None or self.retired else self.owner()
