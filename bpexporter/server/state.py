"""The state: readings, stages, links, verdict and history in one JSON, which the page, `top` and scripts share.

Whoever asks within a second gets the same bytes: many viewers cost one reading. `docs/state.md` says what each field
means, and `docs/state.schema.json` what form it has.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bpexporter.catalogue.metrics import READINGS, metrics_of
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.server.history import POINTS, STEP_SECONDS, History, Point
from bpexporter.settings import VERSION

STATE_VERSION = 1
# A reading is shared for so long.
POLL_SECONDS = 1.0
# Rates and the verdict are those of the last readings that are at least so far apart.
INTERVAL_SECONDS = 5.0
# A loop that was late for so much of each reading since is stuck.
STUCK = 0.9


class Figures(NamedTuple):
    """The fields of a kind's reading that are its members, its callers that are held up, what comes in and goes out."""

    members: str
    blocked: str
    came_in: str
    went_out: str


FIGURES = {
    "queue": Figures("members", "blocked_producers", "puts", "gets"),
    "stream": Figures("open_writers", "blocked_writers", "written_bytes", "written_bytes"),
    "limiter": Figures("members", "waiting_tasks", "blocked_acquires", "acquire_wait_seconds"),
    "loop": Figures("members", "", "", ""),
}


class Sample(NamedTuple):
    """One reading of all, and when it was made."""

    at: float
    wall: float
    snapshot: Snapshot


