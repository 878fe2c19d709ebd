"""The sidecar: a process of its own that serves what many others publish in a folder."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpexporter.hub.snapshot import Labelled, Snapshot
from bpexporter.publishing.evidence import Evidence
from bpexporter.publishing.folder import Folder
from bpexporter.resources.kinds import LOOP, RESOURCES
from bpexporter.server.door import OPEN, Door
from bpexporter.server.exporter import Exporter

POLL_SECONDS, LOOK_SECONDS = 1.0, 0.1
# The kinds that hold something back; loops run them.
HOLDING = tuple(kind for kind in RESOURCES if kind != LOOP)
LOOKED_FOR = (
    "asyncio's queues, streams and semaphores, and the loops that run them, made after the program began; "
    "what threads, other processes' queues and other languages do is not seen"
)


class PerProcess:
    """A folder whose living processes have series of their own, with the label `process`.

    What those that are gone have counted is not shown: it would move from series to series.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def snapshot(self) -> Snapshot:
        """All together, for the page."""
        return self._folder.snapshot()

    def labelled(self) -> list[Labelled]:
        """Returns a snapshot of the folder's own metrics, and one of each process."""
        itself = self._folder.snapshot().kinds["itself"][""]
        unknown = dict.fromkeys(("collect_seconds", "collect_errors", "watched_objects", "folded_names", "build_info"))
        empty: dict[str, dict[str, Any]] = {kind: {} for kind in self._folder.snapshot().kinds}
        whole = Snapshot({**empty, "itself": {"": itself._replace(**unknown)}})
        return [({}, whole)] + [({"process": one.label}, one.snapshot) for one in self._folder.processes()]


class Sidecar:
    """A folder, served: polled once a second, until it is stopped or nobody is left."""

    def __init__(
        self,
        dir: Path,
        host: str,
        port: int,
        *,
        per_process: bool = False,
        sock: socket.socket | None = None,
        door: Door = OPEN,
    ) -> None:
        self.folder = Folder(dir)
        source = PerProcess(self.folder) if per_process else self.folder
        self.exporter = Exporter(
            host, port, hub=source, sock=sock, door=door, processes=self._processes, unseen=self._unseen
        )
        self._over = threading.Event()

    def serve(
        self, *, alone: float | None = None, leave: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Serve until `stop`, until no process was alive for `alone` seconds, or until nobody is and `leave` exists."""
        self.folder.poll()
        self.exporter.launch()
        polled = last = clock()
        try:
            while not self._over.wait(POLL_SECONDS if leave is None else LOOK_SECONDS):
                asked = leave is not None and leave.exists()
                if asked or clock() - polled >= POLL_SECONDS - LOOK_SECONDS:
                    self.folder.poll()
                    polled = clock()
                last = polled if self.folder.alive() else last
                if not self.folder.alive() and (asked or (alone is not None and clock() - last >= alone)):
                    break
        finally:
            self.exporter.stop()
            self.folder.close()

    def stop(self) -> None:
        """End `serve`; may be called from a signal handler."""
        self._over.set()

    def _processes(self) -> list[dict[str, Any]]:
        alive = [
            {"name": f"{one.program} (pid {one.pid})", "state": "alive", "age_seconds": round(one.age, 3)}
            for one in self.folder.processes()
        ]
        return alive + [_killed(one) for one in self.folder.evidence()]

    def _unseen(self) -> list[dict[str, str]]:
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
