"""The flow between two readings: how much each resource held up, and what the tasks of each stage did.

Figures are differences of counters and levels of the later reading. What a reading does not know is left out, so that
readings of several processes, or those that were read back from a page of metrics, do as well as a hub's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bpexporter.resources.stage.metrics import BLOCKED, DIRECTIONS, GET, IDLE, PUT, WORKING, Link

Readings = Mapping[str, Mapping[str, Any]]
"""By kind and name, as `Snapshot.kinds`."""

QUEUE, STREAM, LIMITER, LOOP = "queue", "stream", "limiter", "loop"


class Strain(NamedTuple):
    """The figures of one resource: what it held up."""

    kind: str
    name: str
    members: int
    pressure: float
    """Stalled seconds a second and member, 0 to 1."""
    stalled_seconds: float
    """Seconds stalled, its members added up."""
    blocked_now: int
    """Callers blocked at the end."""
    longest: float
    """Age in seconds of the oldest wait that lasts."""
    taken: int
    """Items out, permits given, drains done."""
    put: int
    """Items in."""
    depth: float
    """Items, permits in use or bytes at the end."""
    grown: float
    """By how much the depth has grown."""
    capacity: float | None
    """Room for these; ``None`` where it is unlimited or not known, 0 where each is handed from one to another."""
    oldest: float
    """Age in seconds of the oldest item."""
    paused_seconds: float
    """Seconds over the mark, the writers of a stream added up."""
    worst: float
    """Utilisation of the worst member, the least of what it was at the beginning and at the end."""
    hears_of_waits: bool
    """False for a stream that is written to without `drain()`: it counts as stalled while it is over its mark."""


class Crew(NamedTuple):
    """The figures of one crew: what the tasks of a stage did that use the same resources."""

    stage: str
    name: str
    tasks: int
    """Tasks at the end."""
    seconds: Mapping[str, float]
    """Task-seconds by state."""
    waits: Mapping[Link, float]
    """Task-seconds waited by link; 0 for those that it uses without waiting."""
    busiest: float
    """Share of working of the busiest of them."""

    @property
    def lived(self) -> float:
        """Task-seconds in all."""
        return sum(self.seconds.values())

    def share(self, state: str) -> float:
        """The share of its time in a state; 0 where there was none."""
        return self.seconds.get(state, 0.0) / self.lived if self.lived > 0 else 0.0

    def largest_wait(self, *, taking: bool, beside: Iterable[Link] = ()) -> Link | None:
        """For what it has waited longest, of its inputs where it is `taking`, else of the others; not for `beside`."""
        found = {
            link: seconds
            for link, seconds in self.waits.items()
            if (link[2] == GET) == taking and seconds > 0 and link not in beside
        }
        return max(found, key=lambda link: found[link], default=None)

    def uses(self, kind: str, name: str, direction: str | None = None) -> bool:
        """Returns whether it uses a resource, in this direction."""
        directions = DIRECTIONS if direction is None else (direction,)
        return any((name, kind, one) in self.waits for one in directions)


class Flow(NamedTuple):
    """All that happened in an interval."""

    seconds: float
    strains: Mapping[tuple[str, str], Strain]
    """By kind and name of the resource."""
    crews: tuple[Crew, ...]
    loops: Mapping[str, float]
    """The busy share of each loop, 0 to 1."""
    awaits: Mapping[str, Mapping[str, int]]
    """By stage, the looks that found it working, by what it waited for."""
    crews_at: Mapping[tuple[str, str], list[Crew]]
    """By kind and name of the resource, the crews that use it."""

    def users(self, kind: str, name: str, direction: str | None = None) -> list[Crew]:
        """The crews that use a resource and have a task that is alive."""
        found = self.crews_at.get((kind, name), [])
        return [crew for crew in found if crew.tasks and crew.uses(kind, name, direction)]

    def takers(self, queue: str) -> list[Crew]:
        """Returns the crews that take from a queue."""
        return self.users(QUEUE, queue, GET)

    def feeders(self, queue: str) -> list[Crew]:
        """Returns the crews that put into a queue."""
        return self.users(QUEUE, queue, PUT)

    def former(self, queue: str, direction: str) -> list[str]:
        """Stages that have used a queue and have no task left that does."""
        found = self.crews_at.get((QUEUE, queue), [])
        return sorted({crew.stage for crew in found if not crew.tasks and crew.uses(QUEUE, queue, direction)})


def flow(first: Readings, second: Readings, seconds: float) -> Flow:
    """Returns the flow in the `seconds` between two readings. Raises ``ValueError`` where no time has passed."""
    if not seconds > 0:
        raise ValueError(f"two readings must lie some time apart, not {seconds} s")
    strains = {
        (kind, name): _strain(kind, name, first.get(kind, {}).get(name), reading, seconds)
        for kind in COLUMNS
        for name, reading in second.get(kind, {}).items()
    }
    stages = second.get("stage", {})
    crews = [
        crew for name, reading in stages.items() for crew in _crews(name, first.get("stage", {}).get(name), reading)
    ]
    loops = {
        name: share
        for name, reading in second.get(LOOP, {}).items()
        if (share := busy_share(first.get(LOOP, {}).get(name), reading, seconds)) is not None
    }
    awaits = {
        name: _table(first.get("stage", {}).get(name), reading, "awaits")
        for name, reading in stages.items()
    }  # fmt: skip
    looked = {
        name: {str(key[0]): int(count) for key, count in found.items() if count} for name, found in awaits.items()
    }
    return Flow(seconds, strains, tuple(crews), loops, looked, _at_resources(crews))


def _at_resources(crews: Iterable[Crew]) -> dict[tuple[str, str], list[Crew]]:
    found: dict[tuple[str, str], list[Crew]] = {}
    for crew in crews:
        for resource in {(kind, name): None for name, kind, _ in crew.waits}:
            found.setdefault(resource, []).append(crew)
    return found


# By kind, the fields of a reading that a strain is made of; empty where the kind has none.
COLUMNS: dict[str, dict[str, str]] = {
    QUEUE: {
        "members": "members",
        "stalled": "stalled_seconds",
        "blocked": "blocked_producers",
        "longest": "longest_block_seconds",
        "paused": "",
        "worst": "utilization_ratio",
        "taken": "gets",
        "put": "puts",
        "depth": "depth_items",
        "capacity": "capacity_items",
        "oldest": "oldest_item_age_seconds",
    },
    STREAM: {
        "members": "open_writers",
        "stalled": "stalled_seconds",
        "blocked": "blocked_writers",
        "longest": "longest_block_seconds",
        "paused": "paused_seconds",
        "worst": "utilization_ratio",
        "taken": "",
        "put": "written_bytes",
        "depth": "buffered_bytes",
        "capacity": "buffer_limit_bytes",
        "oldest": "",
    },
    LIMITER: {
        "members": "members",
        "stalled": "stalled_seconds",
        "blocked": "waiting_tasks",
        "longest": "longest_block_seconds",
        "paused": "",
        "worst": "utilization_ratio",
        "taken": "",
        "put": "",
        "depth": "in_use_permits",
        "capacity": "capacity_permits",
        "oldest": "",
    },
}


def _number(reading: Any, field: str) -> Any:
    return (getattr(reading, field, 0) or 0) if field and reading is not None else 0


def _strain(kind: str, name: str, before: Any, after: Any, seconds: float) -> Strain:
    fields = COLUMNS[kind]
    level = {column: _number(after, field) for column, field in fields.items()}
    grown = {column: level[column] - _number(before, field) for column, field in fields.items()}
    stalled = max(0.0, grown[clock_of(kind, after)])
    capacity = getattr(after, fields["capacity"], None)
    return Strain(
        kind=kind,
        name=name,
        members=int(level["members"]),
        pressure=min(1.0, stalled / (seconds * max(1, level["members"]))),
        stalled_seconds=stalled,
        blocked_now=int(level["blocked"]),
        longest=float(level["longest"]),
        taken=int(max(0, grown["taken"])),
        put=int(max(0, grown["put"])),
        depth=float(level["depth"]),
        grown=float(grown["depth"]),
        capacity=None if capacity is None else float(capacity),
        oldest=float(level["oldest"]),
        paused_seconds=max(0.0, grown["paused"]),
        worst=float(min(level["worst"], level["worst"] - grown["worst"])),
        hears_of_waits=clock_of(kind, after) == "stalled",
    )


def clock_of(kind: str, reading: Any) -> str:
    """Returns the column of the seconds in which a resource held somebody up: who uses no `drain()` is not heard of."""
    heard = kind != STREAM or getattr(reading, COLUMNS[STREAM]["stalled"], None) is not None
    return "stalled" if heard else "paused"


def _table(before: Any, after: Any, field: str) -> dict[tuple[str, ...], float]:
    """Returns by how much each row of a table has grown; a row that is less than before has begun again."""
    known = getattr(before, field, None) or {}
    now = getattr(after, field, None) or {}
    return {key: value - known.get(key, 0) if value >= known.get(key, 0) else value for key, value in now.items()}


def _crews(stage: str, before: Any, after: Any) -> list[Crew]:
    seconds = _table(before, after, "crew_seconds")
    waits: dict[str, dict[Link, float]] = {}
    for (crew, *link), value in _table(before, after, "crew_wait_seconds").items():
        name, kind, direction = link
        waits.setdefault(crew, {})[name, kind, direction] = value
    tasks: Mapping[tuple[str], int] = after.crew_tasks or {}
    busiest: Mapping[tuple[str], float] = after.crew_busiest_ratio or {}
    return [
        Crew(
            stage=stage,
            name=name,
            tasks=int(alive),
            seconds={state: seconds.get((name, state), 0.0) for state in (IDLE, BLOCKED, WORKING)},
            waits=waits.get(name, {}),
            busiest=busiest.get((name,), 0.0),
        )
        for (name,), alive in tasks.items()
    ]


def busy_share(before: Any, after: Any, seconds: float) -> float | None:
    """Returns the busy share of a loop, 0 to 1; of several that share the name the busiest one's, where known."""
    busy = getattr(after, "busy_seconds", None)
    if busy is None:
        return None
    members = getattr(after, "members", None) or 1
    known = getattr(before, "busy_seconds", None) or 0.0
    mean = max(0.0, busy - known) / (seconds * members)
    return float(min(1.0, max(mean, getattr(after, "busy_ratio", None) or 0.0 if members > 1 else mean)))
