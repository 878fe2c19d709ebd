"""The reading of all that a registry holds, name by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from bpexporter.catalogue.merging import at_least, merge_all, reach, seconds
from bpexporter.faults import faults
from bpexporter.hub import process
from bpexporter.hub.entries import Entry
from bpexporter.hub.registry import Registry
from bpexporter.hub.snapshot import Snapshot
from bpexporter.hub.stages import read_stages
from bpexporter.primitives.peaks import PeakWindow
from bpexporter.resources.culprit.metrics import CulpritReading
from bpexporter.resources.exporter.metrics import ItselfReading
from bpexporter.resources.kinds import RESOURCES
from bpexporter.resources.protocols import GIVE_WAY
from bpexporter.settings import VERSION


def read_registry(registry: Registry) -> Snapshot:
    """All readings now. May be called from any thread; runs none of the application's code."""
    with registry.reading:
        begun = time.perf_counter()
        entries = registry.entries()
        kinds: dict[str, Mapping[str, Any]] = {
            kind: MappingProxyType(_read_kind(registry, kind, entries[kind])) for kind in RESOURCES
        }
        kinds["stage"] = MappingProxyType(_read_stages(registry, kinds))
        kinds["culprit"] = MappingProxyType({"": _judged(registry, kinds)})
        itself = ItselfReading(
            build_info={(VERSION,): 1},
            collect_seconds=time.perf_counter() - begun,
            collect_errors=faults.count,
            watched_objects={(kind,): sum(len(entry.members) for entry in entries[kind]) for kind in RESOURCES},
            folded_names={(kind,): registry.folded_names[kind] for kind in RESOURCES},
        )
    return Snapshot(MappingProxyType({**kinds, "itself": MappingProxyType({"": itself})}))


def _read_stages(registry: Registry, kinds: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return read_stages(registry, kinds)
    except Exception as error:
        faults.swallow(error, "reading the stages")
        return {}


def _judged(registry: Registry, kinds: Mapping[str, Any]) -> CulpritReading:
    try:
        if registry.judge is None and process.judging is not None:
            registry.judge = process.judging()
        if registry.judge is not None:
            verdict: CulpritReading = registry.judge.read(kinds, registry.clock())
            return verdict
    except Exception as error:
        faults.swallow(error, "judging")
    return CulpritReading({}, {}, {})


def _read_kind(registry: Registry, kind: str, entries: list[Entry]) -> dict[str, Any]:
    readings = {}
    for number, entry in enumerate(entries):
        if number and not number % GIVE_WAY:
            time.sleep(0)
        totals, members = registry.parts(entry)
        merged = (
            _alone(kind, members, registry.clock)
            if totals is None and len(members) == 1
            else merge_all(kind, _found(registry, totals, members))
        )
        if merged is not None:
            reading = merged if entry.peaks is None else _with_peaks(entry.peaks, merged, registry.clock())
            readings[entry.name] = _as_shown(entry, kind, _as_found(entry, reading))
    return readings


def _alone(kind: str, members: list[Any], clock: Callable[[], float]) -> Any:
    """The reading of the only member of a name, as most are: there is nothing to merge; ``None`` where it fails."""
    readings = [*members[0].instrument.read_members(members, clock)]
    return readings[0] if len(readings) == 1 else merge_all(kind, readings)


def _found(registry: Registry, totals: Any, members: list[Any]) -> Iterator[Any]:
    """Readings that say together what was counted under one name."""
    if totals is not None:
        yield totals
    for instrument, ledgers in _by_instrument(members).items():
        yield from instrument.read_members(ledgers, registry.clock)


def _by_instrument(members: list[Any]) -> dict[Any, list[Any]]:
    """The members of one name by what reads them: a lock and a semaphore may share one."""
    if all(ledger.instrument is members[0].instrument for ledger in members):
        return {members[0].instrument: members} if members else {}
    sorts: dict[Any, list[Any]] = {}
    for ledger in members:
        sorts.setdefault(ledger.instrument, []).append(ledger)
    return sorts


def _as_found(entry: Entry, reading: Any) -> Any:
    return reading if entry.requested or not hasattr(reading, "requested") else reading._replace(requested=0)


def _as_shown(entry: Entry, kind: str, reading: Any) -> Any:
    now = seconds(kind, reading)
    if entry.shown_seconds and not reach(now, entry.shown_seconds):
        reading = at_least(kind, reading, entry.shown_seconds)
        now = seconds(kind, reading)
    if entry.shown_seconds or entry.members:  # what nobody changes any more need not be kept twice
        entry.shown_seconds = now
    return reading


def _with_peaks(peaks: PeakWindow, reading: Any, now: float) -> Any:
    peak = peaks.read(now)
    if peak and peak > (reading.peak_utilization_ratio or 0):
        return reading._replace(peak_utilization_ratio=peak)
    return reading
