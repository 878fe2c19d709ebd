"""The seam where a wait begins and ends: what a listener is told of queues, limiters and streams."""

import asyncio
import itertools
import socket

import pytest
from fake_clock import Clock

from bpexporter import Hub, unwatch, watch
from bpexporter.faults import faults
from bpexporter.hub.hub import registry_of
from bpexporter.resources.listening import LONG_WAIT, TOLD_SECONDS
from bpexporter.watching.watch import ledger_of

SECONDS = 2.0


class Heard:
    """A listener that keeps what it is told, and by which task it was done."""

    def __init__(self):
        self.waits, self.operations, self.tokens = [], [], []

    def waited(self, ledger, side, token, began, ended):
        """Keep a wait."""
        self.waits.append((side, ended - began, asyncio.current_task()))
        self.tokens.append(token)

    def operated(self, ledger, side, now):
        """Keep an operation."""
        self.operations.append((side, now, asyncio.current_task()))


@pytest.fixture
def clock():
    """Seconds that the test moves."""
    return Clock()


def listened(obj, clock):
    """`obj`, watched under `clock`, and what is heard of it."""
    watch(obj, "it", hub=Hub(clock=clock))
    heard = ledger_of(obj).listener = Heard()
    return obj, heard


async def turn():
    """Let everybody else run once."""
    await asyncio.sleep(0)


async def waiting(coroutine):
    """A task that waits by now."""
    task = asyncio.create_task(coroutine)
    await turn()
    return task


async def blocked_put(clock):
    """A put that waits for room: the queue, what is heard, the task, and what ends the wait."""
    queue, heard = listened(asyncio.Queue(1), clock)
    queue.put_nowait(1)
    return heard, await waiting(queue.put(2)), queue.get_nowait


async def blocked_get(clock):
    """A get that waits for work."""
    queue, heard = listened(asyncio.Queue(1), clock)
    return heard, await waiting(queue.get()), lambda: queue.put_nowait(1)


async def blocked_acquire(clock):
    """An acquire that waits for a permit."""
    semaphore, heard = listened(asyncio.Semaphore(1), clock)
    await semaphore.acquire()
    return heard, await waiting(semaphore.acquire()), semaphore.release


class Subclass(asyncio.Queue):
    """A queue with a hook of its own."""

    def _put(self, item):
        super()._put(item)


async def blocked_put_of_a_subclass(clock):
    """A put into a subclass that waits for room."""
    queue, heard = listened(Subclass(1), clock)
    queue.put_nowait(1)
    return heard, await waiting(queue.put(2)), queue.get_nowait


WAITS = {"put": blocked_put, "get": blocked_get, "acquire": blocked_acquire}
ALL = [*WAITS.items(), ("put", blocked_put_of_a_subclass)]


@pytest.mark.parametrize(("side", "begin"), ALL)
async def test_a_long_wait_is_told_when_it_ends_in_the_step_of_its_task(side, begin, clock):
    """The side, the seconds and the task that waited are told once, and not before the wait has ended."""
    heard, task, end = await begin(clock)
    clock.now += SECONDS
    assert heard.waits == []
    end()
    await task
    assert heard.waits == [(side, SECONDS, task)]


@pytest.mark.parametrize(("side", "begin"), ALL)
async def test_a_wait_that_was_given_up_is_told(side, begin, clock):
    """Who is cancelled has waited as well."""
    heard, task, _ = await begin(clock)
    clock.now += SECONDS
    task.cancel()
    await asyncio.wait([task])
    assert heard.waits == [(side, SECONDS, task)]


@pytest.mark.parametrize(("side", "begin"), ALL)
async def test_a_brief_wait_is_not_told(side, begin, clock):
    """Up to the cost of a turn of the loop nobody is told."""
    heard, task, end = await begin(clock)
    clock.now += LONG_WAIT / 2
    end()
    await task
    assert heard.waits == []


