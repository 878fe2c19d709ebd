"""The hub: names and their members, the totals of those that are gone, bounds, threads and forks."""

import asyncio
import gc
import logging
import os

import pytest
from fake_clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from bpexporter import Hub, default_hub, unwatch, watch
from bpexporter.hub.hub import registry_of
from bpexporter.hub.process import all_registries
from bpexporter.hub.registry import MAX_NAMES, OTHER_NAME

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


def queues(hub):
    """The readings of all queues."""
    return hub.snapshot().queues


def itself(hub):
    """What the exporter says of itself."""
    return hub.snapshot().kinds["itself"][""]


# Names -----------------------------------------------------------------------------------------------------


def test_one_name_may_stand_for_several_kinds(hub):
    """A queue and a limiter of the same name are two things."""
    watched = [watch(asyncio.Queue(3), "db", hub=hub), watch(asyncio.Semaphore(3), "db", hub=hub)]
    found = hub.snapshot()
    assert (found.queues["db"].members, found.limiters["db"].members) == (1, 1)
    assert sorted(registry_of(hub).kinds_of("db")) == ["limiter", "queue"]
    assert (registry_of(hub).kinds_of("other"), len(watched)) == ([], 2)


class Name(str):
    """A name whose own methods answer something else."""

    __slots__ = ()

    def __str__(self):
        return "other"

    def __hash__(self):
        return 0

    def __eq__(self, other):
        return False


def test_a_name_is_taken_as_plain_text(hub):
    """Of a subclass of `str` the characters are taken, and none of its methods."""
    watched = [watch(asyncio.Queue(), Name("q"), hub=hub), watch(asyncio.Queue(), "q", hub=hub)]
    found = queues(hub)
    assert [(type(name), reading.members) for name, reading in found.items()] == [(str, 2)]
    assert (list(found), len(watched)) == (["q"], 2)


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        (None, TypeError, "must be a str, not NoneType"),
        (b"q", TypeError, "must be a str, not bytes"),
        ("", ValueError, "must not be empty"),
        ("x" * 1_001, ValueError, "1,001"),
        ("a\ud800b", ValueError, "lone surrogate"),
    ],
)
def test_a_wrong_name_is_refused_and_leaves_nothing(hub, name, error, told):
    """What could not be exposed is an error at watch() that says why; nothing is watched then."""
    with pytest.raises(error, match=told):
        watch(asyncio.Queue(), name, hub=hub)
    assert (dict(queues(hub)), itself(hub).watched_objects[("queue",)]) == ({}, 0)


# Members -------------------------------------------------------------------------------------------------


def test_members_add_up_and_ratios_are_the_highest(hub, clock):
    """Counts, seconds and levels of one name are sums; utilisation, peak and ages are the worst member's."""
    full, half = watch(asyncio.Queue(2), "q", hub=hub), watch(asyncio.Queue(10), "q", hub=hub)
    free = watch(asyncio.Queue(), "q", hub=hub)
    for queue, count in ((full, 2), (half, 5), (free, 4)):
        for number in range(count):
            queue.put_nowait(number)
        clock.now += 10
    reading = queues(hub)["q"]
    assert (reading.members, reading.unbounded_members, reading.capacity_items, reading.depth_items) == (3, 1, 12, 11)
    assert (reading.utilization_ratio, reading.peak_utilization_ratio, reading.puts) == (1, 1, 11)
    assert (sum(reading.occupancy_seconds), reading.oldest_item_age_seconds) == (90, 30)


