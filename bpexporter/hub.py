"""The hub: names, the ledgers under each name, and the totals of members that are gone.

Floor 3. It holds objects by weak reference only. A finalizer takes no lock and touches no total: it notes the
ledger of the dead in a list, and the next `watch()` or reading folds it into its name.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bpexporter.catalogue import RESOURCES, ItselfReading
from bpexporter.catalogue_merging import at_least, merge, seconds
from bpexporter.clocks import PeakWindow
from bpexporter.faults import faults
from bpexporter.histogram import DEFAULT_BUCKETS, checked_buckets
from bpexporter.hub_names import MAX_NAMES, OTHER_NAME, Entry, Instrument, Ledger, Owner
from bpexporter.ledgers.readings import LimiterReading, LoopReading, QueueReading, StreamReading

# After so many objects a reading gives way to other threads: they take about half a millisecond.
GIVE_WAY = 40


class Snapshot(NamedTuple):
    """All readings of a hub at one moment."""

    kinds: Mapping[str, Mapping[str, Any]]
    """Per kind ("queue", "itself"), the reading of each name."""

    @property
    def queues(self) -> Mapping[str, QueueReading]:
        """The reading of each queue name."""
        return self.kinds["queue"]

    @property
    def streams(self) -> Mapping[str, StreamReading]:
        """The reading of each stream name."""
        return self.kinds["stream"]

    @property
    def limiters(self) -> Mapping[str, LimiterReading]:
        """The reading of each limiter name."""
        return self.kinds["limiter"]

    @property
    def loops(self) -> Mapping[str, LoopReading]:
        """The reading of each loop name."""
        return self.kinds["loop"]


class Hub:
    """Names, and what is recorded under each.

    `buckets`: upper bounds in seconds of all histograms. `max_names`: how many names each kind may have before
    further ones are counted as ``__other__``. `clock`: monotonic seconds; for tests.

    Raises ``ValueError`` or ``TypeError`` for buckets that do not ascend above zero, and for a limit under 1.
    """

    def __init__(
        self,
        *,
        buckets: Iterable[float] = DEFAULT_BUCKETS,
        max_names: int = MAX_NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(max_names, int) or max_names < 1:
            raise ValueError(f"max_names must be a whole number from 1 on, not {max_names!r}")
        self.buckets = checked_buckets(buckets)
        self.clock = clock
        self._max_names = max_names
        self._start()
        _hubs.add(self)

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._names: dict[str, dict[str, Entry]] = {kind: {} for kind in RESOURCES}
        self._folded = dict.fromkeys(RESOURCES, 0)
        self._dead: deque[Any] = deque()
        note = self._dead.append
        self._note = lambda owner: note(owner.ledger)
        self._turn = threading.RLock()

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(names)} {kind} names" for kind, names in self._names.items())
        return f"<bpexporter.Hub with {counts}>"

    # Members ------------------------------------------------------------------------------------

    def add(self, obj: object, name: str, ledger: Ledger, instrument: Instrument) -> None:
        """`ledger` records `obj` under `name` from now on."""
        with self._lock:
            self._bury()
            entry = self._entry(instrument.kind, name)
            owner = Owner(obj, self._note)
            owner.ledger = ledger
            ledger.owner, ledger.instrument, ledger.asked = owner, instrument, name
            entry.add(ledger)

    def remove(self, ledger: Ledger) -> None:
        """`ledger` records no more; its totals stay with its name."""
        with self._lock:
            self._fold(ledger)

    def note(self, ledger: Ledger) -> None:
        """`ledger` is at its end; the next reading folds it. Takes no lock."""
        self._dead.append(ledger)

    def move(self, ledger: Ledger, name: str) -> None:
        """`ledger` goes on under `name`, with all that it has counted."""
        with self._lock:
            self._leave(ledger)
            self._entry(ledger.instrument.kind, name).add(ledger)
            ledger.asked = name

    def discard(self, ledger: Ledger) -> None:
        """`ledger` records no more, and what it has counted is of no interest."""
        with self._lock:
            self._leave(ledger)
            ledger.retired, ledger.owner = True, None

    def _leave(self, ledger: Ledger) -> None:
        entry = ledger.home
        if entry.drop(ledger) and not entry.members and entry.left is None:
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
        """What the members of `name` that are gone have left, and the ledgers of those that are alive."""
        with self._lock:
            self._bury()
            entry = self._names[kind].get(name)
            return (None, []) if entry is None else (entry.left, entry.members.copy())

    def watches(self, kind: str) -> bool:
        """Whether a live object of this kind is recorded here."""
        with self._lock:
            self._bury()
            return any(entry.members for entry in self._names[kind].values())

    def _entry(self, kind: str, name: str) -> Entry:
        names = self._names[kind]
        if name not in names and len(names) - (OTHER_NAME in names) >= self._max_names:
            if not self._folded[kind]:
                faults.warn(
                    "bpexporter: over %d %s names; further ones are counted as %s (the first is %r)",
                    self._max_names, kind, OTHER_NAME, name[:100],
                )  # fmt: skip
            self._folded[kind] += 1
            name = OTHER_NAME
        if name not in names:
            names[str(name)] = Entry(self, str(name))
        return names[name]

    def _bury(self) -> None:
        while True:
            try:
                ledger = self._dead.popleft()
            except IndexError:  # a finalizer that reads may have taken the last one
                return
            self._fold(ledger)

    def _fold(self, ledger: Any) -> None:
        entry, instrument = ledger.home, ledger.instrument
        if entry is None or not entry.drop(ledger):
            return
        ledger.retired = True
        try:
            now = self.clock()
            peak = instrument.peak(ledger, now)
            if peak:
                entry.peaks = entry.peaks or PeakWindow()
                entry.peaks.add(peak, now)
            totals = instrument.close(ledger, now)
            entry.left = totals if entry.left is None else merge(instrument.kind, [entry.left, totals])
        except Exception as error:
            faults.swallow(error, f"folding a {instrument.kind}")
        finally:
            ledger.owner = None

    # Reading ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """All readings now. May be called from any thread; runs none of the application's code."""
        for prepare in before_reading:
            prepare()
        with self._turn:
            return self._snapshot()

    def _snapshot(self) -> Snapshot:
        begun = time.perf_counter()
        with self._lock:
            self._bury()
            entries = {kind: list(names.values()) for kind, names in self._names.items()}
        kinds: dict[str, Mapping[str, Any]] = {
            kind: MappingProxyType(self._read_kind(kind, entries[kind])) for kind in RESOURCES
        }
        watched = tuple(sum(len(entry.members) for entry in entries[kind]) for kind in RESOURCES)
        folded = tuple(self._folded[kind] for kind in RESOURCES)
        itself = ItselfReading((1,), time.perf_counter() - begun, faults.count, watched, folded)
        return Snapshot(MappingProxyType({**kinds, "itself": MappingProxyType({"": itself})}))

    def _read_kind(self, kind: str, entries: list[Entry]) -> dict[str, Any]:
        readings = {}
        read = 0
        for entry in entries:
            with self._lock:
                parts = [] if entry.left is None else [entry.left]
                members = entry.members.copy()
            many = getattr(members[0].instrument, "read_many", None) if members else None
            if many is not None:
                parts.append(many(members, self.clock))
                members = []
            for ledger in members:
                read += 1
                if not read % GIVE_WAY:
                    time.sleep(0)
                self._read_one(parts, ledger)
            if parts:
                readings[entry.name] = self._as_shown(entry, kind, self._with_peaks(entry, merge(kind, parts)))
        return readings

    def _as_shown(self, entry: Entry, kind: str, reading: Any) -> Any:
        if entry.shown:
            reading = at_least(kind, reading, entry.shown)
        if entry.shown or entry.members:  # what nobody changes any more need not be kept twice
            entry.shown = seconds(kind, reading)
        return reading

    def _with_peaks(self, entry: Entry, reading: Any) -> Any:
        peak = entry.peaks.read(self.clock()) if entry.peaks is not None else 0
        if peak and peak > (reading.peak_utilization_ratio or 0):
            return reading._replace(peak_utilization_ratio=peak)
        return reading

    def _read_one(self, parts: list[Any], ledger: Any) -> None:
        try:
            parts.append(ledger.instrument.read(ledger, self.clock()))
        except Exception as error:
            faults.swallow(error, f"reading a {ledger.instrument.kind}")

    def restart(self) -> None:
        """Count from zero with the members that are alive, as a forked child does."""
        members = [
            (ledger.asked, ledger)
            for names in self._names.values()
            for entry in names.values()
            for ledger in entry.members
        ]
        self._start()
        for name, ledger in members:
            obj = ledger.owner() if ledger.owner is not None else None
            if obj is not None:
                ledger.instrument.restart(ledger, self.clock())
                self.add(obj, name, ledger, ledger.instrument)


# Called before each reading, on the thread that reads.
before_reading: list[Callable[[], None]] = []

_hubs: Any = weakref.WeakSet()
default_hub = Hub()


def all_hubs() -> list[Hub]:
    """Every hub that is alive."""
    # To iterate over a set to which another thread adds fails; to copy it does not.
    return [hub for hub in (reference() for reference in _hubs.data.copy()) if hub is not None]
