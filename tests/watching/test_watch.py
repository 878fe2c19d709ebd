"""watch() and unwatch(): which object, under which name, in which hub, and what stays as it was."""

import asyncio
import gc
import weakref

import pytest
from fake_clock import Clock

import bpexporter
from bpexporter import Hub, default_hub, snapshot, unwatch, watch
from bpexporter.watching.watch import ledger_of, unwatch_all, watch_automatically

QUEUES = [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue]
KINDS = [*QUEUES, asyncio.Semaphore, asyncio.BoundedSemaphore]
METHODS = ("put", "get", "put_nowait", "get_nowait")
ORIGINALS = {name: vars(asyncio.Queue)[name] for name in METHODS}


@pytest.fixture
def hub():
    """A hub of this test alone."""
    return Hub(clock=Clock())


@pytest.fixture(autouse=True)
def nothing_watched():
    """Each test begins and ends with nothing watched."""
    gc.collect()
    unwatch_all()
    yield
    unwatch_all()


def puts(hub):
    """Items put, by name."""
    return {name: reading.puts for name, reading in hub.snapshot().queues.items()}


def methods():
    """The methods of the standard library's queue as they are now."""
    return {name: vars(asyncio.Queue)[name] for name in METHODS}


# What can be watched ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_object_comes_back(hub, kind):
    """watch() and unwatch() give back the very object, whose class and attributes of its own are as before."""
    obj = kind(3)
    before = vars(obj).copy()
    assert watch(obj, "name", hub=hub) is obj
    assert type(obj) is kind
    assert {name: vars(obj)[name] for name in before} == before
    assert unwatch(obj) is obj
    assert vars(obj) == before


class Frozen(asyncio.Queue):
    """A subclass that lets nobody set an attribute after it is made."""

    ready = False

    def __init__(self):
        super().__init__(3)
        object.__setattr__(self, "ready", True)

    def __setattr__(self, name, value):
        if self.ready and name not in ("_unfinished_tasks", "_loop"):
            raise AttributeError(name)
        object.__setattr__(self, name, value)

    def __eq__(self, other):
        raise AssertionError("compared")

    __hash__ = None


def test_a_subclass_with_manners_of_its_own_is_watched(hub):
    """No attribute protocol, comparison or hash of the host's stands in the way, or is run."""
    queue = watch(Frozen(), "q", hub=hub)
    queue.put_nowait(1)
    assert puts(hub) == {"q": 1}
    assert watch(queue, "q", hub=hub) is unwatch(queue) is queue


@pytest.mark.parametrize("obj", [None, object(), "queue", asyncio.Queue, asyncio.Event(), [asyncio.Queue()]])
def test_what_cannot_be_watched_is_an_error_that_says_what_can(hub, obj):
    """A TypeError, at the call, with the type that was given and those that will do."""
    told = r"cannot watch .*\bcan be watched is .*asyncio\.Queue.*StreamWriter.*asyncio\.Semaphore"
    for call in (lambda: watch(obj, "q", hub=hub), lambda: unwatch(obj), lambda: ledger_of(obj)):
        with pytest.raises(TypeError, match=told):
            call()
    assert puts(hub) == {}


def test_what_only_says_that_it_is_a_queue_is_none(hub):
    """An object that answers for `__class__` with asyncio.Queue is not taken for one."""

    class Pretender:
        __class__ = asyncio.Queue

    with pytest.raises(TypeError, match="cannot watch"):
        watch(Pretender(), "q", hub=hub)


@pytest.mark.parametrize("name", [None, 1, b"q", "", "x" * 1_001, "\udfff", ["q"]])
def test_a_wrong_name_is_an_error_at_the_call(hub, name):
    """It leaves the object unwatched, and the standard library as it was."""
    queue = asyncio.Queue()
    with pytest.raises((TypeError, ValueError), match="name"):
        watch(queue, name, hub=hub)
    assert ledger_of(queue) is None
    assert methods() == ORIGINALS


@pytest.mark.parametrize("wrong", [object(), "hub", 0, Hub])
def test_a_wrong_hub_is_an_error_at_the_call(wrong):
    """What is no hub is refused by name, and the object stays unwatched."""
    queue = asyncio.Queue()
    with pytest.raises(TypeError, match=r"hub must be a bpexporter\.Hub"):
        watch(queue, "q", hub=wrong)
    assert ledger_of(queue) is None


def test_options_are_named():
    """The hub cannot be given by its place."""
    with pytest.raises(TypeError):
        watch(asyncio.Queue(), "q", default_hub)


def test_a_wrong_second_name_leaves_the_first(hub):
    """An object that is watched stays so when another name for it is refused."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    with pytest.raises(ValueError, match="empty"):
        watch(queue, "", hub=hub)
    queue.put_nowait(1)
    assert puts(hub) == {"q": 1}


# Once and again ---------------------------------------------------------------------------------------------


def test_watching_again_changes_nothing(hub):
    """Under the same name, in the same hub, it is the same member with all that it has counted."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    queue.put_nowait(1)
    ledger = ledger_of(queue)
    for _ in range(3):
        watch(queue, "q", hub=hub)
    assert ledger_of(queue) is ledger
    assert (puts(hub), hub.snapshot().queues["q"].members) == ({"q": 1}, 1)


