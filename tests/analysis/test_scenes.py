"""The verdict on pipelines whose culprit is known, on simulated time."""

import asyncio
import random

import pytest
from scenes import play, short

import bpexporter


async def source(sink, every=0.01):
    """Puts for ever."""
    while True:
        await asyncio.sleep(every)
        await sink.put(0)


async def eager_source(sink):
    """Puts as fast as there is room."""
    while True:
        await sink.put(0)


async def first(queue, sink, work):
    """A stage."""
    while True:
        await queue.get()
        await asyncio.sleep(work)
        await sink.put(0)


async def middle(queue, sink, work):
    """A stage of its own."""
    while True:
        await queue.get()
        await asyncio.sleep(work)
        await sink.put(0)


async def last(queue, work):
    """The end."""
    while True:
        await queue.get()
        await asyncio.sleep(work)


def three(works, every=0.01):
    """A pipeline of three stages that take so long for an item."""

    def build(scene):
        a, b, c = (scene.queue(name) for name in "abc")
        scene.run(source(a, every), first(a, b, works[0]), middle(b, c, works[1]), last(c, works[2]))

    return build


@pytest.mark.parametrize(
    ("works", "guilty"),
    [
        ((0.05, 0.001, 0.001), ["first"]),
        ((0.001, 0.05, 0.001), ["middle"]),
        ((0.001, 0.001, 0.05), ["last"]),
        ((0.04, 0.001, 0.05), ["last", "first"]),
        ((0.001, 0.04, 0.05), ["last", "middle"]),
        ((0.001, 0.001, 0.001), []),
        ((0.009, 0.009, 0.009), []),
    ],
)
def test_the_slow_stage_is_named(works, guilty):
    """Wherever it stands, the stage that works is named, and none that waits; where two are slow, both are."""
    assert play(three(works)).accused == [("stage", name) for name in guilty]


def test_a_slow_source_holds_nobody_up():
    """Consumers that starve are healthy."""
    assert play(three((0.001, 0.001, 0.001), every=0.5)).verdict.state == "healthy"


async def fork(queue, left, right):
    """Puts each item to both branches."""
    while True:
        await queue.get()
        await left.put(0)
        await right.put(0)


async def left_end(queue):
    """Slow."""
    while True:
        await queue.get()
        await asyncio.sleep(0.05)


async def right_end(queue):
    """Fast."""
    while True:
        await queue.get()


def test_one_slow_branch_of_two():
    """Of two branches the slow one is named."""

    def build(scene):
        queue, left, right = (scene.queue(name) for name in ("queue", "left", "right"))
        scene.run(source(queue), fork(queue, left, right), left_end(left), right_end(right))

    assert play(build).accused == [("stage", "left_end")]


async def other_source(sink):
    """A second producer."""
    while True:
        await asyncio.sleep(0.02)
        await sink.put(1)


def test_fan_in():
    """Several producers of one slow consumer are held up, and not to blame."""

    def build(scene):
        queue = scene.queue("queue")
        scene.run(source(queue), other_source(queue), last(queue, 0.05))

    scene = play(build)
    assert scene.accused == [("stage", "last")]
    assert {short(one) for one in scene.findings[0].held_up} == {"source", "other_source"}


async def join(one, other):
    """Takes from both inputs in turn."""
    while True:
        await one.get()
        await other.get()


async def slow_source(sink):
    """The input that is late."""
    while True:
        await asyncio.sleep(0.2)
        await sink.put(0)


def test_a_join_that_waits_for_its_other_input():
    """One input is full since the other one is late: who feeds that one is named."""

    def build(scene):
        one, other = scene.queue("one"), scene.queue("other")
        scene.run(source(one), slow_source(other), join(one, other))

    assert play(build).accused == [("stage", "slow_source")]


async def partition(queue, work):
    """Works on its own partition."""
    while True:
        await queue.get()
        await asyncio.sleep(work)


def test_one_bad_member():
    """Of four members of a stage with a queue each, one is slow: the stage is named, by its bad member."""

    def build(scene):
        queues = [scene.queue("partition") for _ in range(4)]
        for number, queue in enumerate(queues):
            scene.run(source(queue, 0.02), partition(queue, 0.1 if number == 1 else 0.001))

    scene = play(build)
    assert scene.accused == [("stage", "partition")]
    assert "one bad member" in " ".join(scene.findings[0].evidence)


async def waits_for_either(queue, stopped):
    """Gets in a task of its own, to be able to stop."""
    stopping = asyncio.ensure_future(stopped.wait())
    while True:
        getting = asyncio.ensure_future(queue.get())
        await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.05)


