"""The state of a folder in which processes publish: besides readings, its processes, and what is not seen."""

from __future__ import annotations

from functools import partial
from typing import Any

from bpexporter.export.json import judged
from bpexporter.publishing.evidence import Evidence
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.processes import Process
from bpexporter.resources.kinds import LOOP, RESOURCES
from bpexporter.server.state import StateKeeper

# The kinds that hold something back; loops run them.
HOLDING = tuple(kind for kind in RESOURCES if kind != LOOP)
LOOKED_FOR = (
    "asyncio's queues, streams and semaphores, and the loops that run them, made after the program began; "
    "what threads, other processes' queues and other languages do is not seen"
)


def keeper_of(folder: Folder) -> StateKeeper:
    """Keeps the state of `folder`."""
    return StateKeeper(
        folder.snapshot, judge=judged, processes=partial(processes_of, folder), unseen=partial(unseen_in, folder)
    )


def processes_of(folder: Folder) -> list[dict[str, Any]]:
    """The processes that are alive, and those that were killed of late."""
    return [*map(_alive, folder.processes()), *map(_killed, folder.evidence())]


def unseen_in(folder: Folder) -> list[dict[str, str]]:
    """Returns what is not seen, and why."""
    snapshot = folder.snapshot()
    left_out = snapshot.kinds["itself"][""].files_left_out
    found = [{"what": f"{count} files in {folder.path}", "why": why} for (why,), count in left_out.items()]
    told = dict.fromkeys(each for process in folder.processes() for each in process.unseen)
    found += [{"what": what, "why": why} for what, why in told]
    if not any(snapshot.kinds[kind] for kind in HOLDING):
        found.append({"what": "nothing is watched", "why": f"looked for were {LOOKED_FOR}"})
    return found


def _alive(process: Process) -> dict[str, Any]:
    """A process that lives; where nothing is watched in it, it says so once, and its age tells nothing."""
    watches = any(process.snapshot.kinds[kind] for kind in RESOURCES)
    return {
        "name": f"{process.program} (pid {process.pid})",
        "state": "alive",
        "age_seconds": round(process.age, 3) if watches else None,
    }


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
