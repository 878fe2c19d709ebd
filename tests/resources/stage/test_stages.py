"""Which stage a task works for, what is counted for it, and what is left alone."""

import asyncio
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_clock import Clock

import bpexporter
from bpexporter import Hub, watch
from bpexporter.hub.hub import registry_of
from bpexporter.resources.stage.naming import awaited_by
from bpexporter.resources.stage.table import MOST_ENDED


@pytest.fixture
def clock():
    """Time that the test moves."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return Hub(clock=clock)


def named(hub):
    """The readings of all stages, by the last part of their names."""
    return {name.rpartition(":")[2].rpartition(".")[2]: one for name, one in hub.snapshot().stages.items()}


async def turn(times=4):
    """Let everybody go on who can."""
    for _ in range(times):
        await asyncio.sleep(0)


async def take(queue, count=10**9):
    """A stage."""
    for _ in range(count):
        await queue.get()


async def put(queue, count=10**9):
    """Another one."""
    for number in range(count):
        await queue.put(number)


async def end(*tasks):
    """Cancel them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_present_waits_are_counted(hub, clock):
    """Idle while it waits for an item, before the wait has ended, once somebody is known to be there."""
    queue = watch(asyncio.Queue(2), "q", hub=hub)
    queue.put_nowait(0)
    task = asyncio.create_task(take(queue))
    await turn()
    clock.now += 5
    reading = named(hub)["take"]
    assert (reading.tasks, reading.seconds) == (1, (5.0, 0.0, 0.0))
    assert reading.link_info == {("q", "queue", "get"): 1}
    clock.now += 2
    assert named(hub)["take"].seconds == (7.0, 0.0, 0.0)
    await end(task)


async def test_blocked_and_working(hub, clock):
    """Blocked while there is no room; what is neither idle nor blocked is working."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)

    async def hand_over(nap):
        await queue.put(0)
        await nap.wait()
        await queue.put(1)

    nap = asyncio.Event()
    task = asyncio.create_task(hand_over(nap))
    await turn()
    clock.now += 3
    assert named(hub)["hand_over"].seconds == (0.0, 0.0, 3.0)
    nap.set()
    await turn()
    clock.now += 4
    assert named(hub)["hand_over"].seconds == (0.0, 4.0, 3.0)
    queue.get_nowait()
    await turn()
    assert task.done()
    assert named(hub)["hand_over"].tasks == 0
    assert named(hub)["hand_over"].seconds == (0.0, 4.0, 3.0)


async def test_a_life_ends_when_the_task_is_done(hub, clock):
    """A task that is done and still referred to counts no more."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    task = asyncio.create_task(put(queue, 1))
    await turn()
    clock.now += 100
    assert task.done()
    reading = named(hub)["put"]
    assert (reading.tasks, reading.seconds) == (0, (0.0, 0.0, 0.0))
    assert list(reading.crew_tasks.values()) == [0]


async def test_tasks_that_come_and_go_have_waits_alone(hub, clock):
    """One task a request: what they waited is counted, though no reading has seen them."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    for _ in range(10):
        task = asyncio.create_task(take(queue, 1))
        await turn()
        clock.now += 1
        queue.put_nowait(0)
        await task
    idle, blocked, working = named(hub)["take"].seconds
    assert (idle, blocked, working) == (pytest.approx(10), 0, pytest.approx(0, abs=1e-9))


async def test_workers_that_never_wait_are_counted(hub, clock):
    """Colleagues of a known stage are found by a walk, though nobody has looked at them."""
    queue = watch(asyncio.Queue(100), "q", hub=hub)
    for number in range(50):
        queue.put_nowait(number)

    async def work(asleep):
        await queue.get()
        await asleep.wait()

    asleep = asyncio.Event()
    tasks = [asyncio.create_task(work(asleep)) for _ in range(20)]
    await turn()
    assert named(hub)["work"].tasks == 20
    assert named(hub)["work"].crew_tasks == {("q ->",): 20}
    await end(*tasks)


async def test_nobody_is_held_on_to(hub, clock):
    """A task that is gone is gone, and so is what was recorded of it."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    task = asyncio.create_task(put(queue, 1))
    await turn()
    gone = weakref.ref(task)
    del task
    gc.collect()
    assert gone() is None
    hub.snapshot()
    table = registry_of(hub).stages
    assert (table.records, len(table.ended)) == ({}, 0)


async def test_records_of_the_dead_are_bounded_though_nobody_reads(hub):
    """Thousands of tasks that came and went between two readings leave what they waited, and few records."""
    queue = watch(asyncio.Queue(1), "jobs", hub=hub)
    for number in range(3 * MOST_ENDED):
        task = asyncio.create_task(take(queue, 1))
        await asyncio.sleep(0)
        queue.put_nowait(number)
        await task
        del task
    gc.collect()
    table = registry_of(hub).stages
    assert len(table.ended) <= MOST_ENDED
    assert len(table.records) <= 2


