"""The oldest item's age: a bound that never exceeds the truth, nor falls to nothing while the thing lies there."""

import asyncio
import heapq
import time
from collections import deque

import pytest
from fake_clock import Clock

from bpexporter import Hub, watch

PLAIN = [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue]


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return Hub(clock=clock)


def age(hub, name="q"):
    """The age that is shown now."""
    return hub.snapshot().queues[name].oldest_item_age_seconds


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("rounds", [0, 1, 2, 5, 3_000])
async def test_an_item_that_is_left_lying_ages_from_its_put(hub, clock, kind, rounds):
    """However many went through before, and though nobody has touched or read the queue since."""
    queue = watch(kind(), "q", hub=hub)
    for number in range(rounds):
        queue.put_nowait(number)
        queue.get_nowait()
    queue.put_nowait(0)
    clock.now += 30
    assert age(hub) == 30


async def test_a_thousand_items_that_nobody_takes_age(hub, clock):
    """Between two looks at the clock: what came into the empty queue is known."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    for number in range(5_000):
        queue.put_nowait(number)
        queue.get_nowait()
    for number in range(1_000):
        queue.put_nowait(number)
    clock.now += 30
    assert age(hub) == 30


@pytest.mark.parametrize("kind", PLAIN)
async def test_what_was_seen_waiting_is_known_from_then_on(hub, clock, kind):
    """Where neither puts nor gets tell of an item, its age begins at the first reading that finds it."""
    queue = watch(kind(), "q", hub=hub)
    for number in range(3):
        queue.put_nowait((number, object()))
    queue._queue.append((9, object()))  # by another way, so that nothing is known
    del queue._queue[0]
    ages = []
    for seconds in (0, 10, 10):
        clock.now += seconds
        ages.append(age(hub))
    assert ages[2] >= ages[1] >= 10


class Stamped(asyncio.Queue):
    """Keeps the time beside the item, and gives out both."""

    def _put(self, item):
        self._queue.append((time.monotonic(), item))


class Unwrapping(Stamped):
    """Keeps the time beside the item, and gives out the item."""

    def _get(self):
        return self._queue.popleft()[1]


@pytest.mark.parametrize("kind", [Stamped, Unwrapping])
async def test_what_is_kept_as_another_object_is_timed(hub, clock, kind):
    """A subclass that keeps pairs: no age above the truth, and residence has samples, whichever comes out."""
    queue = watch(kind(50), "q", hub=hub)
    queue.put_nowait(object())
    for _ in range(60):
        queue.put_nowait(object())
        clock.now += 1
        assert age(hub) <= 2
        queue.get_nowait()
    residence = hub.snapshot().queues["q"].residence_seconds
    assert residence.total > 0
    assert residence.sum <= 2 * residence.total


class Deduplicating(asyncio.Queue):
    """Drops what it has already."""

    def _put(self, item):
        if item not in self._queue:
            self._queue.append(item)


class Distinct(asyncio.Queue):
    """Keeps a set, so that nobody can say which one lies there for how long."""

    def _init(self, maxsize):
        self._queue = set()

    def _put(self, item):
        self._queue.add(item)

    def _get(self):
        return self._queue.pop()


class Recent(asyncio.Queue):
    """Keeps the last ten: the oldest falls out."""

    def _init(self, maxsize):
        self._queue = deque(maxlen=10)


class Repeating(asyncio.Queue):
    """Shows what lies first, and keeps it."""

    def _get(self):
        return self._queue[0]


async def test_a_duplicate_that_is_dropped_changes_no_age(hub, clock):
    """The first stays, and so does its age."""
    queue = watch(Deduplicating(), "q", hub=hub)
    ages = []
    for _ in range(20):
        queue.put_nowait("same")
        clock.now += 1
        ages.append(age(hub))
    assert ages == [float(number) for number in range(1, 21)]


async def test_what_was_seen_in_a_set_grows_old_whatever_was_dropped_before(hub, clock):
    """Two puts, one item: from the first reading on it is known to wait, until as many have gone as were there."""
    queue = watch(Distinct(), "q", hub=hub)
    queue.put_nowait("same")
    queue.put_nowait("same")
    shown = []
    for _ in range(5):
        shown.append(age(hub))
        clock.now += 1
    queue.get_nowait()
    queue.put_nowait("other")
    assert shown == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert age(hub) == 0.0


async def test_what_comes_into_a_set_by_other_ways_hides_nothing_that_went(hub, clock):
    """A host adds one for each that is taken: nothing that was seen need be there any more."""
    queue = watch(Distinct(), "q", hub=hub)
    queue.put_nowait("first")
    assert age(hub) == 0.0
    for number in range(5):
        clock.now += 1
        queue._queue.add(f"item {number}")
        queue.get_nowait()
        assert age(hub) <= number + 1
    clock.now += 1
    queue._queue.clear()
    queue.put_nowait("last")
    assert age(hub) == 0.0


async def test_a_history_is_as_old_as_its_oldest(hub, clock):
    """Ten items lie there, one a second: the oldest is between half of ten seconds and ten seconds old."""
    queue = watch(Recent(), "q", hub=hub)
    for number in range(60):
        queue.put_nowait(f"item {number}")
        clock.now += 1
        shown = age(hub)
        assert shown <= min(number + 1, 10)
    assert shown >= 5


async def test_an_item_that_is_shown_and_kept_grows_old(hub, clock):
    """A get that takes nothing out ends no age."""
    queue = watch(Repeating(), "q", hub=hub)
    queue.put_nowait("item")
    for _ in range(20):
        clock.now += 1
        queue.get_nowait()
        shown = age(hub)
    assert 10 <= shown <= 20


@pytest.mark.parametrize("items", [[f"m{number}" for number in range(5)], list(range(5))], ids=["texts", "numbers"])
async def test_what_lies_behind_a_retried_item_grows_old(hub, clock, items):
    """A worker that puts a failed message back to the front: the others have lain there all the time."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    for item in items:
        queue.put_nowait(item)
    for _ in range(25):
        item = await queue.get()
        clock.now += 1
        queue._queue.appendleft(item)
        shown = age(hub)
        assert shown <= clock.now - 1_000
    assert shown >= 20


