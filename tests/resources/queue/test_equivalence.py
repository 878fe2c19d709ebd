"""A watched queue does what a bare one does, and its numbers are those that a bystander would write down."""

import asyncio
import math
from collections.abc import Iterable
from typing import Any

import pytest
from fake_clock import Clock
from hypothesis import example, given, settings
from hypothesis import strategies as st
from side_by_side import CLASSES, COUNTED, PLAIN, PRISTINE, Op, Play, buckets, play

import bpexporter
from bpexporter.catalogue.metrics import METRICS
from bpexporter.hub.hub import Hub

SECONDS = st.sampled_from([0.25, 0.5, 1.0, 8.0])
SIZES = st.sampled_from([1, 2, 3, 4, 1, 2, 5, 0, -1, 0.5, 1.5, 2.5, 3.75, math.inf])
VALUES = st.integers(0, 4)


def op(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Op]:
    """One operation with random arguments."""
    return st.tuples(st.just(name), *arguments)


PUSH = [op("put_nowait", VALUES), op("put", VALUES), op("put", VALUES), op("put_within", VALUES, SECONDS)]
PULL = [op("get_nowait"), op("get_nowait"), op("get"), op("get"), op("get_within", SECONDS)]
TURN = [op("turn", st.integers(1, 3)), op("turn", st.just(1))]
REST = [op("advance", SECONDS), op("cancel", st.integers(0, 9)), op("task_done"), op("join")]
END = [op("shutdown", st.just(False))]
DROPS = [op("shutdown", st.just(True)), op("clear")]
JUMPS = [*DROPS, op("resize", SIZES)]

# The races that CPython had to mend: a woken put that is cancelled in the same tick lets the next one in
# (108042), and one that loses its place to put_nowait waits on (83055).
WOKEN_AND_CANCELLED = [
    *[("put", 0), ("put", 1), ("put", 2), ("turn", 1), ("advance", 1.0)],
    *[("get_nowait",), ("cancel", 0), ("turn", 3)],
]
PLACE_LOST = [
    *[("put_nowait", 0), ("put", 1), ("turn", 1), ("advance", 1.0), ("get_nowait",), ("put_nowait", 2)],
    *[("turn", 2), ("advance", 1.0), ("get_nowait",), ("turn", 2)],
]


def programs(*kinds: Iterable[st.SearchStrategy[Op]]) -> st.SearchStrategy[list[Op]]:
    """Random programs of a few phases: in some producers are ahead, in some consumers, in some neither."""
    rare = [operation for kind in kinds for operation in kind]
    ahead = [[*PUSH, *PUSH, *PULL[:1]], [*PULL, *PULL, *PUSH[:1]], [*PUSH, *PULL]]
    phases = [st.lists(st.one_of(*side, *TURN, *REST, *rare), min_size=1, max_size=12) for side in ahead]
    return st.lists(st.one_of(phases), max_size=4).map(lambda parts: [step for part in parts for step in part])


def races(test: Any) -> Any:
    """The known races are always among the examples."""
    return example(maxsize=1, program=WOKEN_AND_CANCELLED)(example(maxsize=1, program=PLACE_LOST)(test))


def values(reading: Any) -> dict[str, Any]:
    """A queue's reading by the metrics' names without prefix; split ones by their parts."""
    of_queues = [metric for metric in METRICS if metric.subject == "queue"]
    found = {m.name.removeprefix("backpressure_queue_"): (m, getattr(reading, m.field)) for m in of_queues}
    return {
        name: dict(zip(metric.parts, value, strict=True)) if metric.parts else value
        for name, (metric, value) in found.items()
    }


def read(hub: Hub) -> dict[str, Any]:
    """The present values of the one queue."""
    return values(bpexporter.snapshot(hub=hub).queues["q"])


def bare(kind: str, maxsize: float, *parts: list[Op]) -> Any:
    """The trace of the program's parts on a queue that nobody can have touched."""

    async def main() -> list[Any]:
        game = Play(CLASSES[kind](PRISTINE), maxsize, clock)
        for program in parts:
            await game.run(program)
        await game.settle()
        await game.end()
        return game.trace

    clock = Clock()
    return play(main(), clock)


def watched(kind: str, maxsize: float, *parts: list[Op], check: Any = None) -> Any:
    """The trace of the same on a watched queue; `check` sees the game and the values before the end."""

    async def main() -> list[Any]:
        game = Play(CLASSES[kind](asyncio), maxsize, clock)
        bpexporter.watch(game.queue, "q", hub=hub)
        for program in parts:
            await game.run(program)
        await game.settle()
        if check:
            check(game, read(hub))
        await game.end()
        if check:
            check(game, read(hub))
        return game.trace

    clock = Clock()
    hub = Hub(clock=clock)
    return play(main(), clock)


