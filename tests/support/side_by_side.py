"""Runs one random program on a queue and writes down all that a host could notice.

The same program on a watched queue and on a bare one must leave the same trace. The bare one is of a pristine
copy of the standard library's module, which nobody ever patches. Time is a fake clock, for the event loop
and for the hub; the loop is turned by hand, one iteration at a time. While it runs, the program also keeps
its own books, from scratch and from outside, of what the metrics claim.
"""

import asyncio
import importlib.util
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

from fake_clock import Clock

Op = tuple[Any, ...]
Caller = Callable[..., Coroutine[Any, Any, None]]
BANDS = ("empty", "low", "mid", "high", "full")


def pristine() -> ModuleType:
    """A copy of asyncio.queues under a name of its own."""
    spec = importlib.util.spec_from_file_location("asyncio._pristine_queues", Path(asyncio.queues.__file__))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PRISTINE = pristine()


def hooked(module: ModuleType) -> type:
    """A subclass with its own storage: last in, first out by way of the hooks."""

    class Hooked(module.Queue):
        def _init(self, maxsize):
            self._queue = []

        def _put(self, item):
            self._queue.insert(0, item)

        def _get(self):
            return self._queue.pop(0)

    return Hooked


def roomy(module: ModuleType) -> type:
    """A subclass that is full one item later than its maxsize says."""

    class Roomy(module.Queue):
        def full(self):
            return self._maxsize > 0 and self.qsize() > self._maxsize

    return Roomy


def picky(module: ModuleType) -> type:
    """A subclass with its own put and get around the standard ones, and slots."""

    class Picky(module.Queue):
        __slots__ = ("taken",)

        async def put(self, item):
            if item[0] == 4:
                raise LookupError("no fours")
            await super().put(item)

        async def get(self):
            self.taken = await super().get()
            return self.taken

    return Picky


def weighty(module: ModuleType) -> type:
    """A subclass whose qsize() is not the number of its items."""

    class Weighty(module.Queue):
        def qsize(self):
            return 2 * len(self._queue)

    return Weighty


def elsewhere(module: ModuleType) -> type:
    """A subclass that keeps its items where nobody looks."""

    class Elsewhere(module.Queue):
        def _init(self, maxsize):
            self.heap = []

        def _put(self, item):
            self.heap.append(item)

        def _get(self):
            return self.heap.pop()

        def qsize(self):
            return len(self.heap)

        def empty(self):
            return not self.heap

    return Elsewhere


PLAIN: dict[str, Callable[[ModuleType], type]] = {
    "Queue": lambda module: module.Queue,
    "PriorityQueue": lambda module: module.PriorityQueue,
    "LifoQueue": lambda module: module.LifoQueue,
}
COUNTED = {**PLAIN, "Hooked": hooked, "Roomy": roomy, "Picky": picky}
CLASSES = {**COUNTED, "Weighty": weighty, "Elsewhere": elsewhere}


def band(depth: int, capacity: float) -> str:
    """The band of a depth, straight from the definition."""
    if depth == 0:
        return "empty"
    if not 0 < capacity < math.inf:
        return "low"
    share = depth / capacity
    return "low" if share < 0.5 else "mid" if share < 0.8 else "high" if share < 1 else "full"


class Books:
    """What the metrics should say, kept by the program itself."""

    def __init__(self) -> None:
        self.puts = self.gets = self.dropped = self.blocked_puts = 0
        self.refused = dict.fromkeys(("full", "cancelled", "shutdown"), 0)
        self.put_waits: list[float] = []
        self.get_waits: list[float] = []
        self.producers: dict[int, float] = {}  # number of the caller -> when its put began to wait
        self.consumers: dict[int, float] = {}
        self.put_blocked = self.get_idle = self.stalled = self.wall = 0.0
        self.occupancy = dict.fromkeys(BANDS, 0.0)
        self.top = 0.0
        self.born: dict[int, float] = {}  # serial number of an item -> when it went in

    def pass_time(self, seconds: float, level: str) -> None:
        """`seconds` pass with the queue as it is."""
        self.wall += seconds
        self.occupancy[level] += seconds
        self.put_blocked += seconds * len(self.producers)
        self.get_idle += seconds * len(self.consumers)
        self.stalled += seconds * bool(self.producers)


