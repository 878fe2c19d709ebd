"""On an interpreter whose source is not known the originals are called, and the counts are the same."""

import asyncio

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.fingerprints import fingerprint, is_known
from bpexporter.resources.queue import instrument as queues
from bpexporter.resources.queue import originals
from bpexporter.resources.queue.fallback import REPLACEMENTS


@pytest.fixture
def hub(monkeypatch):
    """A hub on an interpreter whose source is not known."""
    queues.METHODS.uninstall()  # other tests may have left watched queues behind
    replacements = {**queues.REPLACEMENTS, **REPLACEMENTS}
    monkeypatch.setattr(queues, "REPLACEMENTS", replacements)
    hub = Hub()
    yield hub
    queues.METHODS.uninstall()
    assert vars(asyncio.Queue)["put"] is queues.ORIGINALS["put"]


async def test_waits_are_counted(hub):
    """Puts and gets that wait are counted and timed."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    getter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    await queue.put(1)
    assert await getter == 1
    await queue.put(2)
    putter = asyncio.create_task(queue.put(3))
    await asyncio.sleep(0)
    during = hub.snapshot().queues["q"]
    assert (during.blocked_producers, during.blocked_puts) == (1, 1)
    assert await queue.get() == 2
    await putter
    after = hub.snapshot().queues["q"]
    assert (after.puts, after.gets, after.put_wait_seconds.total, after.get_wait_seconds.total) == (3, 2, 3, 2)
    assert after.blocked_producers == 0
    unwatch(queue)


async def test_refusals_are_counted(hub):
    """QueueFull and a put that is given up are counted."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(2)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(queue.put(3), 0.001)
    assert hub.snapshot().queues["q"].refused_puts == (1, 1, 0)
    unwatch(queue)


@pytest.mark.skipif(not queues.HAS_SHUTDOWN, reason="queues shut down from Python 3.13 on")
async def test_shutdown_is_counted_once(hub):
    """A blocked put that ends by shutdown() is one refused put, and so is one after it."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    putter = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    queue.shutdown()
    with pytest.raises(asyncio.QueueShutDown):
        await putter
    with pytest.raises(asyncio.QueueShutDown):
        queue.put_nowait(3)
    assert hub.snapshot().queues["q"].refused_puts == (0, 0, 2)
    unwatch(queue)


def test_source_of_this_interpreter_is_known():
    """The running interpreter's source is known, or no digest of its version is written down."""
    assert originals.KNOWN or fingerprint(originals.RELIED_ON) not in originals.KNOWN_SOURCES.values()


def test_changed_source_is_not_known():
    """A method that does anything else is told from the one that is known."""

    def full(self):
        return self.qsize() > self._maxsize

    changed = [full if method.__name__ == "full" else method for method in originals.RELIED_ON]
    assert not is_known(changed, originals.KNOWN_SOURCES)