def agree(got: dict[str, Any], **expected: Any) -> None:
    """The values of these metrics are those expected."""
    assert {name: got[name] for name in expected} == expected


def counts_agree(game: Play, got: dict[str, Any]) -> None:
    """What goes in comes out, is there or was dropped; and everybody who waits is counted, for as long."""
    books = game.books
    depth = game.depth
    assert got["puts_total"] == got["gets_total"] + depth + books.dropped
    agree(
        got,
        puts_total=books.puts,
        gets_total=books.gets,
        depth_items=depth,
        blocked_producers=len(books.producers),
        idle_consumers=len(books.consumers),
        blocked_puts_total=books.blocked_puts + len(books.producers),
        put_blocked_seconds_total=books.put_blocked,
        get_idle_seconds_total=books.get_idle,
        stalled_seconds_total=books.stalled,
        longest_block_seconds=max((game.clock.now - start for start in books.producers.values()), default=0),
        refused_puts_total=books.refused,
        unfinished_tasks=game.queue._unfinished_tasks,
    )
    for name, waits in (("put_wait_seconds", books.put_waits), ("get_wait_seconds", books.get_waits)):
        histogram = got[name]
        assert (name, histogram.sum, histogram.counts) == (name, sum(waits), buckets(waits, histogram.bounds))


def levels_agree(game: Play, got: dict[str, Any]) -> None:
    """Bands, utilisation and peak are those of a bystander."""
    books, depth, capacity = game.books, game.depth, game.queue._maxsize
    bounded = 0 < capacity < math.inf
    bounds_itself = not bounded and type(game.queue).__name__ == "Roomy"
    agree(
        got,
        occupancy_seconds_total=books.occupancy,
        members=1,
        unbounded_members=int(not bounded and not bounds_itself),
        capacity_items=capacity if bounded else None,
        utilization_ratio=min(1, depth / capacity) if bounded else None,
    )
    if not bounded:
        assert got["peak_utilization_ratio"] is None
    elif books.wall < 60:
        assert got["peak_utilization_ratio"] == books.top


def ages_agree(game: Play, got: dict[str, Any]) -> None:
    """No item is said to be older than it is, and no more items are timed than went through."""
    ages = [game.clock.now - game.books.born[serial] for _, serial in game.queue._queue]
    assert 0 <= got["oldest_item_age_seconds"] <= max(ages, default=0)
    assert sum(got["residence_seconds"].counts) <= game.books.gets


def same(one: Any, other: Any) -> None:
    """Two traces, and what the loop complained of, are the same; tells the first line that differs."""
    (trace, complaints), (expected, expected_complaints) = one, other
    different = next((pair for pair in zip(trace, expected, strict=False) if pair[0] != pair[1]), None)
    assert different is None
    assert len(trace) == len(expected)
    assert complaints == expected_complaints


@pytest.mark.parametrize("kind", CLASSES)
@races
@given(maxsize=SIZES, program=programs(END, JUMPS))
def test_a_host_sees_no_difference(kind, maxsize, program):
    """Results, exceptions, the moment of every wake-up, repr and inner state are those of a bare queue."""
    same(watched(kind, maxsize, program), bare(kind, maxsize, program))


@pytest.mark.parametrize("kind", COUNTED)
@races
@given(maxsize=SIZES, program=programs(END, JUMPS))
def test_everything_is_counted(kind, maxsize, program):
    """puts = gets + depth + dropped, and waits, refusals and blocked callers are those of a bystander."""
    watched(kind, maxsize, program, check=counts_agree)


@pytest.mark.parametrize("kind", COUNTED)
@races
@given(maxsize=SIZES, program=programs(END))
def test_bands_are_exact(kind, maxsize, program):
    """Seconds in each band, utilisation and peak are those of a bystander, whatever was cancelled."""
    watched(kind, maxsize, program, check=levels_agree)


@pytest.mark.parametrize("kind", COUNTED)
@given(maxsize=SIZES, program=programs(END, JUMPS))
def test_bands_add_up(kind, maxsize, program):
    """Seconds in the bands add up to the wall time, even where the host clears and resizes."""

    def check(game: Play, got: dict[str, Any]) -> None:
        assert sum(got["occupancy_seconds_total"].values()) == game.books.wall

    watched(kind, maxsize, program, check=check)


