"""On an interpreter whose source is not known the originals are called, and the counts are the same."""

import asyncio
import os
import sys

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.fingerprints import fingerprint, is_known
from bpexporter.resources.patching import Replaced
from bpexporter.resources.queue import instrument as queues
from bpexporter.resources.queue import originals
from bpexporter.resources.queue.fallback import CALLING
from bpexporter.resources.queue.fallback import REPLACEMENTS as INLINED
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, ledger_of


@pytest.fixture(params=[CALLING, INLINED], ids=["calling", "inlined"])
def hub(request, monkeypatch):
    """A hub on an interpreter whose source is not known: the originals are called, or stand in their place."""
    queues.METHODS.uninstall()  # other tests may have left watched queues behind
    methods = Replaced(asyncio.Queue, {**queues.METHODS.replacements, **request.param})
    monkeypatch.setattr(queues, "METHODS", methods)
    yield Hub()
    methods.uninstall()
    assert vars(asyncio.Queue)["put"] is originals.ORIGINALS["put"]


@pytest.mark.parametrize("name", ["put", "get", "put_nowait", "get_nowait"])
def test_the_fallback_is_what_runs(hub, request, name):
    """While a queue is watched its methods are those of the fallback."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    assert vars(asyncio.Queue)[name] in (CALLING[name], INLINED[name])
    assert getattr(queue, name).__func__ is queues.METHODS.replacements[name]


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


@pytest.mark.skipif(not HAS_SHUTDOWN, reason="queues shut down from Python 3.13 on")
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


@pytest.mark.parametrize("side", ["put", "get"])
async def test_a_wait_whose_end_cannot_be_recorded_is_served_all_the_same(hub, side):
    """The ledger may be retired, by another thread, between the wake-up of a caller and its turn."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    if side == "put":
        queue.put_nowait(1)
    waiter = asyncio.create_task(queue.put(2) if side == "put" else queue.get())
    await asyncio.sleep(0)
    ledger_of(queue).retired = True
    if side == "put":
        queue.get_nowait()
    else:
        queue.put_nowait(1)
    assert await waiter == (None if side == "put" else 1)
    ledger_of(queue).retired = False
    unwatch(queue)


def frames(function, *arguments):
    """The names of the functions in Python that a call runs through."""
    names = []
    sys.setprofile(lambda frame, event, _: names.append(frame.f_code.co_name) if event == "call" else None)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize("hub", [INLINED], ids=["inlined"], indirect=True)
def test_a_plain_queue_is_put_to_and_got_from_in_one_frame(hub):
    """What the originals call on a plain queue stands in their place too; it is only called where it may be another."""
    plain, own = (watch(kind(100), "q", hub=hub) for kind in (asyncio.Queue, type("Own", (asyncio.Queue,), {})))
    for queue in (plain, own):
        for item in range(20):
            queue.put_nowait(item)
    puts = [frames(plain.put_nowait, item) for item in range(9)]
    gets = [frames(plain.get_nowait) for _ in range(9)]
    assert ["put_nowait", "clear"] in puts  # the second is of the event of unfinished tasks
    assert ["get_nowait"] in gets
    assert all("_put" in frames(own.put_nowait, item) for item in range(9))
    unwatch(plain)
    unwatch(own)


def test_source_of_this_interpreter_is_known():
    """The running interpreter's source is known, or no digest of its version is written down."""
    forced = os.environ.get("BPEXPORTER_UNKNOWN_SOURCES") == "1"
    assert forced or originals.KNOWN or fingerprint(originals.RELIED_ON) not in originals.KNOWN_SOURCES.values()


@pytest.mark.skipif(not originals.KNOWN, reason="it is not known as it is")
def test_a_switch_lets_no_source_be_known(monkeypatch):
    """Tests go this way on any interpreter by a variable of the environment; without it nothing changes."""
    assert is_known(originals.RELIED_ON, originals.KNOWN_SOURCES)
    monkeypatch.setenv("BPEXPORTER_UNKNOWN_SOURCES", "1")
    assert not is_known(originals.RELIED_ON, originals.KNOWN_SOURCES)


@pytest.mark.skipif(os.environ.get("BPEXPORTER_UNKNOWN_SOURCES") != "1", reason="no switch is set")
def test_the_switch_is_heard():
    """Where the suite is told to run without known sources, it does."""
    assert vars(queues)["REPLACEMENTS"]["put"] is INLINED["put"]


def test_changed_source_is_not_known():
    """A method that does anything else is told from the one that is known."""

    def full(self):
        return self.qsize() > self._maxsize

    changed = [full if method.__name__ == "full" else method for method in originals.RELIED_ON]
    assert not is_known(changed, originals.KNOWN_SOURCES)
