"""The verdict on programs that run for real: sockets, threads, a loop without time; asyncio's loop and uvloop's."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import uvloop
from scenes import short

import bpexporter
from bpexporter import Hub, watch
from bpexporter.analysis.judging import concluded

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def judged(build, *, loop="asyncio", warm=1.0, seconds=2.0):
    """The findings over some seconds of a program, read from another thread as an exporter does."""
    hub, ended = Hub(), threading.Event()

    async def program():
        async with contextlib.AsyncExitStack() as stack:
            tasks = [asyncio.ensure_future(one) for one in await build(hub, stack)]
            while not ended.is_set():  # noqa: ASYNC110  another thread ends it
                await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def run():
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(program())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(warm)
    first, begun = hub.snapshot(), time.monotonic()
    time.sleep(seconds)
    second = hub.snapshot()
    passed = time.monotonic() - begun
    ended.set()
    thread.join(30)
    return concluded(first.kinds, second.kinds, passed).findings


def judged_on_each_loop(build, **options):
    """The findings of each loop's program; all run at the same time."""
    with ThreadPoolExecutor(len(LOOPS)) as pool:
        return list(pool.map(lambda loop: judged(build, loop=loop, **options), LOOPS))


def accused(findings):
    """Cause and name of each."""
    return [(one.cause, short(one.name)) for one in findings]


async def produce(queue):
    """Puts as fast as there is room."""
    while True:
        await queue.put(b"x" * 65_536)
        await asyncio.sleep(0.001)


async def send(queue, writer):
    """Writes what it gets to a peer."""
    while True:
        writer.write(await queue.get())
        await writer.drain()


def test_a_slow_peer():
    """The peer that does not read is named, not the stage that writes to it."""

    async def build(hub, stack):
        async def ignore(reader, writer):
            await asyncio.sleep(30)

        server = await asyncio.start_server(ignore, "127.0.0.1", 0)
        stack.callback(server.close)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        watch(writer, "upstream", hub=hub)
        stack.callback(writer.transport.abort)
        queue = watch(asyncio.Queue(5), "chunks", hub=hub)
        return produce(queue), send(queue, writer)

    for findings in judged_on_each_loop(build, warm=2.0):
        assert accused(findings) == [("peer", "upstream")]
        assert "send" in [short(one) for one in findings[0].held_up]


async def in_threads(queue):
    """Works in a thread."""
    while True:
        await queue.get()
        await asyncio.to_thread(time.sleep, 0.05)


def test_slow_work_in_threads():
    """Who awaits work in a thread is at work."""

    async def build(hub, stack):
        queue = watch(asyncio.Queue(5), "jobs", hub=hub)
        return produce(queue), in_threads(queue)

    for findings in judged_on_each_loop(build):
        assert accused(findings) == [("stage", "in_threads")]


async def computes(queue):
    """Computes on the loop."""
    while True:
        await queue.get()
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:
            pass


def test_a_loop_without_time():
    """A loop that computes nearly all of the time is the finding, and no stage beside it."""

    async def build(hub, stack):
        queue = watch(asyncio.Queue(5), "jobs", hub=hub)
        return (*(produce(queue) for _ in range(20)), computes(queue), computes(queue))

    def look():
        findings = judged(build, seconds=1.0)
        return [one.cause for one in findings], " ".join(findings[0].evidence)

    causes, told = look()
    assert causes == ["loop"]
    assert "computes" in told or "short" in told  # a look may fall between two steps


def test_several_threads_with_loops_of_their_own():
    """Loops of several threads have stages of their own: the slow one is named, though its loop has time."""

    async def build(hub, stack):
        ended = threading.Event()

        def other():
            async def main():
                mine = watch(asyncio.Queue(5), "others", hub=hub)
                tasks = [asyncio.ensure_future(one) for one in (produce(mine), in_threads(mine))]
                while not ended.is_set():  # noqa: ASYNC110  another thread ends it
                    await asyncio.sleep(0.02)
                for task in tasks:
                    task.cancel()

            asyncio.run(main())

        thread = threading.Thread(target=other)
        thread.start()
        stack.callback(thread.join, 20)
        stack.callback(ended.set)
        queue = watch(asyncio.Queue(5), "jobs", hub=hub)

        @bpexporter.stage("quick")
        async def quick():
            while True:
                await queue.get()

        return produce(queue), quick()

    assert accused(judged(build)) == [("stage", "in_threads")]