@pytest.mark.parametrize("kind", COUNTED)
@given(maxsize=SIZES, wild=programs(JUMPS), calm=programs(END), extra=SECONDS)
def test_bands_find_their_place_again(kind, maxsize, wild, calm, extra):
    """After a jump behind our back, one put and one get are enough for the bands to be exact again."""
    clock = Clock()
    hub = Hub(clock=clock)

    async def main() -> None:
        game = Play(CLASSES[kind](asyncio), maxsize, clock)
        bpexporter.watch(game.queue, "q", hub=hub)
        await game.run([step for step in wild if step[0] != "shutdown"])
        await game.settle()
        await game.run([("get_nowait",), ("put_nowait", 1), ("get_nowait",), ("turn", 1)])
        await game.settle()
        before, own_before = read(hub)["occupancy_seconds_total"], dict(game.books.occupancy)
        await game.run([*calm, ("advance", extra)])
        after, own_after = read(hub)["occupancy_seconds_total"], game.books.occupancy
        assert {b: after[b] - before[b] for b in after} == {b: own_after[b] - own_before[b] for b in own_after}
        await game.end()

    play(main(), clock)


@pytest.mark.parametrize("kind", COUNTED)
@given(maxsize=SIZES, program=programs(END))
def test_ages_are_lower_bounds(kind, maxsize, program):
    """The oldest item's age never exceeds the truth, and tracer items are items that came out."""
    watched(kind, maxsize, program, check=ages_agree)


@pytest.mark.parametrize("kind", CLASSES)
@given(maxsize=SIZES, before=programs(), during=programs(END, JUMPS), after=programs())
def test_watch_and_unwatch_at_any_moment(kind, maxsize, before, during, after):
    """Neither watch() nor unwatch() in the middle, with callers blocked, changes what the host sees."""
    clock = Clock()
    hub = Hub(clock=clock)

    async def main() -> list[Any]:
        game = Play(CLASSES[kind](asyncio), maxsize, clock)
        await game.run(before)
        bpexporter.watch(game.queue, "q", hub=hub)
        await game.run(during)
        bpexporter.unwatch(game.queue)
        left = read(hub)
        await game.run(after)
        await game.settle()
        await game.end()
        assert read(hub) == left
        return game.trace

    same(play(main(), clock), bare(kind, maxsize, before, during, after))


@pytest.mark.parametrize("kind", COUNTED)
@given(maxsize=SIZES, before=programs(), during=programs(END, DROPS))
def test_callers_blocked_before_are_counted(kind, maxsize, before, during):
    """Who was blocked before watch() shows as blocked, and is counted when the item goes in."""
    clock = Clock()
    hub = Hub(clock=clock)

    async def main() -> None:
        game = Play(CLASSES[kind](asyncio), maxsize, clock)
        await game.run(before)
        await game.settle()
        bpexporter.watch(game.queue, "q", hub=hub)
        books = game.books
        depth, puts, gets, dropped = game.depth, books.puts, books.gets, books.dropped
        agree(read(hub), blocked_producers=len(game.books.producers), idle_consumers=len(game.books.consumers))
        await game.run(during)
        await game.settle()
        got = read(hub)
        agree(
            got,
            puts_total=game.books.puts - puts,
            gets_total=game.books.gets - gets,
            blocked_producers=len(game.books.producers),
            idle_consumers=len(game.books.consumers),
        )
        gone = game.books.dropped - dropped
        assert depth + got["puts_total"] == got["gets_total"] + game.depth + gone
        assert sum(got["put_wait_seconds"].counts) == got["puts_total"]
        assert sum(got["get_wait_seconds"].counts) == got["gets_total"]
        await game.end()

    play(main(), clock)


@settings(max_examples=20)
@given(maxsize=SIZES, program=programs(END))
@pytest.mark.parametrize("kind", PLAIN)
def test_the_bystander_is_no_formality(kind, maxsize, program):
    """The pristine copy is one: it shares no class with asyncio, and plays the same game unwatched."""
    assert not issubclass(CLASSES[kind](PRISTINE), asyncio.Queue)
    same(bare(kind, maxsize, program), bare(kind, maxsize, program))


@pytest.mark.parametrize("fault", ["_wakeup_next", "put_nowait", "full"])
def test_a_broken_queue_is_found(fault):
    """The comparison is no formality: who wakes the wrong one, drops an item or lets one more in is told."""

    class Queue(asyncio.Queue):
        pass

    def wake_the_last(self, waiters):
        if waiters:
            waiters.pop().set_result(None)

    faults = {
        "_wakeup_next": wake_the_last,
        "put_nowait": lambda self, item: None if self.full() else asyncio.Queue.put_nowait(self, item),
        "full": lambda self: 0 < self._maxsize < self.qsize(),
    }
    setattr(Queue, fault, faults[fault])
    program = [*WOKEN_AND_CANCELLED, *[("put_nowait", 0)] * 3, ("get_nowait",), ("turn", 3)]
    clock = Clock()

    async def main() -> list[Any]:
        game = Play(Queue, 1, clock)
        await game.run(program)
        await game.settle()
        await game.end()
        return game.trace

    with pytest.raises(AssertionError):
        same(play(main(), clock), bare("Queue", 1, program))