def test_what_has_gone_leaves_its_totals_and_no_level(hub, clock):
    """After a member is dropped or unwatched its counts stay, its depth, capacity and membership do not."""
    dropped, unwatched = watch(asyncio.Queue(4), "q", hub=hub), watch(asyncio.Queue(4), "q", hub=hub)
    dropped.put_nowait(1)
    unwatched.put_nowait(1)
    clock.now += 5
    unwatch(unwatched)
    del dropped
    gc.collect()
    clock.now += 100
    reading = queues(hub)["q"]
    assert (reading.members, reading.depth_items, reading.capacity_items) == (0, 0, None)
    assert reading.utilization_ratio is None
    assert (reading.puts, reading.put_wait_seconds.total, unwatched.qsize()) == (2, 2, 1)
    assert reading.occupancy_seconds[1] == 5 + 5  # until they went, whenever somebody looks


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_peak_outlives_its_member_for_its_minute(hub, clock, level):
    """A name shows the peak of a member that is gone for 60 s after it went."""
    queue, other = watch(asyncio.Queue(4), "q", hub=hub), watch(asyncio.Queue(4), "q", hub=hub)
    for number in range(level):
        queue.put_nowait(number)
    unwatch(queue)
    peaks = []
    for seconds in (0, 60, 1):
        clock.now += seconds
        peaks.append(queues(hub)["q"].peak_utilization_ratio)
    assert (peaks, other.empty()) == ([level / 4, level / 4, 0], True)


EVENTS = st.lists(st.tuples(st.sampled_from(["new", "put", "get", "unwatch", "drop", "read"]), st.integers(0, 3)))


@given(EVENTS)
@settings(max_examples=40)
def test_no_total_goes_back_whatever_comes_and_goes(events):
    """Members are made, used, unwatched and dropped: totals of the name are those of all that ever happened."""
    clock, alive, puts, gets = Clock(), [], 0, 0
    hub, before = Hub(clock=clock), 0.0
    for event, number in events:
        clock.now += 1
        queue = alive[number % len(alive)] if alive else None
        if event == "new":
            alive.append(watch(asyncio.Queue(2), "q", hub=hub))
        elif event == "put" and queue is not None and not queue.full():
            queue.put_nowait(0)
            puts += 1
        elif event == "get" and queue is not None and not queue.empty():
            queue.get_nowait()
            gets += 1
        elif event in ("unwatch", "drop") and queue is not None:
            alive.remove(queue)
            queue = unwatch(queue) if event == "unwatch" else None
        queue = None
        if alive or "q" in queues(hub):
            reading = queues(hub)["q"]
            depths = sum(one.qsize() for one in alive)
            assert (reading.members, reading.depth_items) == (len(alive), depths)
            assert (reading.puts, reading.gets) == (puts, gets)
            assert sum(reading.occupancy_seconds) >= before
            before = sum(reading.occupancy_seconds)


def test_a_thousand_members_that_are_gone_leave_one_entry(hub):
    """What is kept of members that are gone is their sum, and nothing for each."""
    for _ in range(1_000):
        watch(asyncio.Queue(), "q", hub=hub).put_nowait(0)
    gc.collect()
    assert registry_of(hub).members("queue") == []
    left, members = registry_of(hub).under("queue", "q")
    assert (left.puts, members, list(queues(hub))) == (1_000, [], ["q"])


# Bounds ----------------------------------------------------------------------------------------------------


def test_names_are_bounded_to_a_thousand(caplog):
    """The thousand-and-first name of a kind is counted under __other__; those that are known go on."""
    hub = Hub()
    with caplog.at_level(logging.WARNING, "bpexporter"):
        kept = [watch(asyncio.Queue(), f"q{number}", hub=hub) for number in range(MAX_NAMES + 3)]
        kept += [watch(asyncio.Queue(), "q7", hub=hub)]
    found = queues(hub)
    assert (MAX_NAMES, len(found)) == (1_000, 1_001)
    assert (found[OTHER_NAME].members, found["q7"].members, OTHER_NAME) == (3, 2, "__other__")
    assert itself(hub).folded_names == {("queue",): 3, ("stream",): 0, ("limiter",): 0, ("loop",): 0}
    assert ["q1000" in record.getMessage() for record in caplog.records] == [True]
    assert len(kept) == 1_004


def test_each_kind_has_its_own_bound():
    """Many queues take no name from the limiters."""
    hub = Hub(max_names=1)
    kept = [watch(kind(1), name, hub=hub) for kind in (asyncio.Queue, asyncio.Semaphore) for name in ("a", "b")]
    found = hub.snapshot()
    assert list(found.queues) == list(found.limiters) == ["a", OTHER_NAME]
    assert (found.kinds["itself"][""].folded_names[("limiter",)], len(kept)) == (1, 4)


