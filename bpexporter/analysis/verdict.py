"""The verdict: whose fault it is that somebody waits, by what happened between two readings.

Where a queue is stalled the guilty one is downstream. So the way goes from each queue that holds somebody up to who
takes from it, and on to what that one waits for, until somebody is found who works, and waits for nobody. Where a link
is missing the verdict is ``unknown``: an innocent is never named.

The idea is that of Apache Flink, which names the busiest operator below those that are back-pressured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bpexporter.analysis import sizing
from bpexporter.analysis.findings import (
    CIRCLE,
    LIMITER,
    LOOP,
    NOBODY,
    PEER,
    STAGE,
    UNKNOWN,
    Finding,
    Verdict,
    joined,
    listed,
    percent,
    told_awaits,
    told_crew,
    told_strain,
    told_wait,
)
from bpexporter.analysis.flow import QUEUE, STREAM, Crew, Flow, Readings, Strain, flow
from bpexporter.resources.stage.metrics import ACQUIRE, BLOCKED, DRAIN, GET, IDLE, PUT, WORKING, Link

# A resource that is stalled for less of the time holds up nobody who matters.
PRESSED = 0.1
# A loop that is busy for more of the time is a finding of its own.
BUSY = 0.9
HALF = 0.5
# The busiest task of a stage works so much of its time where it is the one bad member among idle ones.
SKEWED = 0.9
# Fewer items than these in an unbounded queue are no backlog; and it grows where at least such a share of what came in
# stayed in.
BACKLOG, GROWS = 100, 0.1
# A crew that was seen for less of the interval tells nothing.
SEEN = 0.01


class Trail(NamedTuple):
    """The way so far: whom it has passed, and what it has seen there."""

    crews: tuple[Crew, ...] = ()
    waits: tuple[Link, ...] = ()
    """For what each of them waits."""
    strain: Strain | None = None
    """Where it began."""

    def on(self, crew: Crew, link: Link) -> Trail:
        """The way from `crew` on, to that for which it waits."""
        return self._replace(crews=(*self.crews, crew), waits=(*self.waits, link))

    def told(self) -> Iterator[str]:
        """Its evidence."""
        if self.strain is not None:
            yield told_strain(self.strain)
        for crew, link in zip(self.crews, self.waits, strict=True):
            yield told_wait(crew, link)


def judge(first: Readings, second: Readings, seconds: float) -> Verdict:
    """The verdict over what happened in the `seconds` between two readings."""
    return Judge(flow(first, second, seconds)).verdict()


class Judge:
    """Looks for whose fault it is."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.notes: list[str] = []

    def verdict(self) -> Verdict:
        """All findings, the worst first."""
        found = [*self.busy_loops()]
        for strain in (*self.pressed(), *self.growing()):
            found += self._blame(strain)
        if any(one.cause == LOOP for one in found):  # whatever waits there waits for its turn
            found = [one for one in found if one.cause not in (STAGE, LIMITER, UNKNOWN)]
        return Verdict(joined(found), tuple(dict.fromkeys(self.notes)))

    # What there is to explain -------------------------------------------------------------------

    def pressed(self) -> list[Strain]:
        """What holds somebody up, the worst first."""
        found = [one for one in self.flow.strains.values() if self._presses(one)]
        return sorted(found, key=lambda one: -one.pressure)

    def _presses(self, strain: Strain) -> bool:
        """Over all members; or one of many has held somebody up all the time."""
        return strain.pressure >= PRESSED or (strain.members > 1 and strain.longest >= max(1.0, self.flow.seconds))

    def growing(self) -> list[Strain]:
        """Queues without a limit in which a backlog grows: they hold up nobody, and will end in a lack of memory."""
        return [
            one
            for one in self.flow.strains.values()
            if one.kind == QUEUE and one.capacity is None and one.depth >= BACKLOG
            if one.grown >= GROWS * max(1, one.put) and one.oldest >= HALF * self.flow.seconds
        ]

    def busy_loops(self) -> list[Finding]:
        """Loops that have no time left."""
        return [_busy_loop(name, share, self.flow.seconds) for name, share in self.flow.loops.items() if share >= BUSY]

    # Whose fault it is --------------------------------------------------------------------------

    def _blame(self, strain: Strain) -> list[Finding]:
        trail = Trail(strain=strain)
        if strain.kind == QUEUE:
            return self._downstream_of(strain.name, trail)
        if strain.kind == STREAM:
            return [self._peer(strain.name, trail)]
        return self._limiter(strain.name, trail)

    def _downstream_of(self, queue: str, trail: Trail) -> list[Finding]:
        """Who takes from a queue that is full, and why no faster."""
        strain = self.flow.strains.get((QUEUE, queue))
        takers = self.flow.takers(queue)
        if not takers:
            return [self._no_taker(queue, strain, trail)]
        return [finding for crew in takers for finding in self._suspect(crew, queue, trail)]

    def _no_taker(self, queue: str, strain: Strain | None, trail: Trail) -> Finding:
        former = self.flow.former(queue, GET)
        if strain is not None and not strain.taken:
            gone = f"no task of stage {listed(former)} is left" if former else "no task was ever seen to take from it"
            return self._finding(
                NOBODY, QUEUE, queue, trail, [f"nobody takes from queue {queue!r}: {gone}"],
                ["start its consumers again, and let the program end where one of them fails"],
            )  # fmt: skip
        return self._unknown(
            QUEUE, queue, trail,
            f"{strain.taken if strain else 'some'} items were taken from queue {queue!r}, but by no task that is known",
        )  # fmt: skip

    def _suspect(self, crew: Crew, queue: str, trail: Trail) -> list[Finding]:
        if crew in trail.crews:
            return [self._circle(crew, trail)]
        if crew.lived < SEEN * self.flow.seconds:
            why = f"the tasks of stage {crew.stage!r} that take from queue {queue!r} come and go between two readings"
            return [self._unknown(QUEUE, queue, trail, why)]
        if crew.share(IDLE) + crew.share(BLOCKED) < HALF:
            return [self._stage(crew, queue, trail)]
        if self._is_skewed(crew, trail):
            return [self._bad_member(crew, queue, trail)]
        if crew.share(BLOCKED) >= crew.share(IDLE):
            return self._behind(crew, trail)
        return self._starved(crew, queue, trail)

    def _is_skewed(self, crew: Crew, trail: Trail) -> bool:
        """Whether one of its tasks works all the time while others wait, and as much as one member is stalled."""
        strain = trail.strain
        stalled = strain is not None and (
            strain.stalled_seconds >= HALF * self.flow.seconds or strain.longest >= self.flow.seconds
        )
        return crew.tasks > 1 and crew.busiest >= SKEWED and stalled

    def _behind(self, crew: Crew, trail: Trail) -> list[Finding]:
        """What holds up a stage that is blocked itself."""
        link = crew.largest_wait(taking=False)
        if link is None:
            return [self._unknown(STAGE, crew.stage, trail, f"{told_crew(crew)}, but not by what")]
        name, kind, direction = link
        trail = trail.on(crew, link)
        if direction == DRAIN or kind == STREAM:
            return [self._peer(name, trail)]
        if direction == ACQUIRE or kind != QUEUE:
            return self._limiter(name, trail)
        return self._downstream_of(name, trail)

    def _starved(self, crew: Crew, queue: str, trail: Trail) -> list[Finding]:
        """For what a stage waits that leaves a full queue alone: another input."""
        strain, link = self.flow.strains.get((QUEUE, queue)), crew.largest_wait(taking=True)
        if link is None or link[:2] == (queue, QUEUE) or (strain is not None and strain.pressure < HALF):
            self._bursts(crew, queue, strain)
            return []
        trail = trail.on(crew, link)
        feeders = self.flow.feeders(link[0])
        if not feeders:
            return [self._no_feeder(link[0], trail)]
        return [finding for feeder in feeders for finding in self._late(feeder, link, trail)]

    def _bursts(self, crew: Crew, queue: str, strain: Strain | None) -> None:
        if strain is not None:
            advice = sizing.room_for_bursts(self.flow, strain, crew)
            self.notes.append(f"queue {queue!r} is full in bursts, which {crew.stage!r} catches up with: {advice}")

    def _no_feeder(self, queue: str, trail: Trail) -> Finding:
        strain, former = self.flow.strains.get((QUEUE, queue)), self.flow.former(queue, PUT)
        if strain is None or strain.put:
            return self._unknown(QUEUE, queue, trail, f"no task is known that puts into queue {queue!r}")
        gone = f"no task of stage {listed(former)} is left" if former else "no task was ever seen to put into it"
        return self._finding(
            NOBODY, QUEUE, queue, trail, [f"nobody puts into queue {queue!r}: {gone}"],
            ["start its producers again, and let the program end where one of them fails"],
        )  # fmt: skip

    def _late(self, feeder: Crew, link: Link, trail: Trail) -> list[Finding]:
        """Why an input comes late."""
        if feeder in trail.crews:
            return [self._circle(feeder, trail)]
        if feeder.share(IDLE) + feeder.share(BLOCKED) < HALF:
            return [self._stage(feeder, link[0], trail)]
        if feeder.share(BLOCKED) >= feeder.share(IDLE):
            return self._behind(feeder, trail)
        further = feeder.largest_wait(taking=True)
        if further is None:
            return [self._unknown(QUEUE, link[0], trail, f"{told_crew(feeder)}, but not for what")]
        trail = trail.on(feeder, further)
        feeders = self.flow.feeders(further[0])
        if not feeders:
            return [self._no_feeder(further[0], trail)]
        return [finding for one in feeders for finding in self._late(one, further, trail)]

    # Findings -----------------------------------------------------------------------------------

    def _finding(
        self,
        cause: str,
        kind: str,
        name: str,
        trail: Trail,
        evidence: Iterable[str],
        advice: Iterable[str] = (),
        weight: float = 0.0,
    ) -> Finding:
        strain = trail.strain
        pressure = strain.pressure if strain is not None else 0.0
        return Finding(
            cause=cause,
            kind=kind,
            name=name,
            since_seconds=max(self.flow.seconds, strain.longest if strain is not None else 0.0),
            held_up=tuple(self._held_up(trail, name)),
            evidence=(*trail.told(), *evidence),
            advice=tuple(advice),
            weight=weight or pressure,
        )

    def _held_up(self, trail: Trail, culprit: str) -> Iterator[str]:
        strain = trail.strain
        if strain is None:
            return
        direction = {QUEUE: PUT, STREAM: DRAIN}.get(strain.kind, ACQUIRE)
        users = [crew.stage for crew in self.flow.users(strain.kind, strain.name, direction) if _waits(crew, strain)]
        passed = [crew.stage for crew in trail.crews]
        waiting = [stage for stage in dict.fromkeys((*users, *passed)) if stage != culprit]
        yield from waiting or [strain.name]

    def _stage(self, crew: Crew, queue: str, trail: Trail) -> Finding:
        advice = sizing.for_stage(self.flow, crew, queue)
        evidence = [told_crew(crew), *told_awaits(self.flow, crew.stage)]
        return self._finding(STAGE, STAGE, crew.stage, trail, evidence, advice, crew.share(WORKING))

    def _bad_member(self, crew: Crew, queue: str, trail: Trail) -> Finding:
        busiest = f"the busiest of its tasks works {percent(crew.busiest)} of the time: one bad member"
        advice = ["look at what this one is given: one partition or key may have most of the work"]
        return self._finding(STAGE, STAGE, crew.stage, trail, [told_crew(crew), busiest], advice, crew.busiest)

    def _peer(self, stream: str, trail: Trail) -> Finding:
        evidence = [f"the peer of stream {stream!r} takes less than is written"]
        advice = ["look at the peer and at the network; close connections that do not read, by a time limit on drain()"]
        return self._finding(PEER, STREAM, stream, trail, evidence, advice)

    def _limiter(self, limiter: str, trail: Trail) -> list[Finding]:
        """A limiter; or what holds up those who hold its permits."""
        users = [crew for crew in self.flow.users("limiter", limiter) if crew not in trail.crews[:-1]]
        held = self._blocked_with_permits(limiter, users)
        if held is not None:
            crew, link = held
            return self._further(crew, link, trail)
        who = [f"it is acquired by stage {listed(crew.stage for crew in users)}"] if users else []
        strain = self.flow.strains.get(("limiter", limiter))
        evidence = [*who, *([told_strain(strain)] if strain is not None and strain is not trail.strain else [])]
        return [self._finding(LIMITER, "limiter", limiter, trail, evidence, sizing.for_limiter(strain))]

    def _blocked_with_permits(self, limiter: str, users: list[Crew]) -> tuple[Crew, Link] | None:
        """The one among `users` that waits most beside the limiter, where they do so for half the time of its permits.

        Who holds a permit is not known; but who waits for it does not hold one.
        """
        strain = self.flow.strains.get(("limiter", limiter))
        waits = [
            (seconds, crew, link)
            for crew in users
            for link, seconds in crew.waits.items()
            if link[2] != GET and link[:2] != (limiter, "limiter") and seconds > 0
        ]
        permits = strain.depth * self.flow.seconds if strain is not None else 0.0
        if not permits or sum(seconds for seconds, _, _ in waits) < HALF * permits:
            return None
        _, crew, link = max(waits, key=lambda wait: wait[0])
        return crew, link

    def _further(self, crew: Crew, link: Link, trail: Trail) -> list[Finding]:
        name, _kind, direction = link
        if link in trail.waits:
            return [self._circle(crew, trail)]
        trail = trail.on(crew, link)
        if direction == DRAIN:
            return [self._peer(name, trail)]
        return self._limiter(name, trail) if direction == ACQUIRE else self._downstream_of(name, trail)

    def _circle(self, crew: Crew, trail: Trail) -> Finding:
        first = trail.crews.index(crew) if crew in trail.crews else 0
        around = list(dict.fromkeys(one.stage for one in trail.crews[first:]))
        begin = around.index(min(around))  # the same circle has the same name wherever it was entered
        name = " -> ".join((*around[begin:], *around[:begin]))
        waits = "waits for itself" if len(around) == 1 else "wait for one another"
        return self._finding(
            CIRCLE, STAGE, name, trail, [f"the stages {listed(around)} {waits}: nobody can go on"],
            ["give one of the queues of the circle no limit, or let a put there be given up"],
        )  # fmt: skip

    def _unknown(self, kind: str, name: str, trail: Trail, why: str) -> Finding:
        return self._finding(UNKNOWN, kind, name, trail, [f"the culprit is not known: {why}"])


def _waits(crew: Crew, strain: Strain) -> bool:
    return any(seconds > 0 for link, seconds in crew.waits.items() if link[:2] == (strain.name, strain.kind))


def _busy_loop(name: str, share: float, seconds: float) -> Finding:
    advice = "take work off this loop, to a thread, a process or another loop: a long step holds up all others"
    evidence = f"loop {name!r} was busy for {percent(share)} of the time"
    return Finding(LOOP, "loop", name, seconds, (), (evidence,), (advice,), share)
