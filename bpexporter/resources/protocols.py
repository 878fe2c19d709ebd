"""The contract of each kind of resource: of its ledgers, of their readings and of its instrument."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from bpexporter.faults import faults

# After so many members a reading gives way to other threads: they take up to a millisecond.
GIVE_WAY = 100


class Registry(Protocol):
    """The names among which a ledger stands, as far as it may tell them something."""

    stages: Any
    """The stages of the tasks that use what is watched."""

    def note(self, ledger: Any) -> None:
        """`ledger` is at its end; the next reading folds it. Takes no lock."""

    def bound(self, ledger: Any) -> None:
        """The object of `ledger`, which was made outside every loop, has just been bound to the one that runs."""


class Entry(Protocol):
    """The name of which a ledger is a member."""

    registry: Any
    name: str
    retired_totals: Any
    """The totals of its members that are gone; ``None`` where there are none."""
    next_asked: int
    """The member from which on the next reading asks, where it asks some of them only."""


class Ledger(Protocol):
    """The ledger as the hub sees it; `MemberLedger` has it all."""

    owner: weakref.ref[Any] | None
    entry: Any
    instrument: Any
    index: int
    requested_name: str
    automatic: bool
    retired: bool
    loopless: bool
    ended_at: float | None
    """The moment at which its object came to its end; ``None`` while it lives."""
    listener: Any
    clock: Callable[[], float]


class Reading(Protocol):
    """The reading as the hub sees it: a named tuple with a field for each metric of its kind."""

    _fields: tuple[str, ...]

    def _replace(self, **fields: Any) -> Any:
        """The reading with other values."""


L = TypeVar("L")
R_co = TypeVar("R_co", covariant=True)


class Instrument(Protocol[L, R_co]):
    """The instrument of one kind: attaches ledgers to its objects, and reads them."""

    kind: str
    clocks: tuple[tuple[str, str], ...] = ()
    """The directions in which a task may wait for such a resource, and the stall clock of its ledger for each."""
    directions: Mapping[str, str] = MappingProxyType({})
    """By side of the ledger: the direction that it is shown as, where that is another; empty where it is none."""

    def ledger_of(self, obj: Any) -> L | None:
        """The ledger of `obj`, ``None`` where it is not watched; runs none of the host's code."""

    def attach(self, obj: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> L:
        """Give `obj` a ledger. Raises ``TypeError`` where it cannot be watched."""

    def owner_of(self, obj: Any) -> Any:
        """The object that lives as long as what is recorded: `obj` itself, or what stands behind it."""
        return obj

    def join(self, obj: Any, ledger: L) -> None:
        """`obj` is watched, and `ledger` records already what stands behind it."""

    def detach(self, obj: Any) -> None:
        """Take the ledger from `obj`."""

    def replace(self, obj: Any, former: L, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> L:
        """Give `obj`, whose `former` ledger is retired, another one that begins at zero."""
        self.detach(obj)
        return self.attach(obj, bounds=bounds, clock=clock)

    def uninstall(self) -> None:
        """Put the originals back: nothing of this kind is watched any more."""

    def read(self, ledger: L, now: float) -> R_co:
        """A reading at `now`; may be called from any thread and runs none of the host's code."""

    def close(self, ledger: L, now: float) -> R_co:
        """The totals of a ledger whose object is gone or no longer watched."""

    def peak(self, ledger: L, now: float) -> float | None:
        """Highest utilisation of the last 60 s; ``None`` where there is none."""

    def end_waits(self, ledger: L, now: float) -> None:
        """The loop in which the callers wait has closed: nobody waits any more."""

    def restart(self, ledger: L, now: float) -> None:
        """Count from zero, with the object as it is now."""

    def stalled_seconds(self, ledger: L, now: float) -> float:
        """Stalled seconds so far, the present stall included."""

    def attend(self, ledger: L, loop: Any) -> bool:
        """Look at an object of `loop`, on its thread: what was left may have changed. Whether somebody is held up."""
        return False

    def read_members(self, ledgers: Sequence[L], clock: Callable[[], float]) -> Iterable[R_co]:
        """Readings which together say what all `ledgers`, members of one name, say; a kind may add them up itself.

        One that fails is left out and counted.
        """
        for number, ledger in enumerate(ledgers, 1):
            if not number % GIVE_WAY:
                time.sleep(0)
            try:
                yield self.read(ledger, clock())
            except Exception as error:
                faults.swallow(error, f"reading a {self.kind}")
