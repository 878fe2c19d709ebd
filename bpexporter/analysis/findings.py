"""Findings, of which a verdict is made: each a culprit with its evidence in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bpexporter.analysis.flow import Crew, Flow, Strain
from bpexporter.resources.stage.metrics import BLOCKED, IDLE, RUNNING, WORKING, Link

LOOP, PEER, STAGE, NOBODY, CIRCLE, LIMITER, UNKNOWN = CAUSES = (
    "loop", "peer", "stage", "nobody", "circle", "limiter", "unknown",
)  # fmt: skip
"""From the worst on: what is to be mended first stands first."""


SAYINGS = {
    "stage": "stage {name} cannot keep up",
    "peer": "the peer of stream {name} takes less than is written to it",
    "limiter": "limiter {name} has no permits left",
    "loop": "event loop {name} has no time left",
    "nobody": "queue {name} is left alone",
    "circle": "stages wait for one another: {name}",
    "unknown": "{kind} {name} holds somebody up, and it is not known why",
}


class Finding(NamedTuple):
    """One culprit with its evidence."""

    cause: str
    """One of `CAUSES`."""
    kind: str
    """``stage``, ``queue``, ``stream``, ``limiter`` or ``loop``."""
    name: str
    """Of the culprit; with the cause ``unknown`` of the resource whose culprit is not known."""
    since_seconds: float
    """For how long, as far as is known."""
    held_up: tuple[str, ...]
    """The stages that wait, or the resources, where these are not known."""
    evidence: tuple[str, ...]
    """The figures, in words."""
    advice: tuple[str, ...]
    """Advice: what would help."""
    weight: float = 0.0
    """Among findings of one cause: the larger, the worse."""

    @property
    def accused(self) -> tuple[str, str, str]:
        """Cause, kind and name."""
        return self.cause, self.kind, self.name

    @property
    def says(self) -> str:
        """The finding in one sentence."""
        return SAYINGS[self.cause].format(name=self.name, kind=self.kind)


class Verdict(NamedTuple):
    """All findings, the worst first, and what else is worth saying."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``healthy`` or ``backpressure``."""
        return "backpressure" if self.findings else "healthy"


def joined(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each culprit, the worst first."""
    by_culprit: dict[tuple[str, str, str], Finding] = {}
    for one in findings:
        other = by_culprit.get(one.accused)
        by_culprit[one.accused] = one if other is None else _together(other, one)
    return tuple(sorted(by_culprit.values(), key=lambda one: (CAUSES.index(one.cause), -one.weight, one.name)))


def _together(one: Finding, other: Finding) -> Finding:
    return one._replace(
        since_seconds=max(one.since_seconds, other.since_seconds),
        held_up=tuple(dict.fromkeys((*one.held_up, *other.held_up))),
        evidence=tuple(dict.fromkeys((*one.evidence, *other.evidence))),
        advice=tuple(dict.fromkeys((*one.advice, *other.advice))),
        weight=max(one.weight, other.weight),
    )


# Words ----------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """A share in words."""
    return f"{share:.0%}"


def plural(number: float, what: str) -> str:
    """A number of things."""
    return f"{number:g} {what}" if number == 1 else f"{number:,g} {what}s"


def listed(names: Iterable[str]) -> str:
    """Names one after the other; a few of many."""
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - 5} more" if len(every) > 5 else ""
    return ", ".join(every[:5]) + more


def resource(kind: str, name: str) -> str:
    """A resource in words."""
    return f"{kind} {name!r}"


WAITERS = {"queue": "producer", "stream": "writer", "limiter": "task"}


def told_strain(strain: Strain) -> str:
    """Evidence in words: how much a resource held up."""
    each = " of each member's time" if strain.members > 1 else " of the time"
    held = "stalled" if strain.hears_of_waits else "over its mark"
    parts = [f"{resource(strain.kind, strain.name)} was {held} for {percent(strain.pressure)}{each}"]
    if strain.kind == "stream" and strain.worst >= 2:
        parts.append(f"it holds {strain.worst:,.0f} times what its mark allows, so somebody writes without waiting")
    if strain.blocked_now:
        waits = f"{plural(strain.blocked_now, WAITERS[strain.kind])} blocked now"
        parts.append(waits + (f", the oldest for {strain.longest:.1f} s" if strain.longest else ""))
    if strain.kind == "queue" and strain.capacity:
        parts.append(f"{strain.depth:g} of {strain.capacity:g} places are taken")
    return "; ".join(parts)


def told_growth(strain: Strain, seconds: float) -> str:
    """Evidence in words: how an unbounded queue grew."""
    return (
        f"queue {strain.name!r} has no limit and grows by {strain.grown / seconds:,.1f} items a second: "
        f"{strain.depth:,.0f} wait, the oldest for {strain.oldest:.1f} s"
    )


def told_crew(crew: Crew) -> str:
    """Evidence in words: what the tasks of a stage did."""
    idle, blocked, working = (percent(crew.share(state)) for state in (IDLE, BLOCKED, WORKING))
    where = f" ({crew.name})" if crew.name else ""
    return (
        f"stage {crew.stage!r}{where}, {plural(crew.tasks, 'task')}: working {working} of the time, "
        f"idle {idle}, blocked {blocked}"
    )


def told_wait(crew: Crew, link: Link) -> str:
    """For what a stage waits."""
    name, kind, direction = link
    share = crew.waits[link] / crew.lived if crew.lived else 0.0
    doing = {"get": "for items of", "put": "for room in", "drain": "in drain() of", "acquire": "for"}[direction]
    return f"stage {crew.stage!r} waits {percent(share)} of its time {doing} {resource(kind, name)}"


def told_awaits(flow: Flow, stage: str) -> list[str]:
    """On what a working stage spends its time, where looks at it found the same thing again and again."""
    looks = flow.awaits.get(stage, {})
    total = sum(looks.values())
    if not total:
        return []
    what, count = max(looks.items(), key=lambda item: item[1])
    where = "at a long step on the loop" if what == RUNNING else f"in {what}"
    return [f"of {plural(total, 'look')} at {stage!r} at work, {count} found it {where}"]


def told_runners(flow: Flow) -> str:
    """Evidence in words: who had the loop, where looks at it found somebody. Steps under 5 ms are hardly ever seen."""
    looks = {stage: found[RUNNING] for stage, found in flow.awaits.items() if RUNNING in found}
    if not looks:
        return "no look found a task in the middle of a step: many short steps"
    stage = max(looks, key=lambda name: looks[name])
    return (
        f"of {plural(sum(looks.values()), 'look')} that found a long step, {looks[stage]} found stage {stage!r} at it"
    )
