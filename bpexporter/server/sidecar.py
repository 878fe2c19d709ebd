"""The sidecar: a process of its own that serves what many others publish in a folder."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpexporter.hub.snapshot import Labelled, Snapshot
from bpexporter.publishing.folder import Folder
from bpexporter.server.door import OPEN, Door
from bpexporter.server.exporter import Exporter
from bpexporter.server.folder_state import keeper_of

POLL_SECONDS, LOOK_SECONDS = 1.0, 0.1


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
        self.exporter = Exporter(host, port, hub=source, sock=sock, door=door, keeper=keeper_of(self.folder))
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
