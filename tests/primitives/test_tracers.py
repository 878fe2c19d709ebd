"""Tracers: a few items timed from put to get, in each order in which a queue may give its items out."""

import heapq
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpexporter.primitives.limits import NEVER
from bpexporter.primitives.tracers import MOST, ByIdentity, InTurn, Stacked

TRACERS = [InTurn, Stacked, ByIdentity]


class Traced:
    """A queue of one order with its tracer: items are numbers, and are timed where the test says so."""

    def __init__(self, kind):
        self.kind = kind
        self.tracers = kind()
        self.items = [] if kind is ByIdentity else deque()
        self.now = 0
        self.number = self.gets = 0
        self.put_at = {}
        self.timed = set()
        self.told = []  # (seconds told, the item that was just out)

    def put(self, timed):
        """An item goes in."""
        item = Item(self.number)
        self.number += 1
        if self.kind is ByIdentity:
            heapq.heappush(self.items, item)
        else:
            self.items.append(item)
        self.put_at[item] = self.now
        if timed:
            self.timed.add(item)
            self.tracers.add(item, self.gets, len(self.items), self.now)

    def get(self):
        """An item comes out."""
        if not self.items:
            return
        item = self._out()
        self.gets += 1
        seconds = self.tracers.out(self.gets, len(self.items), self.now)
        if self.kind is ByIdentity:
            seconds += self.tracers.taken(item, self.now)
        self.told += [(one, item) for one in seconds]

    def _out(self):
        if self.kind is InTurn:
            return self.items.popleft()
        return self.items.pop() if self.kind is Stacked else heapq.heappop(self.items)


class Item:
    """Lower numbers with another sign come first: a heap gives them out in an order of its own."""

    def __init__(self, number):
        self.rank = (number * 7) % 5, number

    def __lt__(self, other):
        return self.rank < other.rank


STEPS = st.lists(st.tuples(st.sampled_from(["put", "timed", "get", "get"]), st.integers(0, 9)), max_size=80)


@pytest.mark.parametrize("kind", TRACERS)
@given(steps=STEPS)
def test_a_told_time_is_the_one_of_the_item_that_is_out(kind, steps):
    """Whatever is put and taken: no duration is told but of a timed item that is just out, and it is right."""
    queue = Traced(kind)
    for step, seconds in steps:
        queue.now += seconds
        told = len(queue.told)
        queue.get() if step == "get" else queue.put(step == "timed")
        for duration, item in queue.told[told:]:
            assert item in queue.timed
            assert duration == queue.now - queue.put_at[item]
        assert len(queue.told) <= told + 1


@pytest.mark.parametrize("kind", TRACERS)
@given(steps=STEPS)
def test_no_timed_item_is_lost_while_they_are_few(kind, steps):
    """With no more than MOST under way at once, each timed item that is out was told."""
    queue = Traced(kind)
    for step, seconds in steps:
        queue.now += seconds
        under_way = len(queue.timed.intersection(queue.items))
        queue.get() if step == "get" else queue.put(step == "timed" and under_way < MOST)
    assert {item for _, item in queue.told} == queue.timed.difference(queue.items)


@pytest.mark.parametrize("kind", [InTurn])
@given(steps=STEPS)
def test_the_oldest_known_age_is_a_lower_bound(kind, steps):
    """The time since which an item waits is the one of an item that is in, and never before the oldest of all."""
    queue = Traced(kind)
    for step, seconds in steps:
        queue.now += seconds
        queue.get() if step == "get" else queue.put(step == "timed")
        since = queue.tracers.since(queue.gets, len(queue.items), queue.now)
        known = {queue.put_at[item] for item in queue.timed.intersection(queue.items)} | {queue.now}
        assert since in known
        if len(known) <= 2:
            assert since == min(known)


@pytest.mark.parametrize("kind", TRACERS)
def test_what_is_kept_is_bounded(kind):
    """A thousand timed items under way are MOST at once, the oldest among them."""
    queue = Traced(kind)
    for _ in range(1_000):
        queue.now += 1
        queue.put(timed=True)
    kept = queue.tracers.starts if kind is ByIdentity else queue.tracers.marks
    assert len(kept) <= MOST
    while queue.items:
        queue.get()
    assert 1 <= len(queue.told) <= MOST
    assert 999 in [seconds for seconds, _ in queue.told]


@pytest.mark.parametrize("kind", TRACERS)
def test_an_empty_tracer_asks_for_nothing(kind):
    """Nothing is out at any number of gets or any depth, and nothing waits."""
    tracers = kind()
    assert (tracers.gets, tracers.floor) == (NEVER, 0)
    assert tracers.out(1_000, 0, 5) == []
    if kind is InTurn:
        assert tracers.since(0, 0, 7) == 7
    if kind is ByIdentity:
        assert tracers.look([], 0, 7, empty_at=0) == 7


def test_in_turn_the_next_is_known_by_the_number_of_gets():
    """An item put at depth 3 after 10 gets comes out with the 13th, not before and not without one."""
    tracers = InTurn()
    tracers.add(None, 10, 3, 100)
    assert tracers.gets == 13
    assert tracers.out(12, 1, 105) == []
    assert tracers.out(13, 0, 106) == [6]
    assert tracers.gets == NEVER


def test_in_turn_an_item_that_cannot_be_in_any_more_bounds_no_age():
    """After as many gets, or with fewer items left than lie before it, the mark of an item says nothing of an age."""
    tracers = InTurn()
    tracers.add(None, 10, 3, 100)
    found = [tracers.since(gets, depth, 130) for gets, depth in ((10, 3), (12, 1), (13, 1), (10, 2), (12, 0))]
    assert found == [100, 100, 130, 130, 130]


def test_stacked_the_next_is_known_by_the_depth():
    """An item put at depth 3 is out when two are left, however many come and go above it."""
    tracers = Stacked()
    tracers.add(None, 10, 3, 100)
    assert tracers.floor == 3
    assert tracers.out(50, 3, 105) == []
    assert tracers.out(51, 2, 106) == [6]
    assert tracers.floor == 0


def test_an_item_that_is_put_twice_is_timed_once():
    """The same object put again while it is under way does not begin again."""
    tracers, item = ByIdentity(), object()
    tracers.add(item, 0, 1, 100)
    tracers.add(item, 0, 2, 110)
    assert tracers.taken(item, 120) == [20]
    assert tracers.taken(item, 130) == []


def test_no_item_is_held():
    """A tracer keeps no reference to what it times."""

    class Watched:
        pass

    for kind in TRACERS:
        item = Watched()
        tracers = kind()
        tracers.add(item, 0, 1, 100)
        assert not any(one is item for one in vars_of(tracers))


def vars_of(tracers):
    """All that the marks of a tracer hold."""
    for mark in tracers.starts.values() if isinstance(tracers, ByIdentity) else tracers.marks:
        yield from mark


@pytest.mark.parametrize("kind", [InTurn, Stacked])
def test_a_mark_that_is_only_known_is_no_sample(kind):
    """An item that was seen waiting, and whose put was not timed, bounds an age and tells no duration."""
    tracers = kind()
    tracers.add(None, 0, 4, 100, known=True)
    if kind is InTurn:
        assert tracers.since(0, 4, 130) == 100
    assert tracers.out(4, 0, 140) == []


def test_by_identity_what_is_not_at_hand_is_not_kept():
    """An item that is not at hand cannot be known again."""
    tracers = ByIdentity()
    tracers.add(None, 0, 4, 100, known=True)
    assert tracers.look([object()], 4, 130, empty_at=0) == 130
    assert tracers.taken(None, 140) == []
