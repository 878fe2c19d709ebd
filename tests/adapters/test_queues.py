"""Queues of libraries: anyio's memory object streams and janus' queues."""

import asyncio
import threading

import anyio
import janus
import pytest
from holding import until

import bpexporter


async def test_a_stream_holds_its_senders_up(hub):
    """Of a stream with room for two that nobody reads, depth, utilisation and both blocked senders are seen."""
    send, receive = anyio.create_memory_object_stream[int](2)
    senders = [asyncio.create_task(send.send(number)) for number in range(4)]

    def now() -> bpexporter.QueueReading:
        return hub.snapshot().queues[f"{__name__}.test_a_stream_holds_its_senders_up:send"]

    await until(lambda: now().blocked_producers == 2)
    assert (now().depth_items, now().capacity_items, now().utilization_ratio, now().puts) == (2, 2, 1, 2)
    assert [await receive.receive() for _ in range(4)] == [0, 1, 2, 3]
    assert (now().puts, now().gets, now().depth_items, now().blocked_producers) == (4, 4, 0, 0)
    await asyncio.gather(*senders)
    waits = now().put_wait_seconds
    assert (waits.total, now().blocked_puts, now().unfinished_tasks) == (4, 2, None)
    assert waits.sum == pytest.approx(now().put_blocked_seconds)
    send.close(), receive.close()


async def test_a_stream_tells_of_its_idle_receivers(hub):
    """A receiver that waits is idle; what is handed to it was put and got without lying anywhere."""
    send, receive = anyio.create_memory_object_stream[int](2)
    taking = [asyncio.create_task(receive.receive()) for _ in range(2)]
    (name,) = hub.snapshot().queues
    await until(lambda: hub.snapshot().queues[name].idle_consumers == 2)
    send.send_nowait(1)
    reading = hub.snapshot().queues[name]
    assert (reading.puts, reading.gets, reading.depth_items, reading.idle_consumers) == (1, 1, 0, 1)
    taking[1].cancel()
    await asyncio.gather(*taking, return_exceptions=True)
    reading = hub.snapshot().queues[name]
    assert (reading.idle_consumers, reading.get_wait_seconds.total, reading.refused_puts) == (0, 1, (0, 0, 0))
    send.close(), receive.close()


async def test_a_stream_without_a_buffer(hub):
    """Such a stream has room for nothing: it is not unbounded, and a sender waits until somebody takes what it has."""
    send, receive = anyio.create_memory_object_stream[int](0)
    sender = asyncio.create_task(send.send(1))
    (name,) = hub.snapshot().queues
    await until(lambda: hub.snapshot().queues[name].blocked_producers == 1)
    reading = hub.snapshot().queues[name]
    assert (reading.capacity_items, reading.unbounded_members, reading.utilization_ratio) == (0, 0, None)
    assert await receive.receive() == 1
    await sender
    send.close(), receive.close()


@pytest.mark.parametrize("size", [0, 2])
async def test_who_hands_over_is_not_who_waited(size, hub):
    """Who takes from a stream, and so ends the wait of a sender, gets from it alone; and the other way round."""
    send, receive = anyio.create_memory_object_stream[int](size)

    async def produce():
        for number in range(20):
            await asyncio.sleep(0.005 if number < 10 else 0)  # over what is told of a wait
            await send.send(number)

    async def consume():
        for number in range(20):
            await receive.receive()
            await asyncio.sleep(0.005 if number > 10 else 0)

    await asyncio.gather(produce(), consume())
    links = {
        name.rpartition(".")[2]: {direction for _resource, _kind, direction in stage.link_info}
        for name, stage in hub.snapshot().stages.items()
    }
    assert links == {"produce": {"put"}, "consume": {"get"}}
    send.close(), receive.close()


@pytest.mark.parametrize("size", [0, 2, float("inf")])
async def test_what_is_counted_is_what_happened(size, hub):
    """Whoever is cancelled at whatever moment: puts, gets and depth agree, and nobody seems to wait for ever."""
    send, receive = anyio.create_memory_object_stream[int](size)
    (name,) = hub.snapshot().queues
    taken = []

    async def take() -> None:
        taken.append(await receive.receive())

    for number in range(200):
        tasks = [asyncio.create_task(send.send(number)), asyncio.create_task(take())]
        for _ in range(number % 5):
            await asyncio.sleep(0)
        tasks[number % 3 % 2].cancel()
        if number % 7 == 0:
            await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    reading = hub.snapshot().queues[name]
    assert (reading.gets, reading.puts) == (len(taken), len(taken) + reading.depth_items)
    assert (reading.blocked_producers, reading.idle_consumers) == (0, 0)
    assert (reading.put_wait_seconds.total, reading.get_wait_seconds.total) == (reading.puts, reading.gets)
    send.close(), receive.close()


async def test_callers_that_waited_before_are_seen():
    """A sender that is blocked when its stream is watched, by either end, counts from then on."""
    hub = bpexporter.Hub()
    send, receive = anyio.create_memory_object_stream[int](0)
    senders = [asyncio.create_task(send.send(number)) for number in range(2)]
    await asyncio.sleep(0.01)
    try:
        assert bpexporter.watch(receive, "frames", hub=hub) is receive
        assert bpexporter.watch(send, "frames", hub=hub) is send
        assert (hub.snapshot().queues["frames"].members, hub.snapshot().queues["frames"].blocked_producers) == (1, 2)
        senders[1].cancel()
        await receive.receive()
        await asyncio.gather(*senders, return_exceptions=True)
        reading = hub.snapshot().queues["frames"]
        assert (reading.puts, reading.blocked_producers, reading.refused_puts) == (1, 0, (0, 1, 0))
    finally:
        bpexporter.unwatch(send)
    send.close(), receive.close()


async def test_janus_between_a_thread_and_a_task(hub):
    """A thread that waits for room is a blocked producer, a task that waits for an item an idle consumer."""
    queue = janus.Queue[int](maxsize=1)

    def now() -> bpexporter.QueueReading:
        return hub.snapshot().queues[f"{__name__}.test_janus_between_a_thread_and_a_task:queue"]

    thread = threading.Thread(target=lambda: [queue.sync_q.put(number) for number in range(3)])
    thread.start()
    await until(lambda: now().blocked_producers == 1)
    assert (now().depth_items, now().capacity_items, now().puts) == (1, 1, 1)
    with pytest.raises(janus.AsyncQueueFull):
        queue.async_q.put_nowait(4)
    assert [await queue.async_q.get() for _ in range(3)] == [0, 1, 2]
    thread.join()
    idle = asyncio.create_task(queue.async_q.get())
    await until(lambda: now().idle_consumers == 1)
    idle.cancel()
    await asyncio.gather(idle, return_exceptions=True)
    assert (now().puts, now().gets, now().idle_consumers, now().refused_puts) == (3, 3, 0, (1, 0, 0))
    assert now().put_wait_seconds.total == 3
    assert hub.snapshot().queues.keys() == {f"{__name__}.test_janus_between_a_thread_and_a_task:queue"}
    await queue.aclose()


async def test_janus_in_another_order(hub):
    """A stack and a heap count as a queue does."""
    for kind in (janus.LifoQueue, janus.PriorityQueue):
        queue = kind(maxsize=3)
        for number in (2, 1, 3):
            await queue.async_q.put(number)
        assert [queue.sync_q.get() for _ in range(3)] == ([3, 1, 2] if kind is janus.LifoQueue else [1, 2, 3])
        await queue.aclose()
    (reading,) = hub.snapshot().queues.values()
    assert (reading.puts, reading.gets, reading.depth_items) == (6, 6, 0)
