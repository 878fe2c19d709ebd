"""Findings made of what was seen on the way to a culprit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bpexporter.analysis import sizing
from bpexporter.analysis.findings import (
    CIRCLE,
    NOBODY,
    PEER,
    STAGE,
    UNKNOWN,
    Finding,
    listed,
    percent,
    told_awaits,
    told_crew,
    told_growth,
    told_strain,
    told_wait,
)
from bpexporter.analysis.flow import QUEUE, STREAM, Crew, Flow, Strain
from bpexporter.resources.stage.metrics import ACQUIRE, DRAIN, GET, PUT, WORKING, Link


class Trail(NamedTuple):
    """The way so far: whom it has passed, and what it has seen there."""

    crews: tuple[Crew, ...] = ()
    waits: tuple[Link, ...] = ()
    """For what each of them waits."""
    strain: Strain | None = None
    """The strain from which the search began."""

    def on(self, crew: Crew, link: Link) -> Trail:
        """The way from `crew` on, to that for which it waits."""
        return self._replace(crews=(*self.crews, crew), waits=(*self.waits, link))

    def told(self, seconds: float) -> Iterator[str]:
        """Its evidence."""
        strain = self.strain
        if strain is not None and strain.kind == QUEUE and strain.capacity is None:
            yield told_growth(strain, seconds)
        elif strain is not None:
            yield told_strain(strain)
        for crew, link in zip(self.crews, self.waits, strict=True):
            yield told_wait(crew, link)


class Accuser:
    """Makes findings of what happened in an interval."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def finding(
        self,
        cause: str,
        kind: str,
        name: str,
        trail: Trail,
        evidence: Iterable[str],
        advice: Iterable[str] = (),
        weight: float = 0.0,
    ) -> Finding:
        """A finding at the end of a trail."""
        strain = trail.strain
        pressure = strain.pressure if strain is not None else 0.0
        return Finding(
            cause=cause,
            kind=kind,
            name=name,
            since_seconds=max(self.flow.seconds, strain.longest if strain is not None else 0.0),
            held_up=tuple(self._held_up(trail, name)),
            evidence=(*trail.told(self.flow.seconds), *evidence),
            advice=tuple(advice),
            weight=weight or pressure,
        )

    def stage(self, crew: Crew, queue: str, trail: Trail) -> Finding:
        """A stage that works and does not keep up."""
        advice = sizing.for_stage(self.flow, crew, queue)
        evidence = [told_crew(crew), *told_awaits(self.flow, crew.stage)]
        return self.finding(STAGE, STAGE, crew.stage, trail, evidence, advice, crew.share(WORKING))

    def bad_member(self, crew: Crew, trail: Trail) -> Finding:
        """A stage one of whose tasks has most of the work."""
        busiest = f"the busiest of its tasks works {percent(crew.busiest)} of the time: one bad member"
        advice = ["look at what this one is given: one partition or key may have most of the work"]
        return self.finding(STAGE, STAGE, crew.stage, trail, [told_crew(crew), busiest], advice, crew.busiest)

    def peer(self, stream: str, trail: Trail) -> Finding:
        """The other end of a stream."""
        evidence = [f"the peer of stream {stream!r} takes less than is written"]
        advice = ["look at the peer and at the network; close connections that do not read, by a time limit on drain()"]
        return self.finding(PEER, STREAM, stream, trail, evidence, advice)

    def no_taker(self, queue: str, strain: Strain | None, trail: Trail) -> Finding:
        """A queue from which no known task takes."""
        former = self.flow.former(queue, GET)
        if strain is not None and not strain.taken:
            gone = f"no task of stage {listed(former)} is left" if former else "no task was ever seen to take from it"
            return self.finding(
                NOBODY, QUEUE, queue, trail, [f"nobody takes from queue {queue!r}: {gone}"],
                ["start its consumers again, and let the program end where one of them fails"],
            )  # fmt: skip
        return self.unknown(
            QUEUE, queue, trail,
            f"{strain.taken if strain else 'some'} items were taken from queue {queue!r}, but by no task that is known",
        )  # fmt: skip

    def no_feeder(self, queue: str, trail: Trail) -> Finding:
        """An input into which no known task puts."""
        strain, former = self.flow.strains.get((QUEUE, queue)), self.flow.former(queue, PUT)
        if strain is None or strain.put:
            return self.unknown(QUEUE, queue, trail, f"no task is known that puts into queue {queue!r}")
        gone = f"no task of stage {listed(former)} is left" if former else "no task was ever seen to put into it"
        return self.finding(
            NOBODY, QUEUE, queue, trail, [f"nobody puts into queue {queue!r}: {gone}"],
            ["start its producers again, and let the program end where one of them fails"],
        )  # fmt: skip

    def circle(self, crew: Crew, trail: Trail) -> Finding:
        """Stages of which each waits for the next."""
        first = trail.crews.index(crew) if crew in trail.crews else 0
        around = list(dict.fromkeys(one.stage for one in trail.crews[first:]))
        begin = around.index(min(around))  # the same circle has the same name wherever it was entered
        name = " -> ".join((*around[begin:], *around[:begin]))
        waits = "waits for itself" if len(around) == 1 else "wait for one another"
        return self.finding(
            CIRCLE, STAGE, name, trail, [f"the stages {listed(around)} {waits}: nobody can go on"],
            ["give one of the queues of the circle no limit, or let a put there be given up"],
        )  # fmt: skip

    def unknown(self, kind: str, name: str, trail: Trail, why: str) -> Finding:
        """Somebody is held up, and a link is missing."""
        return self.finding(UNKNOWN, kind, name, trail, [f"the culprit is not known: {why}"])

    def _held_up(self, trail: Trail, culprit: str) -> Iterator[str]:
        strain = trail.strain
        if strain is None:
            return
        direction = {QUEUE: PUT, STREAM: DRAIN}.get(strain.kind, ACQUIRE)
        users = [crew.stage for crew in self.flow.users(strain.kind, strain.name, direction) if _waits(crew, strain)]
        passed = [crew.stage for crew in trail.crews]
        waiting = [stage for stage in dict.fromkeys((*users, *passed)) if stage != culprit]
        yield from waiting or [strain.name]


def _waits(crew: Crew, strain: Strain) -> bool:
    return any(seconds > 0 for link, seconds in crew.waits.items() if link[:2] == (strain.name, strain.kind))
