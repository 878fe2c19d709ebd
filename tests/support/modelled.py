"""A queue whose host does to it whatever hosts do, and what its owner would say of it at every moment."""

import asyncio
import gc
import heapq
from collections import Counter

from fake_clock import Clock

from bpexporter import Hub, watch

NAMES = ("first", "second")


class Item:
    """A thing of its own: lower ranks come first in a heap."""

    def __init__(self, rank):
        self.rank = rank

    def __lt__(self, other):
        return self.rank < other.rank


class Model:
    """A watched queue, its callers, and a second account that knows when each item came in."""

    def __init__(self, kind, maxsize):
        self.clock = Clock()
        self.hub = Hub(clock=self.clock)
        self.loop = asyncio.new_event_loop()
        self.queue = watch(kind(maxsize), NAMES[0], hub=self.hub)
        self.born = self.clock.now
        self.entered = {}  # when each item that is in came in
        self.waiting = {}  # task: (side, since)
        self.seconds, self.counts = Counter(), Counter()
        self.shown = {}
        self.seen, self.seen_at = set(), self.clock.now
        self.number = 0
        self.edited = False  # since the last reading

    # What callers do ------------------------------------------------------------------------------

    def put_nowait(self, number):
        """An item goes in, or is refused."""
        item = Item(number)
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.counts["full"] += 1
        else:
            self._came(item)
            self.counts["puts"] += 1

    def get_nowait(self, _number):
        """An item comes out, where there is one."""
        if self.queue.qsize():
            self._went(self.queue.get_nowait())

    def put(self, number):
        """Somebody puts, and waits where there is no room."""
        item = Item(number)

        async def put():
            await self.queue.put(item)
            self._came(item)
            self.counts["puts"] += 1

        self._call("put", put())

    def get(self, _number):
        """Somebody gets, and waits where there is nothing."""

        async def get():
            self._went(await self.queue.get())

        self._call("get", get())

    def cancel(self, number):
        """A caller gives up."""
        tasks = list(self.waiting)
        if tasks:
            tasks[number % len(tasks)].cancel()

    # What hosts do besides ------------------------------------------------------------------------

    def clear(self, _number):
        """All is thrown away."""
        self._edit(lambda items: items.clear())

    def push_back(self, number):
        """An item is put back to the front, without a put."""
        item = Item(number)
        self._edit(lambda items: items.insert(0, item))

    def take_first(self, _number):
        """What lies first is taken out, without a get."""
        self._edit(lambda items: items.__delitem__(0) if items else None)

    def remove(self, number):
        """One in the middle is thrown away."""
        self._edit(lambda items: items.remove(items[number % len(items)]) if items else None)

    def replace(self, number):
        """An entry gives way to another, in its place."""
        item = Item(number)
        self._edit(lambda items: items.__setitem__(number % len(items), item) if items else None)

    def resize(self, number):
        """The limit is another."""
        self.queue._maxsize = (7, 3, 20, 0)[number % 4]

    def rename(self, number):
        """The queue gets a name, its present one maybe."""
        watch(self.queue, NAMES[number % 2], hub=self.hub)

    def _edit(self, change):
        # An edit that leaves the level as it was can be seen by readings alone: there was one before.
        self.turn()
        self.readings()
        items = self.queue._queue
        change(items)
        if isinstance(self.queue, asyncio.PriorityQueue):
            heapq.heapify(items)
        present = set(items)
        self.entered = {item: self.entered.get(item, self.clock.now) for item in present}
        self.edited = True

    # Time -----------------------------------------------------------------------------------------

    def turn(self, _number=0):
        """The loop goes on until nobody can."""
        for _ in range(6):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        for task in [task for task in self.waiting if task.done()]:
            side, _since = self.waiting.pop(task)
            self.counts["cancelled"] += side == "put" and task.cancelled()

    def advance(self, number):
        """Seconds pass, in which all who can go on have done so."""
        self.turn()
        sides = Counter(side for side, _since in self.waiting.values())
        self.clock.now += number
        self.seconds.update({"put": number * sides["put"], "get": number * sides["get"]})
        self.seconds["stalled"] += number * bool(sides["put"])

    def close(self):
        """The loop is closed, with all who wait in it."""
        self.turn()
        self.loop.close()

    def _call(self, side, call):
        task = self.loop.create_task(call)
        before = list(self._waiters(side))
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        if any(all(waiter is not one for one in before) for waiter in self._waiters(side)):
            self.counts[f"blocked {side}"] += 1
        self.waiting[task] = (side, self.clock.now)

    def _waiters(self, side):
        return self.queue._putters if side == "put" else self.queue._getters

    def _came(self, item):
        self.entered[item] = self.clock.now

    def _went(self, item):
        self.entered.pop(item, None)
        self.counts["gets"] += 1

    # What is shown ----------------------------------------------------------------------------------

    def readings(self):
        """What is shown now under both names."""
        found = self.hub.snapshot().queues
        return {name: found[name] for name in NAMES if name in found}

    def oldest(self):
        """The truth: the age of what lies there longest."""
        return max((self.clock.now - since for since in self.entered.values()), default=0)

    def total(self, readings, field):
        """Of both names together."""
        return sum(getattr(reading, field) for reading in readings.values())

    def end(self):
        """Nobody is left."""
        if not self.loop.is_closed():
            self._give_up()
            self.loop.close()
        self.waiting.clear()
        gc.collect()

    def _give_up(self):
        for task in self.waiting:
            task.cancel()
        self.turn()
