"""Executors as limiters: workers, those that work, and what waits for one."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from fake_clock import Clock

import bpexporter
from bpexporter import Hub, unwatch, watch


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


@pytest.fixture
def gate():
    """Holds all work until it is opened."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def pool(hub):
    """A pool of two threads, watched."""
    with ThreadPoolExecutor(2) as pool:
        yield watch(pool, "cpu", hub=hub)


def cpu(hub):
    """The reading of the pool."""
    return hub.snapshot().limiters["cpu"]


def busy(gate, entered):
    """A piece of work that says that it has begun."""

    def work():
        entered.release()
        assert gate.wait(20)
        return threading.get_ident()

    return work


def occupy(pool, gate, number):
    """All workers are at work; the futures of that."""
    entered = threading.Semaphore(0)
    works = [pool.submit(busy(gate, entered)) for _ in range(number)]
    for _ in works:
        assert entered.acquire(timeout=20)
    return works


def test_workers_and_waiting_work(hub, clock, pool, gate):
    """Busy workers are permits in use; what was submitted and has not begun is waiting work, and nobody is blocked."""
    works = occupy(pool, gate, 2)
    waiting = [pool.submit(threading.get_ident) for _ in range(3)]
    clock.now += 5
    now = cpu(hub)
    assert (now.capacity_permits, now.in_use_permits, now.utilization_ratio, now.waiting_work) == (2, 2, 1, 3)
    assert (now.waiting_tasks, now.stalled_seconds, now.blocked_acquires) == (0, 0, 0)
    assert now.acquire_wait_seconds.total == 2
    gate.set()
    for work in (*works, *waiting):
        work.result(20)
    pool.shutdown()
    now = cpu(hub)
    assert (now.in_use_permits, now.waiting_work, now.peak_utilization_ratio) == (0, 0, 1)
    assert (now.acquire_wait_seconds.total, now.acquire_wait_seconds.sum) == (5, 15)


async def test_a_task_that_awaits_waiting_work_is_blocked(hub, clock, pool, gate):
    """It is held up from its await until the work begins; what is submitted and not awaited holds up nobody."""
    occupy(pool, gate, 2)
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(asyncio.wait_for(loop.run_in_executor(pool, threading.get_ident), 20))
    forgotten = loop.run_in_executor(pool, threading.get_ident)
    await turns()
    clock.now += 3
    now = cpu(hub)
    assert (now.waiting_work, now.waiting_tasks, now.blocked_acquires) == (2, 1, 1)
    assert (now.stalled_seconds, now.longest_block_seconds) == (3, 3)
    gate.set()
    await task
    await forgotten
    now = cpu(hub)
    assert (now.waiting_tasks, now.stalled_seconds, now.waiting_work) == (0, 3, 0)


async def test_work_that_is_awaited_later(hub, clock, pool, gate):
    """A future that is kept, and awaited in a later step, blocks from when that is seen."""
    occupy(pool, gate, 2)
    future = asyncio.get_running_loop().run_in_executor(pool, threading.get_ident)
    await turns()
    assert cpu(hub).waiting_tasks == 0

    async def later():
        return await future

    task = asyncio.create_task(later())
    await turns()
    assert cpu(hub).waiting_tasks == 1
    gate.set()
    await task


async def test_work_that_is_given_up(hub, pool, gate):
    """A task that is cancelled takes its work out of the queue, and that is counted as refused."""
    occupy(pool, gate, 2)
    task = asyncio.create_task(asyncio.wait_for(asyncio.get_running_loop().run_in_executor(pool, int), 20))
    await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await turns()
    now = cpu(hub)
    assert (now.refused_acquires, now.waiting_tasks, now.waiting_work) == ((1,), 0, 0)


async def turns(number=4):
    """Let the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_work_that_fails_is_done(hub, pool):
    """An exception of the work's reaches who asks for the result, and frees the worker."""

    def fail():
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        pool.submit(fail).result(20)
    pool.shutdown()
    assert (cpu(hub).in_use_permits, cpu(hub).acquire_wait_seconds.total) == (0, 1)


def test_nothing_is_kept(hub, pool):
    """Work that is done is freed with its result, and nothing of ours stands on it."""

    class Result:
        pass

    work = pool.submit(Result)
    seen = weakref.ref(work.result(20))
    assert "set_running_or_notify_cancel" not in vars(work)
    del work
    pool.shutdown()
    gc.collect()
    assert seen() is None


def test_renamed_while_it_works(hub, clock, pool, gate):
    """What is in work, and what waits, is so under the new name; each piece is counted in one."""
    works = occupy(pool, gate, 2)
    works.append(pool.submit(int))
    watch(pool, "other", hub=hub)
    now = hub.snapshot().limiters["other"]
    assert (now.in_use_permits, now.waiting_work) == (2, 1)
    gate.set()
    for work in works:
        work.result(20)
    pool.shutdown()
    both = cpu(hub), hub.snapshot().limiters["other"]
    assert [one.acquire_wait_seconds.total for one in both] == [2, 1]
    assert both[1].in_use_permits == 0


def test_many_threads_submit(hub, pool):
    """Whoever submits, and however fast, each piece is counted once."""
    ThreadPoolExecutor.submit(pool, int).result(20)
    with ThreadPoolExecutor(4) as others:
        done = list(others.map(lambda _number: pool.submit(int).result(20), range(400)))
    pool.shutdown()
    now = cpu(hub)
    assert (len(done), now.acquire_wait_seconds.total, now.in_use_permits, now.waiting_work) == (400, 401, 0, 0)


def test_processes(hub):
    """A pool of processes is watched in the same way; its work goes to the processes as it was given."""
    with ProcessPoolExecutor(1) as pool:
        watch(pool, "cpu", hub=hub)
        assert pool.submit(divmod, 7, 2).result(60) == (3, 1)
    now = cpu(hub)
    assert (now.capacity_permits, now.in_use_permits, now.acquire_wait_seconds.total) == (1, 0, 1)


def test_an_executor_of_the_hosts(hub):
    """What is neither of threads nor of processes is refused at once."""

    class Own(Executor):
        pass

    with pytest.raises(TypeError, match="pools of threads"):
        watch(Own(), "own", hub=hub)


def test_unwatched(hub, pool, gate):
    """Work that is under way goes on as if nothing had been."""
    before = vars(ThreadPoolExecutor)["submit"]
    works = occupy(pool, gate, 2)
    unwatch(pool)
    assert vars(ThreadPoolExecutor)["submit"] is not before
    gate.set()
    assert all(work.result(20) for work in works)


async def test_the_default_executor(hub):
    """Under `install()` the one of `to_thread()` and `run_in_executor()` is called so."""
    bpexporter.install(hub=hub)
    try:
        await asyncio.to_thread(int)
        await asyncio.get_running_loop().run_in_executor(None, int)
        mine = ThreadPoolExecutor(1)
        assert mine.submit(int).result(20) == 0
        limiters = hub.snapshot().limiters
        assert limiters["default executor"].acquire_wait_seconds.total == 2
        (name,) = [name for name in limiters if name != "default executor"]
        assert name.endswith("mine")
        mine.shutdown()
    finally:
        bpexporter.uninstall()
