"""What outcomes.py does before it imports somebody's tests: nothing, watch everything, or do it badly.

Each returns a function that says, when the tests are over, what was counted.
"""

import asyncio
import contextlib
import functools
import importlib
from collections.abc import Callable
from typing import Any

Counted = Callable[[], dict[str, Any]]


def bare() -> Counted:
    """Nothing is touched."""
    return dict


def watched() -> Counted:
    """Queues, semaphores and writers are watched as soon as the standard library's __init__ has run."""
    for kind in (asyncio.Queue, asyncio.Semaphore, asyncio.StreamWriter):
        kind.__init__ = watching(kind.__init__)  # type: ignore[method-assign]
    return summed


def watching(original: Any) -> Any:
    """A constructor that watches what it has made."""
    import bpexporter

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            bpexporter.watch(self, "q")
        except (TypeError, AttributeError):
            if not isinstance(self, asyncio.StreamWriter):
                raise
            # CPython's tests make writers with mocks in place of transports, or with none

    return init


def installed() -> Counted:
    """Everything is watched as soon as it is made, under the names that are found by themselves."""
    import bpexporter

    bpexporter.install()
    return summed


def adapted() -> Counted:
    """The same, with the adapters of all libraries that are here."""
    from bpexporter.adapters.known import modules

    counted = installed()
    for module in modules():
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    return counted


def summed() -> dict[str, Any]:
    """The plain numbers of all names together, by metric."""
    import bpexporter
    from bpexporter.catalogue.merging import merge
    from bpexporter.catalogue.metrics import METRICS

    kinds = bpexporter.snapshot().kinds
    readings = {kind: merge(kind, list(named.values())) for kind, named in kinds.items() if named}
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
    return summed