async def gets_in_time(queue):
    """Gets with a time limit, in another task on Python 3.11."""
    while True:
        await asyncio.wait_for(queue.get(), 100)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("consumer", ["waits_for_either", "gets_in_time"])
@pytest.mark.parametrize("every", [0.01, 0.1])
def test_a_get_in_another_task(consumer, every):
    """A task that only gets counts for the one that awaits it: working while it works, and idle while it waits."""

    def build(scene):
        queue = scene.queue("queue")
        taker = waits_for_either(queue, asyncio.Event()) if consumer == "waits_for_either" else gets_in_time(queue)
        scene.run(source(queue, every), taker)

    scene = play(build)
    assert scene.accused == ([("stage", consumer)] if every < 0.05 else [])
    (name,) = [name for name in scene.snapshots[1].stages if name.endswith(consumer)]
    idle, blocked, working = (
        after - before for before, after in zip(*(one.stages[name].seconds for one in scene.snapshots), strict=True)
    )
    assert blocked == 0
    assert working / (idle + working) == pytest.approx(1.0 if every < 0.05 else 0.5, abs=0.02)
    assert scene.snapshots[1].stages[name].tasks == 1


def test_a_consumer_that_died_and_is_still_referred_to():
    """A task that has failed is not at work: nobody takes from its queue."""

    async def dies(queue):
        await queue.get()
        raise ValueError("dead")

    def build(scene):
        queue = scene.queue("queue")
        scene.run(source(queue), dies(queue))

    scene = play(build)
    assert scene.accused == [("nobody", "queue")]
    assert "dies" in " ".join(scene.findings[0].evidence)


def test_a_queue_that_nobody_takes_from():
    """There never was a consumer."""
    assert play(lambda scene: scene.run(source(scene.queue("queue"))) and None).accused == [("nobody", "queue")]


async def with_permit(queue, limiter):
    """Works while it holds a permit."""
    while True:
        await queue.get()
        async with limiter:
            await asyncio.sleep(0.1)


def test_an_exhausted_limiter():
    """The limiter is named, and who acquires it."""

    def build(scene):
        queue, limiter = scene.queue("queue"), scene.limiter("db", 1)
        scene.run(source(queue), *(with_permit(queue, limiter) for _ in range(8)))

    scene = play(build)
    assert scene.accused == [("limiter", "db")]
    assert "with_permit" in " ".join(scene.findings[0].evidence)


async def hands_on_with_permit(queue, limiter, sink):
    """Hands on while it holds a permit."""
    while True:
        await queue.get()
        async with limiter:
            await sink.put(0)


def test_a_limiter_whose_holders_are_held_up():
    """Those who hold the permits wait for somebody further down, who is named instead."""

    def build(scene):
        queue, limiter, sink = scene.queue("queue"), scene.limiter("db", 2), scene.queue("sink")
        scene.run(source(queue), *(hands_on_with_permit(queue, limiter, sink) for _ in range(8)), last(sink, 0.2))

    assert play(build).accused == [("stage", "last")]


async def here(mine, theirs):
    """Puts to the other before it takes."""
    while True:
        await theirs.put(0)
        await theirs.put(0)
        await mine.get()


async def there(mine, theirs):
    """The same from the other end."""
    while True:
        await theirs.put(0)
        await theirs.put(0)
        await mine.get()


def test_a_deadlock():
    """Two stages that put to one another before they take: a circle, of which neither is the culprit."""

    def build(scene):
        one, other = scene.queue("one", 2), scene.queue("other", 2)
        scene.run(here(one, other), there(other, one))

    ((cause, name),) = play(build, warm=1).accused
    assert cause == "circle"
    assert sorted(part.rpartition(":")[2] for part in name.split(" -> ")) == ["here", "there"]


async def bursting(sink):
    """Puts in bursts."""
    while True:
        await asyncio.sleep(2)
        for _ in range(30):
            await sink.put(0)


def test_healthy_bursts():
    """A queue that is full for moments is healthy, and what room the bursts need is said."""

    def build(scene):
        queue = scene.queue("queue")
        scene.run(bursting(queue), last(queue, 0.02))

    scene = play(build)
    assert scene.verdict.state == "healthy"
    assert "bursts" in scene.verdict.notes[0]


def test_healthy_and_idle():
    """Where nothing happens nothing is wrong."""

    def build(scene):
        scene.run(last(scene.queue("queue"), 0.1))

    assert play(build).verdict.state == "healthy"


async def callback_end(queue):
    """Takes in a callback, which is no task."""
    loop = asyncio.get_running_loop()

    def take():
        if queue.qsize():
            queue.get_nowait()
        loop.call_later(0.05, take)

    take()


