"""The names of a hub, the ledgers under each, and the totals of members that are gone.

Objects are held by weak reference only. A finalizer takes no lock and touches no total: it notes the ledger of the
dead in a list, and the next `watch()` or reading folds it into its name.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from bpexporter.faults import faults
from bpexporter.hub import beginnings
from bpexporter.hub.entries import Entry, Owner
from bpexporter.primitives.peaks import PeakWindow
from bpexporter.resources.kinds import RESOURCES
from bpexporter.resources.protocols import Instrument, Ledger
from bpexporter.resources.stage.table import StageTable

OTHER_NAME = "__other__"
# One name costs 90 lines a scrape; more than 1,000 is a name made from a connection or a user.
MAX_NAMES = 1_000
# The dead are folded so many at a time, which costs each a fourth, where no reading folds them earlier.
BURIED_TOGETHER = 64

# Loaded when something is watched: whoever imports us need not wait for it, and at its end a process loads nothing.
_merge: Callable[[str, list[Any]], Any]


def _load() -> None:
    global _merge
    from bpexporter.catalogue.merging import merge

    _merge = merge


beginnings.on_first_watched(_load)


class Registry:
    """Names and members. `buckets`, `max_names` and `clock` are those of the hub.

    `find_loop` watches the loop of a member.
    """

    def __init__(
        self,
        *,
        buckets: tuple[float, ...],
        max_names: int,
        clock: Callable[[], float],
        find_loop: Callable[[Any, Registry], None],
    ) -> None:
        self._find_loop = find_loop
        self.buckets = buckets
        self.clock = clock
        self.max_names = max_names
        self.every_loop = False  # each loop that runs is to be watched, whatever it owns
        self._start()

    def _start(self) -> None:
        self._lock = threading.RLock()
        self.reading = threading.RLock()  # one reading at a time
        self._names: dict[str, dict[str, Entry]] = {kind: {} for kind in RESOURCES}
        self.folded_names = dict.fromkeys(RESOURCES, 0)
        self.judge: Any = None  # of successive readings; made at the first one
        self.stages = StageTable(max_names=self.max_names, clock=self.clock)
        self._dead: deque[Any] = deque()
        self._note_owner = self._noting()

    def _noting(self) -> Callable[[Any], None]:
        """Notes the ledger of an object that has died, and when; holds nothing of the registry but its list."""
        note = self._dead.append

        def note_owner(owner: Any) -> None:
            owner.ledger.ended_at = owner.ledger.clock()
            note(owner.ledger)

        return note_owner

    def __repr__(self) -> str:
        return ", ".join(f"{len(names)} {kind} names" for kind, names in self._names.items())

    # Members ------------------------------------------------------------------------------------

    def add(
        self, obj: object, name: str, ledger: Ledger, instrument: Instrument[Any, Any], *, automatic: bool = False
    ) -> None:
        """`ledger` records `obj` under `name` from now on; `automatic`: nobody has asked for that name."""
        with self._lock:
            if len(self._dead) >= BURIED_TOGETHER:
                self._bury()
            entry = self._entry(instrument.kind, name)
            owner = Owner(obj, self._note_owner)
            owner.ledger = ledger
            ledger.owner, ledger.instrument, ledger.requested_name = owner, instrument, name
            ledger.automatic = automatic
            entry.add(ledger)
            ledger.listener = self.stages
        if beginnings.waiting or not beginnings.begun:
            beginnings.begin()

    def remove(self, ledger: Ledger) -> None:
        """`ledger` records no more; its totals stay with its name."""
        with self._lock:
            self._fold(ledger)

    def release(self, obj: object, ledger: Ledger) -> None:
        """`obj` is recorded no more; its totals stay with its name."""
        self.remove(ledger)
        ledger.instrument.detach(obj)

    def note(self, ledger: Ledger) -> None:
        """`ledger` is at its end; the next reading folds it. Takes no lock."""
        self._dead.append(ledger)

    def bound(self, ledger: Ledger) -> None:
        """The object of `ledger`, which was made outside every loop, has just been bound to the one that runs."""
        ledger.loopless = False
        self._find_loop(ledger, self)

    def move(self, ledger: Ledger, name: str) -> None:
        """`ledger` goes on under `name`, for which somebody has asked, with all that it has counted."""
        with self._lock:
            self._leave(ledger)
            ledger.requested_name, ledger.automatic = name, False
            self._entry(ledger.instrument.kind, name).add(ledger)

    def discard(self, ledger: Ledger) -> None:
        """`ledger` records no more, and what it has counted is of no interest."""
        with self._lock:
            self._leave(ledger)
            ledger.retired, ledger.owner = True, None

    def _leave(self, ledger: Ledger) -> None:
        entry = ledger.entry
        if entry.drop(ledger) and not entry.members and entry.retired_totals is None:
            self._names[ledger.instrument.kind].pop(entry.name, None)

    def members(self, kind: str) -> list[Any]:
        """The ledgers of all live objects of this kind."""
        with self._lock:
            self._bury()
            return [ledger for entry in self._names[kind].values() for ledger in entry.members]

    def kinds_of(self, name: str) -> list[str]:
        """The kinds of which something is, or was, recorded under `name`."""
        with self._lock:
            return [kind for kind, names in self._names.items() if name in names]

    def under(self, kind: str, name: str) -> tuple[Any, list[Any]]:
        """The retired totals of `name`, and the ledgers of its members that are alive."""
        with self._lock:
            self._bury()
            entry = self._names[kind].get(name)
            return (None, []) if entry is None else (entry.retired_totals, entry.members.copy())

    def watches(self, kind: str) -> bool:
        """Returns whether a live object of this kind is recorded here."""
        with self._lock:
            self._bury()
            return any(entry.members for entry in self._names[kind].values())

    def entries(self) -> dict[str, list[Entry]]:
        """The names of each kind, the dead folded."""
        with self._lock:
            self._bury()
            return {kind: list(names.values()) for kind, names in self._names.items()}

    def parts(self, entry: Entry) -> tuple[Any, list[Any]]:
        """The retired totals of `entry` and its members, taken together."""
        with self._lock:
            return entry.retired_totals, entry.members.copy()

    def _entry(self, kind: str, name: str) -> Entry:
        names = self._names[kind]
        known = names.get(name)
        if known is not None:
            return known
        if len(names) - (OTHER_NAME in names) >= self.max_names:
            if not self.folded_names[kind]:
                faults.warn(
                    "bpexporter: over %d %s names; further ones are counted as %s (the first is %r)",
                    self.max_names, kind, OTHER_NAME, name[:100],
                )  # fmt: skip
            self.folded_names[kind] += 1
            name = OTHER_NAME
        return names.setdefault(name, Entry(self, name))

    # The dead -----------------------------------------------------------------------------------

    def _bury(self) -> None:
        dead = []
        while self._dead:
            try:
                dead.append(self._dead.popleft())
            except IndexError:  # a finalizer that reads may have taken the last one
                break
        if dead:
            self._fold(*dead)

    def _fold(self, *ledgers: Any) -> None:
        totals: dict[tuple[str, Entry], list[Any]] = {}
        for ledger in ledgers:
            entry = ledger.entry
            closed = self._close(ledger) if entry is not None and entry.drop(ledger) else None
            if closed is not None:
                totals.setdefault((ledger.instrument.kind, entry), []).append(closed)
        for (kind, entry), parts in totals.items():
            try:
                _retire(entry, kind, parts)
            except Exception as error:
                faults.swallow(error, f"folding a {kind}")

    def _close(self, ledger: Any) -> Any:
        """Returns the totals of `ledger`, which counts no more; ``None`` where there are none."""
        entry, instrument = ledger.entry, ledger.instrument
        ledger.retired, ledger.listener = True, None
        try:
            now = self.clock() if ledger.ended_at is None else ledger.ended_at
            peak = instrument.peak(ledger, now)
            if peak:
                entry.peaks = entry.peaks or PeakWindow()
                entry.peaks.add(peak, now)
            return instrument.close(ledger, now)
        except Exception as error:
            faults.swallow(error, f"folding a {instrument.kind}")
            return None
        finally:
            ledger.owner = None

    def restart(self) -> None:
        """Count from zero with the members that are alive, as a forked child does."""
        members = [ledger for names in self._names.values() for entry in names.values() for ledger in entry.members]
        self._start()
        for ledger in members:
            obj = ledger.owner() if ledger.owner is not None else None
            if obj is not None:
                ledger.instrument.restart(ledger, self.clock())
                self.add(obj, ledger.requested_name, ledger, ledger.instrument, automatic=ledger.automatic)


def _retire(entry: Entry, kind: str, parts: list[Any]) -> None:
    """Add `parts` to the totals of `entry`, to which a finalizer that runs meanwhile may add as well."""
    while True:
        known = entry.retired_totals
        merged = _merge(kind, parts if known is None else [known, *parts])
        if entry.retired_totals is known:
            entry.retired_totals = merged
            return
