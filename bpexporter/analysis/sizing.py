"""Sizes by Little's law on measured rates: consumers needed, room needed, time until full.

Little's law (J. D. C. Little, 1961): what is in a system on average is the arrival rate times the time in it.
"""

from __future__ import annotations

import math

from bpexporter.analysis.flow import QUEUE, Crew, Flow, Strain
from bpexporter.resources.stage.metrics import PUT, WORKING
from bpexporter.settings import SATURATED

# Rates of fewer items say nothing.
ENOUGH = 10
# A producer that is blocked for more of its time hardly shows how fast it would be.
MOSTLY_BLOCKED = 0.95
NOT_ENOUGH = "not enough data"


def work_seconds(flow: Flow, crew: Crew, queue: str) -> float | None:
    """Seconds of work for each item of a queue; ``None`` where there is not enough data."""
    strain = flow.strains.get((QUEUE, queue))
    others = [one for one in flow.takers(queue) if one is not crew]
    if strain is None or strain.taken < ENOUGH or others:
        return None
    return crew.seconds[WORKING] / strain.taken


def offered_rate(flow: Flow, queue: str) -> float | None:
    """Items a second that would come in if nobody were blocked; ``None`` where there is not enough data."""
    strain, feeders = flow.strains.get((QUEUE, queue)), flow.feeders(queue)
    lived = sum(crew.lived for crew in feeders)
    blocked = sum(crew.waits.get((queue, QUEUE, PUT), 0.0) for crew in feeders)
    if strain is None or strain.put < ENOUGH or lived <= 0 or blocked / lived > MOSTLY_BLOCKED:
        return None
    return strain.put / flow.seconds / (1.0 - blocked / lived)


def keeps_up(flow: Flow, crew: Crew, queue: str) -> bool:
    """Returns whether a stage would do all that comes in if nobody held it up."""
    rate, work = offered_rate(flow, queue), work_seconds(flow, crew, queue)
    return rate is not None and work is not None and rate * work < crew.lived / flow.seconds


def consumers_needed(flow: Flow, crew: Crew, queue: str) -> int | None:
    """Tasks that would keep up with what comes in, not saturated; ``None`` where there is not enough data."""
    rate, work = offered_rate(flow, queue), work_seconds(flow, crew, queue)
    return None if rate is None or work is None else math.ceil(round(rate * work / SATURATED, 6))


def for_stage(flow: Flow, crew: Crew, queue: str) -> list[str]:
    """Advice against a slow stage."""
    needed, work, rate = consumers_needed(flow, crew, queue), work_seconds(flow, crew, queue), offered_rate(flow, queue)
    advice = ["make its work shorter, or give it more tasks"]
    if work is not None:
        strain = flow.strains[QUEUE, queue]
        advice.append(
            f"an item takes {told_seconds(work)} of work; {strain.taken / flow.seconds:,.1f} a second are done"
        )
    if needed is None or rate is None:
        return [*advice, f"how many tasks it needs: {NOT_ENOUGH}"]
    law = f"Little's law, each busy for {SATURATED:.0%}"
    return [*advice, f"{rate:,.1f} items a second would come in: it needs {needed} tasks, and has {crew.tasks} ({law})"]


def for_limiter(strain: Strain | None) -> list[str]:
    """Advice against a limiter that is too small."""
    if strain is None or not strain.capacity:
        return ["let its permits be held for a shorter time, or give it more of them"]
    held = f"{strain.depth:g} of {strain.capacity:g} permits are held"
    return [f"{held}: hold each for a shorter time, or give it more of them"]


def burst_room(flow: Flow, strain: Strain, crew: Crew) -> int | None:
    """A `maxsize` that would have held the bursts seen, at most; ``None`` where there is not enough data.

    What was kept out while the queue was full is what was taken from it meanwhile.
    """
    work = work_seconds(flow, crew, strain.name)
    if not work or strain.capacity is None:
        return None
    per_member = strain.stalled_seconds / max(1, strain.members)
    return math.ceil(strain.capacity / max(1, strain.members) + per_member * max(1, crew.tasks) / work)


def room_for_bursts(flow: Flow, strain: Strain, crew: Crew) -> str:
    """The same in words."""
    room = burst_room(flow, strain, crew)
    return f"what room they need: {NOT_ENOUGH}" if room is None else f"a maxsize of {room} would have held them"


def seconds_until_full(flow: Flow, strain: Strain) -> float | None:
    """Seconds until a queue that fills is full at the present rate; ``None`` where it does not fill, or has no end."""
    rate = strain.grown / flow.seconds
    if strain.capacity is None or rate <= 0 or strain.put < ENOUGH or strain.depth >= strain.capacity:
        return None
    return (strain.capacity - strain.depth) / rate


def filling(flow: Flow) -> list[str]:
    """Returns the queues that will be full soon."""
    found = [(seconds_until_full(flow, one), one) for one in flow.strains.values() if one.kind == QUEUE]
    return [
        f"queue {one.name!r} fills by {one.grown / flow.seconds:,.1f} items a second: full in {told_seconds(left)}"
        for left, one in found
        if left is not None and left <= 60 * 60 and one.grown >= 0.02 * (one.capacity or 0)
    ]


def told_seconds(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
