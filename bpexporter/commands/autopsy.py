"""The diagnosis of a folder in which programs publish: of each that lives, and of those that were killed.

Each process is judged by itself: its queues and its tasks are all its own, and a mean would hide one of many.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bpexporter.analysis.findings import Finding, Verdict, joined, told_growth
from bpexporter.analysis.flow import flow
from bpexporter.analysis.judging import concluded
from bpexporter.analysis.strains import growing
from bpexporter.commands.words import CouldNotTellError
from bpexporter.publishing.evidence import Evidence
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.processes import Process


def of_folder(path: Path, seconds: float) -> tuple[Verdict, float, dict[str, dict[str, Any]], str]:
    """The verdict over all processes of a folder, the seconds it is about, the later reading, and the folder."""
    if not path.is_dir():
        raise CouldNotTellError(f"{path} is no folder")
    folder = Folder(path)
    try:
        first, begun = {one.id: one for one in folder.processes()}, time.monotonic()
        if first:
            time.sleep(seconds)
        second, ended = folder.processes(), time.monotonic()
        dead, merged = folder.evidence(), folder.snapshot()
    finally:
        folder.close()
    if not second and not dead:
        raise CouldNotTellError(f"no process publishes in {path}, and none was killed lately")
    pairs = [(first[one.id], one) for one in second if one.id in first]
    living = [finding for before, now in pairs for finding in _of_living(before, now, ended - begun, len(second))]
    findings = joined([*living, *(finding for one in dead for finding in _of_dead(one))])
    readings = {kind: dict(named) for kind, named in merged.kinds.items()}
    return Verdict(findings, tuple(_notes(dead))), ended - begun, readings, str(path)


def _of_living(before: Process, now: Process, passed: float, processes: int) -> Iterator[Finding]:
    """The findings of one process, over the time between what it published last and what it had before."""
    seconds = passed + before.age - now.age
    if seconds <= 0:
        return
    for finding in concluded(before.snapshot.kinds, now.snapshot.kinds, seconds).findings:
        where = [f"in process {now.label} ({now.program})"] if processes > 1 else []
        yield finding._replace(evidence=(*where, *finding.evidence))


def _of_dead(dead: Evidence) -> Iterator[Finding]:
    """Returns what a killed process had found, and how that looked in its last seconds."""
    who = f"process {dead.pid} ({dead.program}) was killed {dead.age:.0f} s ago"
    known: Mapping[tuple[str, str, str], float] = dead.snapshot.culprits.age_seconds or {}
    seen = {}
    if dead.earlier is not None and dead.between > 0:
        last = concluded(dead.earlier.kinds, dead.snapshot.kinds, dead.between)
        seen = {one.accused: one for one in last.findings}
    for accused in dict.fromkeys((*known, *seen)):
        found = seen.get(accused) or Finding(*accused, since_seconds=known[accused], held_up=(), evidence=(), advice=())
        told = f"{who}; this was its verdict for {max(known.get(accused, 0.0), found.since_seconds):.1f} s"
        yield found._replace(evidence=(told, *found.evidence))


def _notes(dead: list[Evidence]) -> Iterator[str]:
    """Yields notes on the queues that were growing when a process was killed."""
    for one in dead:
        yield f"process {one.pid} ({one.program}) was killed {one.age:.0f} s ago"
        for name, reading in one.snapshot.queues.items():
            if reading.unbounded_members and reading.depth_items:
                yield f"queue {name!r} held {reading.depth_items:,} items then, and had no limit"
        if one.earlier is not None and one.between > 0:
            happened = flow(one.earlier.kinds, one.snapshot.kinds, one.between)
            yield from (f"then {told_growth(strain, one.between)}" for strain in growing(happened))