async def test_tasks_get_nothing_of_ours(hub):
    """No callback is added to a task, and no attribute."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    task = asyncio.create_task(put(queue))
    await turn()
    hub.snapshot()
    assert not task._callbacks
    await end(task)


async def test_names_are_bounded(clock):
    """So many stages and no more; what comes after is one of all others."""
    hub = Hub(clock=clock, max_names=3)
    queue = watch(asyncio.Queue(), "q", hub=hub)
    for number in range(6):
        with bpexporter.stage(f"stage {number}"):
            clock.now += 1
            await asyncio.create_task(put(queue, 1))
            hub.snapshot()  # the next operation after a reading is looked at
    assert sorted(hub.snapshot().stages) == ["__other__", "stage 0", "stage 1", "stage 2"]


async def test_a_name_holds_in_its_block_alone(hub, clock):
    """One task works for one stage after the other; what it does outside is called after its coroutine."""
    queue = watch(asyncio.Queue(), "q", hub=hub)

    async def program():
        with bpexporter.stage("first"):
            clock.now += 1
            await queue.put(0)
            clock.now += 2
            hub.snapshot()
        with bpexporter.stage("second"):
            clock.now += 1
            await queue.put(0)
            clock.now += 3
            hub.snapshot()
        clock.now += 1
        await queue.put(0)

    await asyncio.create_task(program())
    stages = named(hub)
    assert {name: one.seconds[2] for name, one in stages.items()} == {"first": 2, "second": 3, "program": 0}


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (7, TypeError), ("x" * 1001, ValueError)])
def test_a_wrong_name_is_refused(name, error):
    """At the call that gave it."""
    with pytest.raises(error):
        bpexporter.stage(name)


def test_only_coroutine_functions_are_decorated():
    """A plain function has no task of its own."""
    with pytest.raises(TypeError, match="coroutine function"):
        bpexporter.stage("x")(lambda: None)

    @bpexporter.stage("x")
    async def decorated():
        """Its words."""

    assert asyncio.iscoroutinefunction(decorated)
    assert (decorated.__name__, decorated.__doc__) == ("decorated", "Its words.")


async def test_a_library_that_calls_the_application(hub, clock):
    """A handler that a library's task calls is the stage, for as long as it runs."""
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(0)

    async def order(request):
        await queue.put(1)
        return web.Response()

    application = web.Application()
    application.router.add_get("/", order)
    async with TestClient(TestServer(application)) as client:
        asking = asyncio.create_task(client.get("/"))
        async with asyncio.timeout(20):
            while not queue._putters:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)
        clock.now += 4
        assert named(hub)["order"].seconds[1] == 4
        queue.get_nowait()
        answer = await asking
        await answer.read()
        clock.now += 9
        after = named(hub)["order"]
    assert after.tasks == 0
    assert sum(after.seconds) <= 4 + 1e-6


def test_loops_of_several_threads(hub):
    """Tasks of other threads' loops are counted, each for its own stage."""
    ready, done = threading.Barrier(3), threading.Event()

    async def program(consumer):
        queue = watch(asyncio.Queue(1), "q", hub=hub)
        queue.put_nowait(0)
        task = asyncio.create_task(consumer(queue))
        await turn()
        await asyncio.get_running_loop().run_in_executor(None, ready.wait)
        await asyncio.get_running_loop().run_in_executor(None, done.wait)
        await end(task)

    async def left(queue):
        await take(queue)

    async def right(queue):
        await take(queue)

    threads = [threading.Thread(target=lambda one=one: asyncio.run(program(one))) for one in (left, right)]
    for thread in threads:
        thread.start()
    ready.wait(20)
    stages = named(hub)
    assert {name: one.tasks for name, one in stages.items() if name in ("left", "right")} == {"left": 1, "right": 1}
    done.set()
    for thread in threads:
        thread.join(20)


def test_a_put_from_no_task(hub):
    """Where nothing runs, or a callback does, nobody is named."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    queue.put_nowait(0)

    async def program():
        asyncio.get_running_loop().call_soon(queue.put_nowait, 1)
        await turn()

    asyncio.run(program())
    assert named(hub) == {}


async def test_gather_of_gets(hub, clock):
    """Gets that are gathered are one wait of the task that gathers them."""
    one, other = (watch(asyncio.Queue(), name, hub=hub) for name in "ab")

    async def both():
        while True:
            await asyncio.gather(one.get(), other.get())

    task = asyncio.create_task(both())
    await turn()
    clock.now += 1
    one.put_nowait(0)
    await turn()
    clock.now += 2
    other.put_nowait(0)
    await turn()
    clock.now += 4
    reading = named(hub)["both"]
    assert (reading.tasks, reading.seconds[0]) == (1, pytest.approx(7, abs=1.01))
    assert sum(reading.seconds) <= 7 + 1e-6
    await end(task)


async def test_what_a_stage_awaits_is_never_ours(hub, clock):
    """A stage named by hand is not found in the frame that named it, be it read while it runs or while it waits."""
    queue = watch(asyncio.Queue(), "q", hub=hub)

    @bpexporter.stage("parse")
    async def parse():
        await queue.put(1)
        hub.snapshot()
        clock.now += 2
        hub.snapshot()
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(parse())
    await turn()
    clock.now += 2
    assert not [what for what in hub.snapshot().stages["parse"].awaits if "bpexporter" in str(what)]
    await end(task)


async def test_members_of_a_task_group_are_a_stage(hub, clock):
    """Tasks of a `TaskGroup` work for their own coroutine's stage, and who waits for the group for none of it."""
    queue = watch(asyncio.Queue(), "q", hub=hub)

    async def program():
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(take(queue, 1))

    task = asyncio.create_task(program())
    await turn()
    hub.snapshot()
    clock.now += 5
    reading = named(hub)
    assert reading["take"].tasks == 3
    assert reading["take"].seconds[0] == pytest.approx(15)
    assert "program" not in reading
    for number in range(3):
        queue.put_nowait(number)
    await task
    assert named(hub)["take"].tasks == 0


