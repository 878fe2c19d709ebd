"""Processes that publish, one by one and in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bpexporter.hub.snapshot import Snapshot
from bpexporter.publishing.format import Publication
from bpexporter.publishing.merging import Merging, Names, Part


class Process(NamedTuple):
    """A living process, for people."""

    id: str
    pid: int
    program: str
    age: float
    """Seconds since it published."""
    running: float
    """Seconds since it began."""
    snapshot: Snapshot
    """Its own readings."""
    unseen: tuple[tuple[str, str], ...]
    """Says what is not seen of it, and why."""

    @property
    def label(self) -> str:
        """The label of its series: the pid, which is 1 in each container, and the beginning of the ID."""
        return f"{self.pid}-{self.id[:4]}"


def in_order(publications: Iterable[Publication]) -> list[Publication]:
    """Those first that began first: what a name may be, and which buckets it has, is as they say."""
    return sorted(publications, key=lambda one: (began(one), one.id))


def began(publication: Publication) -> float:
    """Returns when the process of `publication` began, in monotonic seconds; 0 where it does not say."""
    said = publication.process.get("began")
    return float(said) if isinstance(said, (int, float)) else 0.0


def process_of(publication: Publication, now: float) -> Process:
    """Returns the process of `publication`, as it is at `now`."""
    about, age = publication.process, max(0.0, now - publication.at)
    merging = Merging(Names())
    merging.add(Part(publication.rows, age))
    pid = about.get("pid")
    return Process(
        id=publication.id,
        pid=pid if isinstance(pid, int) else 0,
        program=str(about.get("program", "")),
        age=age,
        running=max(0.0, now - began(publication)),
        snapshot=merging.snapshot(),
        unseen=tuple(_unseen(about.get("unseen"))),
    )


def _unseen(told: Any) -> Iterator[tuple[str, str]]:
    """Yields the words among what a process says of itself, which may be anything."""
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict) and all(isinstance(one.get(field), str) for field in ("what", "why")):
            yield one["what"], one["why"]
