"""The verdict: whose fault it is that somebody waits, by what happened between two readings.

Where a queue is stalled the guilty one is downstream. So the way goes from each queue that holds somebody up to who
takes from it, and on to what that one waits for, until somebody is found who works, and waits for nobody. Where a link
is missing the verdict is ``unknown``: an innocent is never named.

The idea is that of Apache Flink, which names the busiest operator below those that are back-pressured.
"""

from __future__ import annotations

from bpexporter.analysis import sizing
from bpexporter.analysis.accusing import Accuser, Trail
from bpexporter.analysis.findings import (
    LIMITER,
    LOOP,
    STAGE,
    UNKNOWN,
    Finding,
    Verdict,
    joined,
    listed,
    told_crew,
    told_strain,
)
from bpexporter.analysis.flow import QUEUE, STREAM, Crew, Flow, Readings, Strain, flow
from bpexporter.analysis.strains import MOSTLY, PRESSED, busy_loops, growing, overflowing, pressed
from bpexporter.resources.stage.metrics import ACQUIRE, BLOCKED, DRAIN, GET, IDLE, PUT, Link

HALF = 0.5
# The busiest task of a stage works so much of its time where it is the one bad member among idle ones.
SKEWED = 0.9
# A crew that was seen for less of the interval tells nothing.
SEEN = 0.01


def judge(first: Readings, second: Readings, seconds: float) -> Verdict:
    """The verdict over what happened in the `seconds` between two readings."""
    return Judge(flow(first, second, seconds)).verdict()


class Judge:
    """Looks for whose fault it is."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.accuser = Accuser(flow)
        self.notes: list[str] = []

    def verdict(self) -> Verdict:
        """All findings, the worst first."""
        found = [*busy_loops(self.flow)]
        for strain in dict.fromkeys((*pressed(self.flow), *growing(self.flow), *overflowing(self.flow))):
            found += self._blame(strain)
        self._pools()
        if any(one.cause == LOOP for one in found):  # whatever waits there waits for its turn
            found = [one for one in found if one.cause not in (STAGE, LIMITER, UNKNOWN)]
        return Verdict(joined(found), tuple(dict.fromkeys(self.notes)))

    def _pools(self) -> None:
        """Note the queues that may hand out things to use: whoever takes from one gives back to it, and waits."""
        for kind, queue in self.flow.strains:
            takers = self.flow.takers(queue) if kind == QUEUE else []
            waited = sum(crew.waits[queue, QUEUE, GET] for crew in takers)
            if waited >= MOSTLY * self.flow.seconds and all(crew.uses(QUEUE, queue, PUT) for crew in takers):
                stages = listed(crew.stage for crew in takers)
                self.notes.append(
                    f"{stages} takes from queue {queue!r}, gives back to it and waits for more: if it hands out things "
                    "to use, such as connections, that is held up and not idle, which watch(..., pool=True) shows"
                )

    # Whose fault it is --------------------------------------------------------------------------

    def _blame(self, strain: Strain) -> list[Finding]:
        trail = Trail(strain=strain)
        if strain.kind == QUEUE:
            return self._downstream_of(strain.name, trail)
        if strain.kind == STREAM:
            return [self.accuser.peer(strain.name, trail)]
        return self._limiter(strain.name, trail)

    def _downstream_of(self, queue: str, trail: Trail) -> list[Finding]:
        """Returns the findings on a full queue: who takes from it, and why no faster."""
        strain = self.flow.strains.get((QUEUE, queue))
        takers = self.flow.takers(queue)
        if not takers:
            return [self.accuser.no_taker(queue, strain, trail)]
        return [finding for crew in takers for finding in self._suspect(crew, queue, trail)]

    def _suspect(self, crew: Crew, queue: str, trail: Trail) -> list[Finding]:
        if crew in trail.crews:
            return [self.accuser.circle(crew, trail)]
        if crew.lived < SEEN * self.flow.seconds:
            why = f"the tasks of stage {crew.stage!r} that take from queue {queue!r} come and go between two readings"
            return [self.accuser.unknown(QUEUE, queue, trail, why)]
        if crew.share(IDLE) + crew.share(BLOCKED) < HALF:
            if crew.share(BLOCKED) >= PRESSED and sizing.keeps_up(self.flow, crew, queue):
                return self._behind(crew, trail)
            return [self.accuser.stage(crew, queue, trail)]
        if self._is_skewed(crew, trail):
            return [self.accuser.bad_member(crew, trail)]
        if crew.share(BLOCKED) >= crew.share(IDLE):
            return self._behind(crew, trail)
        return self._starved(crew, queue, trail)

    def _is_skewed(self, crew: Crew, trail: Trail) -> bool:
        """Returns whether one of its tasks works all the time and others wait, and as much as one member is stalled."""
        strain = trail.strain
        stalled = strain is not None and (
            strain.stalled_seconds >= HALF * self.flow.seconds or strain.longest >= self.flow.seconds
        )
        return crew.tasks > 1 and crew.busiest >= SKEWED and stalled

    def _behind(self, crew: Crew, trail: Trail) -> list[Finding]:
        """Returns the findings on what holds up a stage that is blocked itself."""
        link = crew.largest_wait(taking=False)
        if link is None:
            return [self.accuser.unknown(STAGE, crew.stage, trail, f"{told_crew(crew)}, but not by what")]
        name, kind, direction = link
        trail = trail.on(crew, link)
        if direction == DRAIN or kind == STREAM:
            return [self.accuser.peer(name, trail)]
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
            return [self.accuser.no_feeder(link[0], trail)]
        return [finding for feeder in feeders for finding in self._late(feeder, link, trail)]

    def _bursts(self, crew: Crew, queue: str, strain: Strain | None) -> None:
        if strain is not None:
            advice = sizing.room_for_bursts(self.flow, strain, crew)
            self.notes.append(f"queue {queue!r} is full in bursts, which {crew.stage!r} catches up with: {advice}")

    def _late(self, feeder: Crew, link: Link, trail: Trail) -> list[Finding]:
        """Returns the findings on an input that comes late."""
        if feeder in trail.crews:
            return [self.accuser.circle(feeder, trail)]
        if feeder.share(IDLE) + feeder.share(BLOCKED) < HALF:
            return [self.accuser.stage(feeder, link[0], trail)]
        if feeder.share(BLOCKED) >= feeder.share(IDLE):
            return self._behind(feeder, trail)
        further = feeder.largest_wait(taking=True)
        if further is None:
            return [self.accuser.unknown(QUEUE, link[0], trail, f"{told_crew(feeder)}, but not for what")]
        trail = trail.on(feeder, further)
        feeders = self.flow.feeders(further[0])
        if not feeders:
            return [self.accuser.no_feeder(further[0], trail)]
        return [finding for one in feeders for finding in self._late(one, further, trail)]

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
        return [self.accuser.finding(LIMITER, "limiter", limiter, trail, evidence, sizing.for_limiter(strain))]

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
            return [self.accuser.circle(crew, trail)]
        trail = trail.on(crew, link)
        if direction == DRAIN:
            return [self.accuser.peer(name, trail)]
        return self._limiter(name, trail) if direction == ACQUIRE else self._downstream_of(name, trail)