def test_who_asks_for_the_other_name_gets_it():
    """__other__ is a name as any, and takes no place from the rest."""
    hub = Hub(max_names=2)
    kept = [watch(asyncio.Queue(), name, hub=hub) for name in (OTHER_NAME, "a", "b", "c")]
    found = queues(hub)
    assert {name: reading.members for name, reading in found.items()} == {OTHER_NAME: 2, "a": 1, "b": 1}
    assert (itself(hub).folded_names[("queue",)], len(kept)) == (1, 4)


def test_an_object_of_the_other_name_is_watched_again_without_being_counted_twice():
    """To watch it again under the name that was folded changes nothing."""
    hub = Hub(max_names=1)
    kept = [watch(asyncio.Queue(), name, hub=hub) for name in ("a", "b")]
    kept[1].put_nowait(0)
    for _ in range(3):
        watch(kept[1], "b", hub=hub)
    assert itself(hub).folded_names[("queue",)] == 1
    assert (queues(hub)[OTHER_NAME].members, queues(hub)[OTHER_NAME].puts) == (1, 1)


@pytest.mark.parametrize("max_names", [0, -1, 1.5, None, "9"])
def test_a_bound_is_a_whole_number_from_1_on(max_names):
    """Anything else is refused when the hub is made."""
    with pytest.raises(ValueError, match="max_names"):
        Hub(max_names=max_names)


# Several hubs ------------------------------------------------------------------------------------------------


def test_hubs_know_nothing_of_each_other(clock):
    """Each has its own names, buckets, bound and clock."""
    one, other = Hub(clock=clock, buckets=(1, 2)), Hub(buckets=(3,), max_names=1)
    kept = [watch(asyncio.Queue(), "q", hub=hub) for hub in (one, other)]
    kept[0].put_nowait(0)
    assert [queues(hub)["q"].puts for hub in (one, other)] == [1, 0]
    assert [queues(hub)["q"].put_wait_seconds.bounds for hub in (one, other)] == [(1, 2), (3,)]


def test_an_object_moves_to_another_hub_and_leaves_what_it_had_counted(hub):
    """Watched in another hub, it counts there from zero; the first keeps the totals."""
    other, queue = Hub(), asyncio.Queue(9)
    watch(queue, "q", hub=hub).put_nowait(1)
    watch(queue, "q", hub=other).put_nowait(2)
    found = [(queues(one)["q"].members, queues(one)["q"].puts) for one in (hub, other)]
    assert found == [(0, 1), (1, 1)]
    assert queues(other)["q"].depth_items == 2


def test_a_hub_that_is_dropped_is_gone():
    """Hubs are found while somebody holds them; the process-wide one stays."""
    hub = Hub()
    assert registry_of(hub) in all_registries()
    del hub
    gc.collect()
    assert registry_of(default_hub) in all_registries()
    assert all("queue names" in repr(one) for one in all_registries())


# Readings ----------------------------------------------------------------------------------------------------


def test_a_snapshot_stays_as_it_was(hub):
    """A snapshot is a copy that cannot be changed, also by what happens later."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    before = hub.snapshot()
    queue.put_nowait(1)
    unwatch(queue)
    assert (before.queues["q"].puts, before.queues["q"].members) == (0, 1)
    for changed in (before.kinds, before.queues):
        with pytest.raises(TypeError):
            changed["q"] = None
    with pytest.raises(AttributeError):
        before.queues["q"].puts = 5


def test_a_member_that_cannot_be_read_is_left_out(hub, monkeypatch):
    """One broken ledger costs its own reading, is counted, and leaves the other members and names."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    good, bad = watch(asyncio.Queue(), "q", hub=hub), watch(asyncio.Queue(), "q", hub=hub)
    alone = watch(asyncio.Queue(), "alone", hub=hub)
    good.put_nowait(1)
    before = itself(hub).collect_errors
    del bad._maxsize
    found = queues(hub)
    assert (found["q"].puts, found["q"].members, found["alone"].members) == (1, 1, 1)
    assert itself(hub).collect_errors > before
    assert alone.empty()