def test_what_takes_in_a_callback_is_not_known():
    """Items are taken, but by no task: unknown, and said why."""

    def build(scene):
        queue = scene.queue("queue")
        scene.run(source(queue), callback_end(queue))

    scene = play(build)
    assert scene.accused == [("unknown", "queue")]
    assert "no task" in " ".join(scene.findings[0].evidence)


async def worker(queue, sink, work):
    """One function for every step."""
    while True:
        await queue.get()
        await asyncio.sleep(work)
        if sink is not None:
            await sink.put(0)


def test_one_function_in_several_places():
    """Tasks of one function that use different queues are crews: the crew that works is found among them."""

    def build(scene):
        a, b, c = (scene.queue(name) for name in "abc")
        scene.run(source(a), worker(a, b, 0.001), worker(b, c, 0.001), worker(c, None, 0.05))

    scene = play(build)
    assert scene.accused == [("stage", "worker")]
    assert "(c ->)" in " ".join(scene.findings[0].evidence)


def test_named_by_hand():
    """A stage is called what stage() says, as a decorator and as a context manager."""

    @bpexporter.stage("storing")
    async def anything(queue):
        while True:
            await queue.get()
            await asyncio.sleep(0.05)

    async def something(queue, sink):
        with bpexporter.stage("parsing"):
            while True:
                await queue.get()
                await sink.put(0)

    def build(scene):
        queue, sink = scene.queue("queue"), scene.queue("sink")
        scene.run(source(queue), something(queue, sink), anything(sink))

    scene = play(build)
    assert scene.accused == [("stage", "storing")]
    assert "parsing" in scene.findings[0].held_up


def test_growth_without_end():
    """A queue without a limit in which a backlog grows is a finding, though nobody is held up."""

    def build(scene):
        queue = scene.queue("queue", 0)
        scene.run(source(queue), last(queue, 0.05))

    assert play(build).accused == [("stage", "last")]


class Timed:
    """A stage that keeps its own account, by the clock of its loop."""

    def __init__(self, seed):
        self.chance, self.spent = random.Random(seed), dict.fromkeys(("idle", "blocked", "working"), 0.0)

    async def spend(self, state, doing):
        """Await something, and note for how long."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await doing
        self.spent[state] += loop.time() - begun

    async def run(self, source, sink, work):
        """Take, work, hand on."""
        while True:
            await self.spend("idle", source.get())
            await self.spend("working", asyncio.sleep(self.chance.expovariate(1 / work)))
            if sink is not None:
                await self.spend("blocked", sink.put(0))


@pytest.mark.parametrize("works", [(0.02, 0.03, 0.01), (0.005, 0.02, 0.04), (0.03, 0.001, 0.02)])
@pytest.mark.parametrize("tasks", [1, 3])
def test_shares_agree_with_what_the_stages_know_of_themselves(works, tasks):
    """Idle, blocked and working are within 2 % of the account that each stage keeps by the clock of the test."""
    accounts = {f"timed {at}": [Timed(7 * at + one) for one in range(tasks)] for at in range(3)}

    def build(scene):
        queues = [scene.queue(name, 3) for name in "abc"]
        scene.run(source(queues[0], 0.02 / tasks))
        for at, work in enumerate(works):
            sink = queues[at + 1] if at < 2 else None
            for one in accounts[f"timed {at}"]:
                scene.run(bpexporter.stage(f"timed {at}")(one.run)(queues[at], sink, work))

    scene = play(build, warm=60, seconds=60)
    for name, timed in accounts.items():
        told = scene.snapshots[1].stages[name].seconds
        known = [sum(one.spent[state] for one in timed) for state in ("idle", "blocked", "working")]
        shares = [one / sum(told) for one in told]
        assert shares == pytest.approx([one / sum(known) for one in known], abs=0.02)


async def borrower(pool):
    """Takes something to use, and gives it back."""
    while True:
        connection = await pool.get()
        await asyncio.sleep(0.1)
        pool.put_nowait(connection)


def test_a_queue_that_may_be_a_pool():
    """Whoever takes, gives back and waits is idle or held up, which nobody can know: both are said."""

    def build(scene):
        pool = scene.queue("pool", 2, asyncio.LifoQueue)
        for connection in range(2):
            pool.put_nowait(connection)
        scene.run(*(borrower(pool) for _ in range(6)))

    scene = play(build)
    assert scene.accused == []
    (note,) = scene.verdict.notes
    assert "pool=True" in note
    assert "borrower takes from queue 'pool'" in note
