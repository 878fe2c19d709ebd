"""The reading of a hub's stages: what their tasks wait for now, and what all callers have waited in all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from bpexporter.hub.registry import Registry
from bpexporter.resources.kinds import LOOP, RESOURCES
from bpexporter.resources.protocols import GIVE_WAY
from bpexporter.resources.stage.metrics import ACQUIRE, DRAIN, GET, PUT, Link, StageReading
from bpexporter.resources.stage.present import Present
from bpexporter.resources.stage.settling import Callers, Settling

# By kind and direction: the fields of a reading with the seconds that all callers have waited, how many there were
# that may have waited, and how long those waited who did.
CALLERS = {
    "queue": (
        (PUT, "put_blocked_seconds", "blocked_puts", "put_wait_seconds"),
        (GET, "get_idle_seconds", "gets", "get_wait_seconds"),
    ),
    "stream": ((DRAIN, "drain_blocked_seconds", "blocked_drains", "drain_seconds"),),
    "limiter": ((ACQUIRE, "acquire_blocked_seconds", "blocked_acquires", "acquire_wait_seconds"),),
}


def read_stages(registry: Registry, kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, StageReading]:
    """A reading of each stage; `kinds` are the readings of all resources, taken just before."""
    present = Present(waiting(registry), registry.clock())
    return Settling(registry.stages).read(present, dict(callers(kinds)), living_loops(registry))


def waiting(registry: Registry) -> Iterator[tuple[Link, Mapping[Any, float]]]:
    """Returns the waiting callers, resource by resource."""
    for kind in RESOURCES:
        for number, ledger in enumerate(registry.members(kind), 1):
            if not number % (10 * GIVE_WAY):
                time.sleep(0)
            for direction, clock in ledger.instrument.clocks:
                stall = getattr(ledger, clock, None)
                if stall is not None and stall.waiting:
                    yield (ledger.entry.name, kind, direction), stall.waiting.copy()


def callers(kinds: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Link, Callers]]:
    """By link, what all callers together have waited."""
    for kind, sides in CALLERS.items():
        for name, reading in kinds[kind].items():
            for direction, seconds, count, waits in sides:
                waited, histogram = getattr(reading, seconds), getattr(reading, waits)
                if waited and histogram is not None:
                    yield (name, kind, direction), Callers(waited, getattr(reading, count), histogram)


def living_loops(registry: Registry) -> list[Any]:
    """The loops that are watched and not closed."""
    found = (ledger.live_owner() for ledger in registry.members(LOOP))
    return [loop for loop in found if loop is not None and not loop.is_closed()]
