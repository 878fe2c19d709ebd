"""A queue with callers, and a second account of all that happens to it, kept second by second."""

import asyncio
from collections import Counter

from fake_clock import Clock

from bpexporter import Hub, watch

# What a program of a test may consist of.
ACTIONS = ["put", "get", "put_nowait", "get_nowait", "cancel", "read"]


def band_of(depth, capacity):
    """The name of the band by the definition: shares of the capacity."""
    ratio = depth / capacity if capacity > 0 else 0
    shares = {"full": 1, "high": 0.8, "mid": 0.5}
    return next((band for band, share in shares.items() if ratio >= share), "low") if depth else "empty"


class Tally:
    """A queue with callers, and a second account of everything, kept second by second."""

    def __init__(self, kind, maxsize):
        self.clock = Clock()
        self.hub = Hub(clock=self.clock)
        self.queue = watch(kind(maxsize), "q", hub=self.hub)
        self.capacity = maxsize
        self.putters, self.getters = [], []
        self.seconds, self.bands = Counter(), Counter()
        self.refused = Counter()
        self.number = self.puts = self.gets = 0
        self.levels = []  # (when it was left, depth)

    async def settle(self):
        """Let all callers that can go on do so."""
        for _ in range(4):
            await asyncio.sleep(0)
        done = [task for task in (*self.putters, *self.getters) if task.done()]
        self.puts += sum(task in self.putters and not task.cancelled() for task in done)
        self.gets += sum(task in self.getters and not task.cancelled() for task in done)
        self.refused["cancelled"] += sum(task in self.putters and task.cancelled() for task in done)
        self.putters = [task for task in self.putters if task not in done]
        self.getters = [task for task in self.getters if task not in done]

    async def step(self, action, number):
        """One thing happens, and then `number` seconds pass."""
        getattr(self, action)()
        await self.settle()
        self.clock.now += number
        self.seconds["put"] += number * len(self.putters)
        self.seconds["stalled"] += number * bool(self.putters)
        self.seconds["get"] += number * len(self.getters)
        self.bands[band_of(self.queue.qsize(), self.capacity)] += number
        self.levels.append((self.clock.now, self.queue.qsize()))

    def put(self):
        """Somebody puts, and waits where there is no room."""
        self.number += 1
        self.putters.append(asyncio.ensure_future(self.queue.put(self.number)))

    def get(self):
        """Somebody gets, and waits where there is nothing."""
        self.getters.append(asyncio.ensure_future(self.queue.get()))

    def put_nowait(self):
        """An item goes in, or is refused."""
        try:
            self.queue.put_nowait(0)
            self.puts += 1
        except asyncio.QueueFull:
            self.refused["full"] += 1

    def get_nowait(self):
        """An item comes out, where there is one."""
        if self.queue.qsize():
            self.queue.get_nowait()
            self.gets += 1

    def cancel(self):
        """The oldest caller gives up."""
        for task in (*self.putters, *self.getters)[:1]:
            task.cancel()

    def read(self):
        """Somebody scrapes."""
        return self.hub.snapshot().queues["q"]

    def clear(self):
        """The host empties its queue by another way."""
        self.queue._queue.clear()

    def resize(self):
        """The host sets another limit."""
        self.queue._maxsize = (7, 3, 20, 0)[int(self.clock.now) % 4]

    def peak(self, window):
        """The highest depth that was there within so many seconds."""
        return max([self.queue.qsize(), *(depth for left, depth in self.levels if left >= self.clock.now - window)])

    async def end(self):
        """Nobody waits any more."""
        for task in (*self.putters, *self.getters):
            task.cancel()
        await self.settle()