async def test_an_item_that_starves_is_seen_among_urgent_ones(hub, clock):
    """Thousands go past it, and its age is that of its put."""
    queue = watch(asyncio.PriorityQueue(), "q", hub=hub)
    queue.put_nowait((9, "starving"))
    for number in range(3_000):
        queue.put_nowait((0, number))
        queue.get_nowait()
        clock.now += 0.25
    assert age(hub) == 750


async def test_a_replaced_entry_is_not_taken_for_the_one_before(hub, clock):
    """An entry of a heap gets another priority in its place: what never comes out holds no age up."""
    queue = watch(asyncio.PriorityQueue(), "q", hub=hub)
    queue.put_nowait((5, 0, "a"))
    queue._queue[0] = (1, 0, "a")
    heapq.heapify(queue._queue)
    queue.put_nowait((6, 1, "b"))
    queue.get_nowait()
    for number in range(30):
        clock.now += 1
        queue.put_nowait((6, 2 + number, "c"))
        queue.get_nowait()
        assert age(hub) <= 1


async def test_a_stack_whose_bottom_is_taken_is_as_old_as_the_next(hub, clock):
    """What lies at the bottom is the oldest; a host that sheds it leaves what came after, and its age."""
    queue = watch(asyncio.LifoQueue(), "q", hub=hub)
    for number in range(5):
        queue.put_nowait(f"item {number}")
        clock.now += 10
        age(hub)
    shown = []
    for oldest in (40, 30, 20):
        del queue._queue[0]
        shown.append(age(hub))
        assert shown[-1] <= oldest
    assert shown[-1] >= 10


@pytest.mark.parametrize("kind", PLAIN)
async def test_what_came_after_a_clear_is_as_old_as_itself(hub, clock, kind):
    """A queue that was emptied behind our back and filled with the like shows the age of what is there now."""
    queue = watch(kind(), "q", hub=hub)
    for number in range(3):
        queue.put_nowait(number)
    clock.now += 100
    age(hub)
    queue._queue.clear()
    for number in range(3):
        queue.put_nowait(number)
    clock.now += 1
    assert age(hub) <= 1


@pytest.mark.parametrize("kind", PLAIN)
async def test_an_age_goes_with_a_queue_that_gets_another_name(hub, clock, kind):
    """The items are the same under any name."""
    queue = watch(kind(), "first", hub=hub)
    queue.put_nowait((1, "item"))
    for name in ("second", "third"):
        clock.now += 10
        watch(queue, name, hub=hub)
    clock.now += 10
    assert age(hub, "third") == 30
    assert age(hub, "first") == 0