def test_another_name_takes_over_from_there(hub):
    """What was counted stays with the old name, which has a member less; what comes counts under the new one."""
    queue = watch(asyncio.Queue(), "old", hub=hub)
    queue.put_nowait(1)
    watch(queue, "new", hub=hub)
    queue.put_nowait(2)
    found = hub.snapshot().queues
    assert {name: (one.puts, one.members, one.depth_items) for name, one in found.items()} == {
        "old": (1, 0, 0),
        "new": (1, 1, 2),
    }


async def test_a_stall_goes_on_under_another_name(hub):
    """A put that is blocked while its queue is renamed is blocked under the new name, and lands there."""
    queue = watch(asyncio.Queue(1), "old", hub=hub)
    queue.put_nowait(1)
    put = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    hub.clock.now += 10
    watch(queue, "new", hub=hub)
    hub.clock.now += 5
    found = hub.snapshot().queues
    assert (found["old"].blocked_producers, found["new"].blocked_producers) == (0, 1)
    assert (found["old"].stalled_seconds, found["new"].stalled_seconds) == (10, 5)
    queue.get_nowait()
    await put
    assert (hub.snapshot().queues["new"].puts, hub.snapshot().queues["new"].blocked_producers) == (1, 0)


def test_a_name_that_nobody_asked_for_gives_way(hub):
    """What install() has found keeps its counts when somebody names it, and its old name is gone."""
    queue = asyncio.Queue()
    watch_automatically(queue, "found", hub)
    queue.put_nowait(1)
    assert puts(hub) == {"found": 1}
    watch(queue, "named", hub=hub)
    queue.put_nowait(2)
    assert puts(hub) == {"named": 2}


def test_what_is_watched_already_is_not_found_anew(hub):
    """An object that somebody has named is left where it is."""
    queue = watch(asyncio.Queue(), "named", hub=hub)
    watch_automatically(queue, "found", Hub())
    queue.put_nowait(1)
    assert puts(hub) == {"named": 1}


def test_found_in_one_hub_and_named_in_another_leaves_nothing(hub):
    """Nobody has asked for what was counted under a name that was made up."""
    other, queue = Hub(), asyncio.Queue()
    watch_automatically(queue, "found", other)
    queue.put_nowait(1)
    watch(queue, "named", hub=hub)
    assert (puts(other), puts(hub)) == ({}, {"named": 0})


# No more ----------------------------------------------------------------------------------------------------


def test_what_is_unwatched_counts_no_more(hub):
    """The object works on, its totals stay, and to unwatch it again is nothing."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    queue.put_nowait(1)
    for _ in range(3):
        unwatch(queue)
        queue.put_nowait(2)
    assert (queue.qsize(), puts(hub), hub.snapshot().queues["q"].members) == (4, {"q": 1}, 0)
    assert ledger_of(queue) is None


def test_watched_again_the_name_goes_on(hub):
    """The totals of both times add up, and time in between is nobody's."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    queue.put_nowait(1)
    hub.clock.now += 5
    unwatch(queue)
    hub.clock.now += 100
    watch(queue, "q", hub=hub).put_nowait(2)
    hub.clock.now += 7
    reading = hub.snapshot().queues["q"]
    assert (reading.puts, reading.members, sum(reading.occupancy_seconds)) == (2, 1, 12)


async def test_callers_that_wait_are_not_lost_with_the_ledger(hub):
    """A put and a get that wait when their queue is unwatched end as they would have."""
    full, empty = watch(asyncio.Queue(1), "q", hub=hub), watch(asyncio.Queue(1), "q", hub=hub)
    full.put_nowait(1)
    callers = [asyncio.create_task(full.put(2)), asyncio.create_task(empty.get())]
    await asyncio.sleep(0)
    unwatch(full)
    unwatch(empty)
    assert full.get_nowait() == 1
    empty.put_nowait(3)
    assert await asyncio.gather(*callers) == [None, 3]
    reading = hub.snapshot().queues["q"]
    assert (reading.blocked_producers, reading.idle_consumers, reading.blocked_puts) == (0, 0, 1)


def test_the_originals_are_back_with_the_last_one(hub):
    """While anything is watched, in any hub, the methods are ours; then they are the standard library's again."""
    first, last = watch(asyncio.Queue(), "q", hub=hub), watch(asyncio.Queue(), "q", hub=Hub())
    assert not set(methods().values()) & set(ORIGINALS.values())
    unwatch(first)
    assert methods() != ORIGINALS
    unwatch(last)
    assert methods() == ORIGINALS


def test_nothing_is_held_on_to(hub):
    """A watched object that nobody else holds is freed at once, without the collector."""
    gc.disable()
    try:
        gone = [weakref.ref(watch(kind(1), "q", hub=hub)) for kind in KINDS]
        assert [one() for one in gone] == [None] * len(KINDS)
    finally:
        gc.enable()


# The process-wide hub ---------------------------------------------------------------------------------------


def test_without_a_hub_it_is_the_one_of_the_process(hub):
    """watch() and snapshot() agree on the default, and another hub sees nothing of it."""
    queue = watch(asyncio.Queue(), "of the process")
    queue.put_nowait(1)
    assert snapshot().queues["of the process"].puts == 1
    assert bpexporter.default_hub is default_hub
    assert "of the process" not in snapshot(hub=hub).queues
