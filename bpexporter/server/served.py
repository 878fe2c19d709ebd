"""A folder in which programs publish, as the state tells it: its processes, living and killed, and what is not seen."""

from __future__ import annotations

from typing import Any

from bpexporter.publishing.evidence import Evidence
from bpexporter.publishing.folder import Folder
from bpexporter.resources.kinds import LOOP, RESOURCES

# The kinds that hold something back; loops run them.
HOLDING = tuple(kind for kind in RESOURCES if kind != LOOP)
LOOKED_FOR = (
    "asyncio's queues, streams and semaphores, and the loops that run them, made after the program began; "
    "what threads, other processes' queues and other languages do is not seen"
)


class Served:
    """The rows of a folder's state."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def processes(self) -> list[dict[str, Any]]:
        """Returns a row for each process that lives, and for each that was killed lately."""
        alive = [
            {"name": f"{one.program} (pid {one.pid})", "state": "alive", "age_seconds": round(one.age, 3)}
            for one in self.folder.processes()
        ]
        return alive + [_killed(one) for one in self.folder.evidence()]

    def unseen(self) -> list[dict[str, str]]:
        """Returns what is left out or not seen, and why."""
        snapshot = self.folder.snapshot()
        left_out = snapshot.kinds["itself"][""].files_left_out
        found = [{"what": f"{count} files in {self.folder.path}", "why": why} for (why,), count in left_out.items()]
        if not any(snapshot.kinds[kind] for kind in HOLDING):
            found.append({"what": "nothing is watched", "why": f"looked for were {LOOKED_FOR}"})
        return found


def _killed(evidence: Evidence) -> dict[str, Any]:
    """A process that was killed, with what was fullest in it."""
    last: list[dict[str, Any]] = [
        {"kind": kind, "name": name, "reading": _numbers(reading)}
        for kind in HOLDING
        for name, reading in evidence.snapshot.kinds[kind].items()
    ]
    last.sort(key=lambda one: _fullness(one["reading"]), reverse=True)
    ends = "".join(f"; {one['kind']} {one['name']}: {_level(one['reading'])}" for one in last[:3])
    return {
        "name": f"{evidence.program} (pid {evidence.pid}){ends}",
        "state": "killed",
        "age_seconds": round(evidence.age, 3),
        "last": last[:50],
    }


def _numbers(reading: Any) -> dict[str, float]:
    return {field: value for field, value in reading._asdict().items() if isinstance(value, (int, float))}


def _fullness(reading: dict[str, float]) -> tuple[float, ...]:
    fields = "longest_block_seconds", "utilization_ratio", "depth_items", "buffered_bytes"
    return tuple(reading.get(field, 0.0) for field in fields)


LEVELS = {"depth_items": "items", "buffered_bytes": "bytes", "in_use_permits": "permits in use"}


def _level(reading: dict[str, float]) -> str:
    return next((f"{reading[field]:g} {unit}" for field, unit in LEVELS.items() if field in reading), "not known")