@pytest.mark.parametrize(("side", "begin"), ALL)
async def test_who_waits_is_known_by_its_token(side, begin, clock):
    """The token is the identity of the future that the task awaits, or that of the task."""
    heard, task, end = await begin(clock)
    known = {id(task), id(task._fut_waiter)}
    clock.now += SECONDS
    end()
    await task
    assert len(heard.tokens) == 1
    assert known.issuperset(heard.tokens)


async def test_a_drain_that_waits_is_told(clock):
    """A drain of a writer whose peer does not read is told when it is given up."""
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    writer, heard = listened(writer, clock)
    writer.write(b"x" * 10_000_000)
    task = await waiting(writer.drain())
    clock.now += SECONDS
    task.cancel()
    await asyncio.wait([task])
    writer.transport.abort()
    theirs.close()
    assert heard.waits == [("drain", SECONDS, task)]
    assert heard.operations == [("drain", clock.now - SECONDS, asyncio.current_task())]


async def test_a_caller_that_waited_before_is_told(clock):
    """A put that was blocked before its queue was watched is told from then on, in its step."""
    queue = asyncio.Queue(1)
    queue.put_nowait(1)
    task = await waiting(queue.put(2))
    _, heard = listened(queue, clock)
    clock.now += SECONDS
    queue.get_nowait()
    await task
    await turn()
    assert heard.waits == [("put", SECONDS, task)]


async def test_an_operation_that_does_not_wait_is_told(clock):
    """The first put and the first get of a queue are told, in the step of their task."""
    queue, heard = listened(asyncio.Queue(10), clock)
    queue.put_nowait(1)
    queue.get_nowait()
    assert heard.operations == [(side, clock.now, asyncio.current_task()) for side in ("put", "get")]


async def test_a_release_is_told(clock):
    """The first release of a limiter is told as an operation of who acquires."""
    semaphore, heard = listened(asyncio.Semaphore(2), clock)
    async with semaphore:
        assert heard.operations == []
    assert heard.operations == [("acquire", clock.now, asyncio.current_task())]


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, Subclass])
async def test_operations_are_told_again_and_again_but_not_often(kind, clock):
    """In 10 s of steady traffic each side is told many times, and at most once in 0.05 s."""
    queue, heard = listened(kind(10), clock)
    for _ in range(10_000):
        queue.put_nowait(1)
        queue.get_nowait()
        clock.now += 0.001
    for side in ("put", "get"):
        times = [now for told, now, _ in heard.operations if told == side]
        assert 20 < len(times) <= 10 / TOLD_SECONDS + 1
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= TOLD_SECONDS


async def test_the_first_operation_after_a_reading_is_told(clock):
    """However fast a queue was before, a reading has the next put and the next get told."""
    hub = Hub(clock=clock)
    queue = watch(asyncio.Queue(10), "it", hub=hub)
    heard = ledger_of(queue).listener = Heard()
    for _ in range(10_000):
        queue.put_nowait(1)
        queue.get_nowait()
    clock.now += 1
    hub.snapshot()
    heard.operations.clear()
    queue.put_nowait(1)
    queue.get_nowait()
    assert [side for side, *_ in heard.operations] == ["put", "get"]


class Broken:
    """A listener that fails."""

    def waited(self, *_):
        """Fail."""
        raise ZeroDivisionError

    operated = waited


@pytest.mark.parametrize("begin", WAITS.values())
async def test_a_listener_that_fails_harms_nobody(begin, clock, monkeypatch):
    """What it raises is counted, and the caller never sees it."""
    monkeypatch.delenv("BPEXPORTER_RAISE")
    heard, task, end = await begin(clock)
    heard.waited = heard.operated = Broken().waited
    before = faults.count
    clock.now += SECONDS
    end()
    await task
    assert faults.count > before


async def test_the_stages_of_a_hub_are_told(clock):
    """Who listens is the hub's table of stages, from the first moment to the last."""
    hub = Hub(clock=clock)
    queue = watch(asyncio.Queue(), "it", hub=hub)
    (ledger,) = registry_of(hub).members("queue")
    assert ledger is ledger_of(queue)
    assert ledger.listener is registry_of(hub).stages
    unwatch(queue)
    assert ledger.listener is None