class StateKeeper:
    """Reads no more than once a second, remembers ten minutes, and says it all as JSON.

    `read` gives a snapshot; `judge` a verdict over two of them and the seconds between; `processes` the rows of the
    processes that are shown; `unseen` what is not seen, and why.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        *,
        judge: Callable[[Snapshot, Snapshot, float], Any],
        processes: Callable[[], list[dict[str, Any]]] = list,
        unseen: Callable[[], list[dict[str, str]]] = list,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._judge, self._processes, self._unseen = read, judge, processes, unseen
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque()
        self._history = History()
        self._stepped_at = -STEP_SECONDS
        self._stuck_since: dict[str, float] = {}
        self._verdict: Any = None
        self.readings = 0
        """The number of times that all was read."""

    def keep(self) -> None:
        """Remember the present, where a step is due; called now and then, whoever looks."""
        with self._lock:
            if self._clock() - self._stepped_at >= STEP_SECONDS:
                self._sample()

    def tag(self) -> str:
        """The tag of the present state, for conditional requests."""
        with self._lock:
            self._refresh()
            return f'"{self.readings}"'

    def state(self, since: int | None = None) -> bytes:
        """The state as JSON, with the history after the step `since` alone, where that is still known."""
        with self._lock:
            self._refresh()
            return json.dumps(self._composed(since), separators=(",", ":"), default=_plain).encode()

    # Reading ------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        if not self._samples or self._clock() - self._samples[-1].at >= POLL_SECONDS:
            self._sample()

    def _sample(self) -> None:
        now = Sample(self._clock(), round(time.time(), 3), self._read())
        self._samples.append(now)
        self.readings += 1
        while len(self._samples) > 2 and now.at - self._samples[1].at >= INTERVAL_SECONDS:
            self._samples.popleft()
        before = self._samples[0]
        if now.at > before.at:
            self._verdict = self._judge(before.snapshot, now.snapshot, now.at - before.at)
        self._note_stuck_loops(now)
        if now.at - self._stepped_at >= STEP_SECONDS:
            self._stepped_at = now.at
            self._history.add({(one["kind"], one["name"]): _point(one) for one in self._resources()})

    def _note_stuck_loops(self, now: Sample) -> None:
        before = self._samples[-2] if len(self._samples) > 1 else now
        for name in now.snapshot.kinds["loop"]:
            late = _per_second(before, now, "loop", name, "stalled_seconds") or 0.0
            if late < STUCK:
                self._stuck_since[name] = now.at

    # Composing ----------------------------------------------------------------------------------

    def _composed(self, since: int | None) -> dict[str, Any]:
        begins = self._history.begins_at(since)
        resources = self._resources()
        for one in resources:
            one["history"] = self._history.of((one["kind"], one["name"]), begins)
        latest = self._samples[-1].snapshot.kinds
        stages = self._stages()
        return {
            "version": STATE_VERSION,
            "bpexporter": VERSION,
            "at": self._samples[-1].wall,
            "poll_seconds": POLL_SECONDS,
            "interval_seconds": round(self._interval(), 3),
            "verdict": self._verdict,
            "resources": resources,
            "stages": stages,
            "links": _links(latest.get("stage", {})),
            "processes": self._processes(),
            "unseen": self._unseen(),
            "exporter": _fields("itself", latest["itself"][""]),
            "history": {
                "step_seconds": STEP_SECONDS, "points": POINTS, "sequence": self._history.sequence, "since": begins,
            },
        }  # fmt: skip

    def _interval(self) -> float:
        return self._samples[-1].at - self._samples[0].at

    def _resources(self) -> list[dict[str, Any]]:
        kinds = self._samples[-1].snapshot.kinds
        return [
            self._resource(kind, name, reading) for kind in FIGURES for name, reading in kinds.get(kind, {}).items()
        ]

    def _resource(self, kind: str, name: str, reading: Any) -> dict[str, Any]:
        before, now = self._samples[0], self._samples[-1]
        members, blocked, came_in, went_out = FIGURES[kind]
        stalled = _per_second(before, now, kind, name, "stalled_seconds")
        count = getattr(reading, members, 1)
        shown = {
            "kind": kind,
            "name": name,
            "members": count,
            "utilization_ratio": getattr(reading, "utilization_ratio", None),
            "pressure": None if stalled is None else min(1.0, stalled / max(1, count or 1)),
            "blocked": getattr(reading, blocked, None) if blocked else None,
            "longest_block_seconds": getattr(reading, "longest_block_seconds", None),
            "in_per_second": _per_second(before, now, kind, name, came_in),
            "out_per_second": _per_second(before, now, kind, name, went_out),
            "reading": _fields(kind, reading),
        }
        if kind == "loop":
            shown["utilization_ratio"] = _capped(_per_second(before, now, kind, name, "busy_seconds"))
            shown["stuck_seconds"] = round(now.at - self._stuck_since.get(name, now.at), 3)
        return shown

    def _stages(self) -> list[dict[str, Any]]:
        before, now = self._samples[0].snapshot.kinds, self._samples[-1].snapshot.kinds
        earlier = before.get("stage", {})
        return [_stage(name, reading, earlier.get(name)) for name, reading in now.get("stage", {}).items()]


def _stage(name: str, reading: Any, before: Any) -> dict[str, Any]:
    seconds = reading.seconds
    earlier = before.seconds if before is not None else (0.0,) * len(seconds)
    idle, blocked, working = (max(0.0, one - other) for one, other in zip(seconds, earlier, strict=True))
    total = idle + blocked + working
    shares = {"working": working, "idle": idle, "blocked": blocked}
    return {
        "name": name,
        "tasks": reading.tasks,
        **{state: round(one / total, 4) if total else 0.0 for state, one in shares.items()},
    }


def _links(stages: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"stage": name, "resource": resource, "kind": kind, "direction": direction}
        for name, reading in stages.items()
        for resource, kind, direction in reading.link_info
    ]


def _point(resource: dict[str, Any]) -> Point:
    return Point(resource["utilization_ratio"], resource["pressure"])


def _capped(ratio: float | None) -> float | None:
    return None if ratio is None else min(1.0, ratio)


def _per_second(before: Sample, now: Sample, kind: str, name: str, field: str) -> float | None:
    """Returns by how much `field` has grown a second; ``None`` where that is not known."""
    latest, earlier = now.snapshot.kinds[kind].get(name), before.snapshot.kinds[kind].get(name)
    grown, was = _count(latest, field), _count(earlier, field)
    if grown is None or was is None or now.at <= before.at:
        return None
    return max(0.0, grown - was) / (now.at - before.at)


def _count(reading: Any, field: str) -> float | None:
    value = getattr(reading, field, None) if field else None
    return value.total if isinstance(value, HistogramReading) else value


# By kind: the fields that are tables, and the labels of their rows.
_TABLES = {kind: {one.field: one.table for one in metrics_of(kind) if one.table} for kind in READINGS}


def _fields(kind: str, reading: Any) -> dict[str, Any]:
    """A reading as JSON has it: histograms by their parts, a table as a list of its rows."""
    tables = _TABLES[kind]
    return {field: _told(getattr(reading, field), tables.get(field)) for field in reading._fields}


def _told(value: Any, labels: tuple[str, ...] | None) -> Any:
    if value is not None and labels:
        return [{**dict(zip(labels, row, strict=True)), "value": number} for row, number in value.items()]
    return value._asdict() if isinstance(value, HistogramReading) else value


def _plain(value: Any) -> float:
    """A number of the host's that JSON does not know, such as numpy's or a fraction."""
    return float(value)
