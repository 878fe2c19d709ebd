"""A queue may go from hub to hub and from thread to thread."""

import asyncio
import threading

import pytest
from watched_hosts import counts, is_watched

from bpexporter import Hub, uninstall, unwatch, watch
from bpexporter.resources.queue.originals import ORIGINALS


async def test_a_queue_may_go_from_hub_to_hub(hub):
    """Each hub keeps what was counted while the queue was its own; a caller blocked meanwhile is counted by both."""
    second = Hub()
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    await queue.put(1)
    putter = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    assert watch(queue, "q", hub=second) is queue
    assert second.snapshot().queues["q"].blocked_producers == 1
    assert await queue.get() == 1
    await putter
    readings = [one.snapshot().queues["q"] for one in (hub, second)]
    assert [(one.members, one.puts, one.gets, one.blocked_producers) for one in readings] == [
        (0, 1, 0, 0),
        (1, 1, 1, 0),
    ]
    watch(queue, "q", hub=hub)
    assert await queue.get() == 2
    assert (counts(hub), counts(second)) == ((1, 1), (1, 1))
    unwatch(queue)
    assert vars(asyncio.Queue)["put"] is ORIGINALS["put"]


async def test_watching_from_another_thread(hub):
    """watch() and unwatch() may be called where no loop runs, with callers blocked in the queue."""
    queue = asyncio.Queue(1)
    queue.put_nowait(0)
    putter = asyncio.create_task(queue.put(1))
    getter = asyncio.create_task(queue.join())
    await asyncio.sleep(0)
    await asyncio.to_thread(watch, queue, "q", hub=hub)
    assert hub.snapshot().queues["q"].blocked_producers == 1
    assert await queue.get() == 0
    await putter
    assert counts(hub) == (1, 1)
    await asyncio.to_thread(unwatch, queue)
    assert await queue.get() == 1
    assert not is_watched(queue)
    getter.cancel()


async def test_watched_and_unwatched_by_another_thread_while_traffic_runs(hub):
    """Items come out complete and in order, however often a thread watches and lets go."""
    queue, done = asyncio.Queue(2), threading.Event()

    def toggle():
        while not done.is_set():
            unwatch(watch(queue, "q", hub=hub))

    async def produce():
        for number in range(3_000):
            await queue.put(number)

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        producer = asyncio.create_task(produce())
        assert [await asyncio.wait_for(queue.get(), 30) for _ in range(3_000)] == list(range(3_000))
        await producer
    finally:
        done.set()
        await asyncio.to_thread(thread.join)
    uninstall()
    assert vars(asyncio.Queue)["put"] is ORIGINALS["put"]


async def test_a_queue_first_used_in_another_loop_says_so_as_ever(hub):
    """Two loops on one queue are refused by the standard library's own error."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)

    def elsewhere():
        with pytest.raises(RuntimeError, match="is bound to a different event loop"):
            asyncio.run(queue.get())

    await asyncio.to_thread(elsewhere)
    waiting.cancel()
