"""What outcomes.py does before it imports somebody's tests: nothing, watch every queue, or do it badly.

Each returns a function that says, when the tests are over, what was counted.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

Counted = Callable[[], dict[str, Any]]


def bare() -> Counted:
    """Nothing is touched."""
    return dict


def watched() -> Counted:
    """Each queue is watched as soon as the standard library's __init__ has run, subclasses included."""
    import bpexporter

    original = asyncio.Queue.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        bpexporter.watch(self, "q")

    asyncio.Queue.__init__ = init  # type: ignore[method-assign]
    return counted


def installed() -> Counted:
    """Everything is watched as soon as it is made, under the names that are found by themselves."""
    import bpexporter

    bpexporter.install()
    return summed


def summed() -> dict[str, Any]:
    """The plain numbers of all names together, by metric."""
    import bpexporter
    from bpexporter.catalogue import METRICS, merge

    kinds = bpexporter.snapshot().kinds
    readings = {kind: merge(kind, list(named.values())) for kind, named in kinds.items() if named}
    values = {m.name: getattr(readings.get(m.subject), m.field, None) for m in METRICS}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def counted() -> dict[str, Any]:
    """The plain numbers of the queues' common name, and of bpexporter itself, by metric."""
    import bpexporter
    from bpexporter.catalogue import METRICS

    kinds = bpexporter.snapshot().kinds
    readings = {"queue": kinds["queue"].get("q"), "itself": kinds["itself"].get("")}
    values = {m.name: getattr(readings.get(m.subject), m.field, None) for m in METRICS}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def swallows_queue_full() -> Counted:
    """A broken instrument: a full queue drops the item where it should refuse it."""
    result = watched()
    original = asyncio.Queue.put_nowait

    def put_nowait(self: Any, item: Any) -> None:
        try:
            original(self, item)
        except asyncio.QueueFull:
            return

    asyncio.Queue.put_nowait = put_nowait  # type: ignore[method-assign]
    return result


def answers_none_when_empty() -> Counted:
    """A broken instrument: an empty queue gives None where it should raise."""
    result = watched()
    original = asyncio.Queue.get_nowait

    def get_nowait(self: Any) -> Any:
        try:
            return original(self)
        except asyncio.QueueEmpty:
            return None

    asyncio.Queue.get_nowait = get_nowait  # type: ignore[method-assign]
    return result


def blind() -> Counted:
    """A broken instrument: everything behaves, nothing is counted."""
    import bpexporter

    bpexporter.watch(asyncio.Queue(), "q")
    return counted
