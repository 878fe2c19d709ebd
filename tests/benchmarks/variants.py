"""The variants of an object that are compared, and functions that no two variants share."""

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import bpexporter

from .others import MADE, pristine

Work = Callable[[Any, int], Awaitable[None]]

HAS_PROMETHEUS_CLIENT = importlib.util.find_spec("prometheus_client") is not None


class Variant(NamedTuple):
    """A queue, semaphore or writer, and the function that works on it."""

    subject: Any
    work: Work
    share: float
    """What part of the operations it does; slow variants do fewer, and the time is counted per operation."""


def fresh(function: Any) -> Any:
    """A copy of a function that shares no code, and so no inline caches, with the original."""
    return FunctionType(_fresh_code(function.__code__), function.__globals__, function.__name__)


def _fresh_code(code: CodeType) -> CodeType:
    consts = (_fresh_code(const) if isinstance(const, CodeType) else const for const in code.co_consts)
    return code.replace(co_consts=tuple(consts))


def naive(base: type) -> type:
    """The wrapper that people write: metrics of prometheus_client, changed at each operation.

    The label's child is kept, as careful people do; with `labels()` at each call it is slower still.
    """
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry = CollectorRegistry()

    def metric(kind: Any, name: str) -> Any:
        return kind(name, name, ["queue"], registry=registry).labels(queue="naive")

    puts, gets = metric(Counter, "queue_puts"), metric(Counter, "queue_gets")
    depth = metric(Gauge, "queue_depth")
    put_wait, get_wait = metric(Histogram, "queue_put_wait"), metric(Histogram, "queue_get_wait")

    class NaiveQueue(base):
        def put_nowait(self, item: Any) -> None:
            super().put_nowait(item)
            puts.inc()
            depth.set(self.qsize())

        def get_nowait(self) -> Any:
            item = super().get_nowait()
            gets.inc()
            depth.set(self.qsize())
            return item

        async def put(self, item: Any) -> None:
            begun = time.monotonic()
            await super().put(item)
            put_wait.observe(time.monotonic() - begun)

        async def get(self) -> Any:
            begun = time.monotonic()
            item = await super().get()
            get_wait.observe(time.monotonic() - begun)
            return item

    return NaiveQueue


def variants(kind: str, *, maxsize: int, fill: int, work: Work) -> dict[str, Variant]:
    """Every variant of `asyncio.<kind>`; a queue has `fill` items in it."""
    made = MADE[kind]() if kind in MADE else queues_of(kind, maxsize, fill)
    shares = {"naive": 0.25}
    return {name: Variant(subject, fresh(work), shares.get(name, 1)) for name, subject in made.items()}


def class_of(kind: str, module: Any) -> Any:
    """The class of queues of this kind, from asyncio or a copy of it."""
    base = getattr(module, kind.split(maxsplit=1)[0])
    return hooked(base) if kind != base.__name__ else base


def hooked(base: Any) -> type:
    """A subclass as libraries have them, which does its own work beside that of its base."""

    class Hooked(base):
        def _init(self, maxsize: int) -> None:
            super()._init(maxsize)
            self.seen = 0

        def _put(self, item: Any) -> None:
            self.seen += 1
            super()._put(item)

        def _get(self) -> Any:
            self.seen -= 1
            return super()._get()

    return Hooked


def queues_of(kind: str, maxsize: int, fill: int) -> dict[str, Any]:
    """Every variant of a queue."""
    ours, bare = class_of(kind, asyncio), class_of(kind, pristine("queues"))
    queues = {
        "bare": bare(maxsize),
        "watched": bpexporter.watch(ours(maxsize), "watched", hub=bpexporter.Hub()),
        "unwatched": ours(maxsize),
    }
    if HAS_PROMETHEUS_CLIENT:
        queues["naive"] = naive(bare)(maxsize)
    for queue in queues.values():
        for _ in range(fill):
            queue.put_nowait(1)
    return queues
