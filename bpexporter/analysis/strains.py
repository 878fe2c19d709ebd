"""Strains, which a verdict explains: resources that hold somebody up, backlogs that grow, loops that are busy."""

from __future__ import annotations

from bpexporter.analysis.findings import LOOP, Finding, percent, told_runners
from bpexporter.analysis.flow import QUEUE, STREAM, Flow, Strain

# A resource that is stalled for less of the time holds up nobody who matters.
PRESSED = 0.1
# Limiters are there to hold up, and buffers of streams to be full at times: these are a matter of their own where they
# are stalled for so much of the time, and else where a way leads to them.
MOSTLY = 0.5
# A loop that is busy for more of the time is a finding of its own.
BUSY = 0.9
# Fewer items than these in an unbounded queue are no backlog; it grows where at least such a share of what came in
# stayed in, and where its oldest item, whose age is a lower bound, has seen such a share of the interval.
BACKLOG, GROWS, OLD = 100, 0.1, 0.3
# A buffer that stays so many times over its mark is one that somebody fills without waiting.
FAR = 10.0


def pressed(flow: Flow) -> list[Strain]:
    """Returns the resources that hold somebody up, the worst first."""
    return sorted((one for one in flow.strains.values() if _presses(one, flow.seconds)), key=lambda one: -one.pressure)


def _presses(strain: Strain, seconds: float) -> bool:
    """Over all members; or one of many has held somebody up all the time."""
    limit = PRESSED if strain.kind == QUEUE else MOSTLY
    all_the_time = strain.members > 1 and strain.longest >= max(1.0, seconds)
    return strain.pressure >= limit or all_the_time


def growing(flow: Flow) -> list[Strain]:
    """Queues without a limit in which a backlog grows: they hold up nobody, and will end in a lack of memory."""
    return [
        one
        for one in flow.strains.values()
        if one.kind == QUEUE and one.capacity is None and one.depth >= BACKLOG
        if one.grown >= GROWS * max(1, one.put) and one.depth - one.grown >= BACKLOG / 2
        if one.oldest >= OLD * flow.seconds
    ]


def overflowing(flow: Flow) -> list[Strain]:
    """Streams that are written to without waiting, and whose peer does not take it: memory is the only limit."""
    return [
        one
        for one in flow.strains.values()
        if one.kind == STREAM and one.worst >= FAR and one.paused_seconds >= MOSTLY * flow.seconds
    ]


def busy_loops(flow: Flow) -> list[Finding]:
    """Loops that have no time left."""
    return [_busy_loop(name, share, flow) for name, share in flow.loops.items() if share >= BUSY]


def _busy_loop(name: str, share: float, flow: Flow) -> Finding:
    advice = "take work off this loop, to a thread, a process or another loop: a long step holds up all others"
    evidence = f"loop {name!r} was busy for {percent(share)} of the time"
    return Finding(LOOP, "loop", name, flow.seconds, (), (evidence, told_runners(flow)), (advice,), share)
