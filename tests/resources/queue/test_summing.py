"""Many queues of one name, added up in one go, are what each of them says, put together."""

import asyncio
import gc
import logging

from fake_clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from bpexporter import Hub, watch
from bpexporter.catalogue.merging import merge
from bpexporter.resources.queue.instrument import MANY

STEPS = st.tuples(st.sampled_from(["put_nowait", "get_nowait", "put", "get", "clear"]), st.integers(0, MANY + 3))


class Odd(asyncio.Queue):
    """A subclass that says its level in its own way."""

    def qsize(self):
        return super().qsize()


def act(action, queue, tasks):
    """Somebody does something with a queue."""
    if action == "clear":
        queue._queue.clear()
    elif action in ("put", "get"):
        tasks.append(asyncio.ensure_future(queue.put(1) if action == "put" else queue.get()))
    elif not (queue.full() if action == "put_nowait" else queue.empty()):
        queue.put_nowait(1) if action == "put_nowait" else queue.get_nowait()


@given(steps=st.lists(st.tuples(STEPS, st.integers(0, 3)), max_size=60))
@settings(max_examples=60)
def test_a_sum_is_the_merge_of_its_parts(steps):
    """Whatever their states are: each field is what the catalogue makes of the readings of all."""

    async def main():
        clock = Clock()
        hub = Hub(clock=clock)
        kinds = [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue, Odd]
        sizes = [0, 1, 2, 5]
        queues = [watch(kinds[n % 4](sizes[n // 3 % 4]), "q", hub=hub) for n in range(MANY + 4)]
        tasks = []
        for (action, number), seconds in steps:
            act(action, queues[number], tasks)
            for _ in range(3):
                await asyncio.sleep(0)
            clock.now += seconds
        ledgers = [queue._bpexporter_ledger for queue in queues]
        instrument = ledgers[0].instrument
        apart = merge("queue", [instrument.read(ledger, clock()) for ledger in ledgers])
        together = merge("queue", instrument.read_members(ledgers, clock))
        assert together == apart._replace(requested=together.requested)  # counts nothing: 0 or any other number
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_a_member_that_dies_during_a_reading_keeps_its_totals():
    """What it has counted does not vanish for the one reading before it is folded."""

    async def main():
        hub = Hub()
        queues = [watch(asyncio.Queue(), "q", hub=hub) for _ in range(MANY)]
        for queue in queues:
            queue.put_nowait(1)
        ledgers = [queue._bpexporter_ledger for queue in queues]
        del queue, queues[0]
        gc.collect()
        readings = ledgers[0].instrument.read_members(ledgers, hub.clock)
        merged = merge("queue", readings)
        assert (merged.puts, merged.members) == (MANY, MANY - 1)

    asyncio.run(main())


def test_one_that_fails_is_left_out(monkeypatch, caplog):
    """A queue that cannot be read costs its own numbers."""
    monkeypatch.delenv("BPEXPORTER_RAISE", raising=False)

    async def main():
        hub = Hub()
        queues = [watch(asyncio.Queue(), "q", hub=hub) for _ in range(MANY)]
        for queue in queues:
            queue.put_nowait(1)
        del queues[3]._unfinished_tasks
        with caplog.at_level(logging.CRITICAL, "bpexporter"):
            reading = hub.snapshot().queues["q"]
        assert (reading.members, reading.puts) == (MANY - 1, MANY - 1)

    asyncio.run(main())