def buckets(waits: list[float], bounds: tuple[float, ...]) -> tuple[int, ...]:
    """How many waits fall into each bucket; bounds are inclusive."""
    counts = [0] * (len(bounds) + 1)
    for wait in waits:
        counts[bisect_left(bounds, wait)] += 1
    return tuple(counts)


class Play:
    """One program on one queue."""

    def __init__(self, cls: type, maxsize: float, clock: Clock) -> None:
        self.clock = clock
        self.queue = cls(maxsize)
        self.books = Books()
        self.trace: list[Any] = []
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self.turns = self.serial = 0

    @property
    def items(self) -> Any:
        """The items in the queue, where they can be seen."""
        return getattr(self.queue, "_queue", [])

    @property
    def depth(self) -> int:
        """How many they are."""
        return len(self.items)

    # What a host can see ------------------------------------------------------------------------

    def state(self) -> tuple[Any, ...]:
        """The queue inside and out."""
        q = self.queue
        looks = re.sub("0x[0-9a-f]+", "0x", repr(q)), str(q), q.qsize(), q.empty(), q.full(), q.maxsize
        futures = [f._state for f in q._getters], [f._state for f in q._putters]
        return *looks, *futures, q._unfinished_tasks, q._finished.is_set(), getattr(q, "_is_shutdown", None)

    def note(self, *event: Any) -> None:
        """One line of the trace."""
        self.trace.append((self.turns, *event, self.state()))

    def failed(self, who: Any, what: str, error: BaseException) -> None:
        """An exception reached the host."""
        context = type(error.__context__).__name__, type(error.__cause__).__name__
        self.note(who, what, type(error).__name__, str(error), *context)

    # Callers ------------------------------------------------------------------------------------

    def next_item(self, value: int) -> tuple[int, int]:
        """An item that no other equals."""
        self.serial += 1
        return value, self.serial

    def went_in(self, item: tuple[int, int], waited: float) -> None:
        """An item is in the queue, or went through it to a getter."""
        books, queue = self.books, self.queue
        books.puts += 1
        books.put_waits.append(waited)
        books.born[item[1]] = self.clock.now
        if 0 < queue._maxsize < math.inf:
            books.top = max(books.top, min(1, self.depth / queue._maxsize))

    async def put(self, who: int, value: int) -> None:
        """A producer."""
        books, item, start, turn = self.books, self.next_item(value), self.clock.now, self.turns
        books.producers[who] = start
        try:
            await self.queue.put(item)
            self.went_in(item, self.clock.now - start)
            self.note(who, "put", item)
        except BaseException as error:
            self.refused(error)
            self.failed(who, "put", error)
            raise
        finally:
            del books.producers[who]
            books.blocked_puts += self.turns != turn

    def refused(self, error: BaseException) -> None:
        """A put ended without its item going in."""
        reasons = {"QueueFull": "full", "CancelledError": "cancelled", "QueueShutDown": "shutdown"}
        reason = reasons.get(type(error).__name__)
        if reason:
            self.books.refused[reason] += 1

    async def get(self, who: int) -> None:
        """A consumer."""
        books, start = self.books, self.clock.now
        books.consumers[who] = start
        try:
            item = await self.queue.get()
            books.gets += 1
            books.get_waits.append(self.clock.now - start)
            self.note(who, "get", item)
        except BaseException as error:
            self.failed(who, "get", error)
            raise
        finally:
            del books.consumers[who]

    async def within(self, who: int, seconds: float, caller: Caller, *arguments: int) -> None:
        """A caller that waits no longer than `seconds`."""
        try:
            await asyncio.wait_for(caller(*arguments), seconds)
        except BaseException as error:
            self.failed(who, "within", error)

    async def join(self, who: int) -> None:
        """Somebody who waits for all tasks to be done."""
        await self.queue.join()
        self.note(who, "join")

    def spawn(self, who: int, caller: Coroutine[Any, Any, None]) -> None:
        """A task that waits on the queue; its exceptions are in the trace already."""
        task = asyncio.ensure_future(caller)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self.tasks[who] = task

    # Operations ---------------------------------------------------------------------------------

    def do_put(self, who: int, value: int) -> None:
        """A put that may wait."""
        self.spawn(who, self.put(who, value))

    def do_get(self, who: int) -> None:
        """A get that may wait."""
        self.spawn(who, self.get(who))

    def do_put_within(self, who: int, value: int, seconds: float) -> None:
        """A put with a time-out."""
        self.spawn(who, self.within(who, seconds, self.put, who, value))

    def do_get_within(self, who: int, seconds: float) -> None:
        """A get with a time-out."""
        self.spawn(who, self.within(who, seconds, self.get, who))

    def do_join(self, who: int) -> None:
        """A join that may wait."""
        self.spawn(who, self.join(who))

    def do_put_nowait(self, who: int, value: int) -> None:
        """A put that never waits."""
        item = self.next_item(value)
        try:
            self.queue.put_nowait(item)
            self.went_in(item, 0.0)
        except Exception as error:
            self.refused(error)
            self.failed(who, "put_nowait", error)

    def do_get_nowait(self, who: int) -> None:
        """A get that never waits."""
        try:
            item = self.queue.get_nowait()
            self.books.gets += 1
            self.books.get_waits.append(0.0)
            self.note(who, "get_nowait", item)
        except Exception as error:
            self.failed(who, "get_nowait", error)

    def do_task_done(self, who: int) -> None:
        """One task less, or too many."""
        try:
            self.queue.task_done()
        except ValueError as error:
            self.failed(who, "task_done", error)

    def do_cancel(self, who: int, nth: int) -> None:
        """Somebody gives up."""
        pending = [task for task in self.tasks.values() if not task.done()]
        if pending:
            pending[nth % len(pending)].cancel()

    def do_shutdown(self, who: int, immediate: bool) -> None:
        """The end, on Pythons that know it."""
        if hasattr(self.queue, "shutdown"):
            before = self.depth
            self.queue.shutdown(immediate)
            self.books.dropped += before - self.depth

    def do_resize(self, who: int, maxsize: float) -> None:
        """The host changes the capacity behind everybody's back."""
        self.queue._maxsize = maxsize

    def do_clear(self, who: int) -> None:
        """The host empties the queue behind everybody's back."""
        self.books.dropped += self.depth
        self.items.clear()

    def do_advance(self, who: int, seconds: float) -> None:
        """Time passes, nothing else."""
        self.books.pass_time(seconds, band(self.depth, self.queue._maxsize))
        self.clock.now += seconds

    async def turn(self, times: int = 1) -> None:
        """The loop goes round."""
        for _ in range(times):
            self.turns += 1
            await asyncio.sleep(0)
            self.note("turn")

    async def run(self, program: list[Op]) -> None:
        """All operations in order; the number of an operation is the name of its caller."""
        for name, *arguments in program:
            if name == "turn":
                await self.turn(*arguments)
                continue
            self.serial += 1
            getattr(self, f"do_{name}")(self.serial, *arguments)
            self.note(name)

    async def settle(self) -> None:
        """Turn until all who can move have moved."""
        await self.turn(3 * len(self.tasks) + 3)

    async def end(self) -> None:
        """Everybody who still waits gives up."""
        for task in self.tasks.values():
            task.cancel()
        await self.settle()
        assert all(task.done() for task in self.tasks.values())


def play(main: Coroutine[Any, Any, Any], clock: Clock) -> tuple[Any, list[str]]:
    """The result of `main` on a new loop that runs by `clock`, and what the loop complained of."""
    complaints: list[str] = []
    loop = asyncio.new_event_loop()
    loop.time = clock
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    try:
        return loop.run_until_complete(main), complaints
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
