"""Evidence: the last words of processes that were killed, kept for people, never added to anything."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from bpexporter.hub.snapshot import Snapshot
from bpexporter.publishing.format import Publication, Unreadable
from bpexporter.publishing.merging import Merging, Names, Part
from bpexporter.publishing.reading import read_earlier, read_file

KEPT = "killed"
MOST, LONGEST = 16, 3600.0


class Evidence(NamedTuple):
    """The last publication of a process that was killed."""

    id: str
    pid: int
    program: str
    age: float
    """Seconds since that publication."""
    snapshot: Snapshot
    """Its last readings, gauges included."""
    earlier: Snapshot | None = None
    """Those before; ``None`` where it has not published twice."""
    between: float = 0.0
    """Seconds between the two."""


def keep(folder: Path, path: Path) -> None:
    """Move the file of a killed process to the others; `tidy` bounds them."""
    (folder / KEPT).mkdir(mode=0o700, exist_ok=True)
    path.rename(folder / KEPT / path.name)


def tidy(folder: Path, now: float) -> None:
    """Remove all but the newest."""
    found = _publications(folder)
    kept = {path for path, one in found[:MOST] if now - one.at <= LONGEST}
    with contextlib.suppress(OSError):
        for path in (folder / KEPT).iterdir():
            if path not in kept:
                path.unlink(missing_ok=True)


def kept(folder: Path, now: float) -> list[Evidence]:
    """All that there is, the latest first."""
    return [_evidence(path, one, now) for path, one in _publications(folder)[:MOST] if now - one.at <= LONGEST]


def _publications(folder: Path) -> list[tuple[Path, Publication]]:
    found = []
    with contextlib.suppress(OSError):
        for path in (folder / KEPT).iterdir():
            with contextlib.suppress(OSError, Unreadable):
                found.append((path, read_file(path)))
    return sorted(found, key=lambda one: -one[1].at)


def _evidence(path: Path, publication: Publication, now: float) -> Evidence:
    pid = publication.process.get("pid")
    earlier = None
    with contextlib.suppress(OSError, Unreadable):
        earlier = read_earlier(path)
    return Evidence(
        publication.id,
        pid if isinstance(pid, int) else 0,
        str(publication.process.get("program", "")),
        max(0.0, now - publication.at),
        _snapshot(publication),
        None if earlier is None else _snapshot(earlier),
        0.0 if earlier is None else publication.at - earlier.at,
    )


def _snapshot(publication: Publication) -> Snapshot:
    merging = Merging(Names())
    merging.add(Part(publication.rows))
    return merging.snapshot()
