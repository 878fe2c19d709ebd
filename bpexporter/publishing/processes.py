"""Processes that publish, one by one and in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

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
    )