async def test_gets_in_a_task_group_count_for_who_waits_for_it(hub, clock):
    """Bare gets of a `TaskGroup` run nothing but ours: they are the waits of the task that waits for the group."""
    queue = watch(asyncio.Queue(), "q", hub=hub)

    async def program():
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.get())
            group.create_task(queue.get())

    task = asyncio.create_task(program())
    await turn()
    clock.now += 3
    hub.snapshot()
    clock.now += 3
    reading = named(hub)
    assert list(reading) == ["program"]
    assert (reading["program"].tasks, reading["program"].seconds) == (1, pytest.approx((6, 0, 0)))
    queue.put_nowait(1)
    queue.put_nowait(2)
    await task


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
async def test_eager_tasks(hub, clock):
    """An eager task works for its own stage from its first step on, which runs within the task that makes it."""
    loop, queue = asyncio.get_running_loop(), watch(asyncio.Queue(1), "q", hub=hub)
    former = loop.get_task_factory()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        tasks = [asyncio.create_task(put(queue)), asyncio.create_task(take(queue, 1))]
        await turn()
        clock.now += 4
        reading = named(hub)
        assert reading["put"].tasks == 1
        assert reading["put"].seconds[1] == pytest.approx(4)
        assert ("q", "queue", "put") in reading["put"].link_info
        assert ("q", "queue", "put") not in reading.get("take", reading["put"]._replace(link_info={})).link_info
        assert "test_eager_tasks" not in reading
        await end(*tasks)
    finally:
        loop.set_task_factory(former)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
async def test_an_eager_task_that_never_waits(hub, clock):
    """What an eager task does that ends in its first step is not its maker's work."""
    loop, queue = asyncio.get_running_loop(), watch(asyncio.Queue(), "q", hub=hub)
    former = loop.get_task_factory()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        await asyncio.create_task(put(queue, 3))
        clock.now += 1
        assert "test_an_eager_task_that_never_waits" not in named(hub)
        assert queue.qsize() == 3
    finally:
        loop.set_task_factory(former)


def test_who_holds_a_loop_is_a_stage_though_it_uses_nothing(clock, monkeypatch):
    """A task that uses nothing that is watched, and is found in a long step twice in a row, is named."""
    hub, loop = Hub(clock=clock), asyncio.new_event_loop()
    watch(loop, "main", hub=hub)
    task = loop.create_task(hold())
    monkeypatch.setattr(asyncio, "current_task", lambda loop=None: task)
    looks = []
    for _ in range(3):
        clock.now += 1
        looks.append({name.rpartition(":")[2]: dict(stage.awaits) for name, stage in hub.snapshot().stages.items()})
    assert looks == [{}, {"hold": {("running",): 1}}, {"hold": {("running",): 2}}]
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


async def hold():
    """Would hold its loop."""


async def test_what_is_awaited_is_not_what_we_wrap_around_it():
    """Of a coroutine that is decorated with `stage()` it is what that awaits."""
    task = asyncio.create_task(bpexporter.stage("naps")(asyncio.sleep)(60))
    await asyncio.sleep(0)
    assert awaited_by(task) == "asyncio.tasks:sleep"
    task.cancel()


def test_who_awaits_an_executor_is_blocked():
    """A task that awaits work for which no worker is free is blocked until that begins, and works from then on."""
    hub, order = Hub(), threading.Semaphore(0)

    async def crunch(pool):
        await asyncio.get_running_loop().run_in_executor(pool, order.acquire)

    async def main():
        with ThreadPoolExecutor(1) as pool:
            watch(pool, "pool", hub=hub)
            tasks = [asyncio.create_task(crunch(pool)) for _ in range(2)]
            await asyncio.sleep(0.05)
            hub.snapshot()  # looks at the tasks that wait
            await asyncio.sleep(0.05)
            for _ in tasks:
                order.release()
            await asyncio.gather(*tasks)

    asyncio.run(main())
    found, limiter = named(hub)["crunch"], hub.snapshot().limiters["pool"]
    _idle, blocked, _working = found.seconds
    assert blocked == pytest.approx(limiter.acquire_blocked_seconds, abs=0.005)
    assert limiter.acquire_blocked_seconds > 0.09
