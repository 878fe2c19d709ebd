"""`on_stall()`: a callback while something is stalled, at most once in each window."""

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator

import pytest
from fake_clock import Clock

import bpexporter
from bpexporter.analysis import triggers
from bpexporter.faults import faults


class Still:
    """A watcher that never looks by itself."""

    def add(self, trigger: triggers.Trigger) -> None:
        """Nothing."""

    def wake(self) -> None:
        """Nothing."""


@pytest.fixture
def clock() -> Clock:
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> bpexporter.Hub:
    """A hub that reads that clock."""
    return bpexporter.Hub(clock=clock)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triggers look only when the test says so."""
    monkeypatch.setattr(triggers, "watcher", Still())


@pytest.fixture
async def stalled(hub: bpexporter.Hub) -> asyncio.Queue:
    """A queue with a producer that waits."""
    queue = bpexporter.watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(0)
    queue.producer = asyncio.create_task(queue.put(1))
    await asyncio.sleep(0)
    return queue


def looks(trigger: triggers.Trigger, clock: Clock, seconds: float) -> None:
    """`trigger` looks ten times in each window for `seconds`."""
    for _ in range(round(seconds / trigger.within * 10)):
        clock.now += trigger.within / 10
        trigger.look(clock())


async def test_a_stall_is_told_while_it_lasts(stalled, clock, hub, by_hand):
    """The callback comes as soon as the stall has taken its share of the window."""
    told = []
    trigger = bpexporter.on_stall(stalled, stalled=0.3, within=1.0, call=told.append)
    trigger.look(clock())
    looks(trigger, clock, 0.2)
    assert told == []
    looks(trigger, clock, 0.1)
    (stall,) = told
    assert (stall.name, stall.kind, stall.within) == ("q", "queue", 1.0)
    assert stall.stalled_seconds == pytest.approx(0.3)


async def test_once_in_each_window(stalled, clock, hub, by_hand):
    """A stall that goes on is told once in each window."""
    told = []
    trigger = bpexporter.on_stall(stalled, call=told.append)
    trigger.look(clock())
    looks(trigger, clock, 5.1)
    assert len(told) == trigger.fired == 5


async def test_what_lies_before_the_window_does_not_count(stalled, clock, hub, by_hand):
    """A stall that has ended is forgotten when the window is past it; what was before the call never counts."""
    told = []
    clock.now += 60
    trigger = bpexporter.on_stall(stalled, stalled=0.5, within=1.0, call=told.append)
    trigger.look(clock())
    looks(trigger, clock, 0.4)
    stalled.get_nowait()
    await stalled.producer
    looks(trigger, clock, 3)
    assert told == []


async def test_short_stalls_add_up(clock, hub, by_hand):
    """Several short stalls within the window are as good as a long one."""
    queue = bpexporter.watch(asyncio.Queue(1), "q", hub=hub)
    told = []
    trigger = bpexporter.on_stall("q", stalled=0.3, within=1.0, call=told.append, hub=hub)
    queue.put_nowait(0)
    trigger.look(clock())
    for _ in range(3):
        producer = asyncio.create_task(queue.put(1))
        await asyncio.sleep(0)
        looks(trigger, clock, 0.1)
        queue.get_nowait()
        await producer
        looks(trigger, clock, 0.1)
    assert len(told) == 1


async def test_a_whole_window_can_be_asked_for(stalled, clock, hub, by_hand):
    """A trigger for a stall as long as the window comes when the window is full."""
    told = []
    trigger = bpexporter.on_stall(stalled, stalled=1.0, within=1.0, call=told.append)
    trigger.look(clock())
    looks(trigger, clock, 0.9)
    assert told == []
    looks(trigger, clock, 0.3)
    assert len(told) == 1


async def test_members_add_up(clock, hub, by_hand):
    """Under a name the seconds of all members count, those of members that are gone included."""
    told = []
    queues = [bpexporter.watch(asyncio.Queue(1), "q", hub=hub) for _ in range(2)]
    for queue in queues:
        queue.put_nowait(0)
    producers = [asyncio.create_task(queue.put(1)) for queue in queues]
    await asyncio.sleep(0)
    trigger = bpexporter.on_stall("q", stalled=0.4, within=1.0, call=told.append, hub=hub)
    trigger.look(clock())
    looks(trigger, clock, 0.1)
    bpexporter.unwatch(queues.pop())
    looks(trigger, clock, 0.2)
    assert [round(stall.stalled_seconds, 6) for stall in told] == [0.4]
    for producer in producers:
        producer.cancel()


async def test_an_object_that_is_gone_ends_its_trigger(clock, hub, by_hand):
    """The trigger does not keep the object alive, and is off when it has gone."""
    queue = bpexporter.watch(asyncio.Queue(1), "q", hub=hub)
    trigger = bpexporter.on_stall(queue, call=print)
    del queue
    gc.collect()
    trigger.look(clock())
    assert not trigger.active


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
async def test_an_error_of_the_callback(stalled, clock, hub, by_hand, caplog, error):
    """What the callback raises, `sys.exit()` too, is logged and counted, and the trigger goes on."""

    def fail() -> None:
        raise error

    before = faults.count
    trigger = bpexporter.on_stall(stalled, call=fail)
    trigger.look(clock())
    with caplog.at_level(logging.ERROR, "bpexporter"):
        looks(trigger, clock, 2.1)
    assert (trigger.fired, faults.count - before, len(caplog.records)) == (2, 2, 2)
    assert error.__name__ in caplog.text


@pytest.fixture
def loud() -> Iterator[list[bpexporter.Trigger]]:
    """Triggers that are cancelled at the end."""
    on: list[bpexporter.Trigger] = []
    yield on
    for trigger in on:
        trigger.cancel()


async def waiting() -> asyncio.Queue:
    """A queue of the real clock with a producer that waits."""
    queue = bpexporter.watch(asyncio.Queue(1), "real", hub=bpexporter.Hub())
    queue.put_nowait(0)
    queue.producer = asyncio.create_task(queue.put(1))
    await asyncio.sleep(0)
    return queue


async def test_the_callback_runs_on_a_thread_of_ours(loud):
    """Without a loop the callback runs on bpexporter's thread, also while the application's loop is stuck."""
    queue, told = await waiting(), threading.Event()
    names = []

    def call() -> None:
        names.append(threading.current_thread().name)
        told.set()

    loud.append(bpexporter.on_stall(queue, stalled=0.02, within=0.1, call=call))
    assert told.wait(20)
    assert names[0] == "bpexporter-stalls"


async def test_the_callback_runs_in_the_loop_that_is_given(loud):
    """With a loop the callback runs there."""
    queue = await waiting()
    told: asyncio.Future[threading.Thread] = asyncio.get_running_loop().create_future()

    def call(stall: bpexporter.Stall) -> None:
        if not told.done():
            told.set_result(threading.current_thread())

    loop = asyncio.get_running_loop()
    loud.append(bpexporter.on_stall(queue, stalled=0.02, within=0.1, call=call, loop=loop))
    assert await told is threading.main_thread()


async def test_the_thread_ends_with_the_last_trigger():
    """There is a thread as long as there are triggers, and no longer."""
    queue = await waiting()
    with bpexporter.on_stall(queue, call=print):
        thread = next(one for one in threading.enumerate() if one.name == "bpexporter-stalls")
    thread.join(20)
    assert not thread.is_alive()


async def test_cancelled_from_its_own_callback():
    """A callback may cancel its trigger, and is called no more."""
    queue, told = await waiting(), threading.Event()
    on = []

    def call() -> None:
        on[0].cancel()
        told.set()

    on.append(bpexporter.on_stall(queue, stalled=0.05, within=0.1, call=call))
    assert told.wait(20)
    assert not on[0].active


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"call": 3}, TypeError),
        ({"call": asyncio.sleep}, TypeError),
        ({"call": lambda one, two: None}, TypeError),
        ({"stalled": 0}, ValueError),
        ({"stalled": 2}, ValueError),
        ({"stalled": "0.1"}, TypeError),
        ({"within": True}, TypeError),
        ({"within": 0.01}, ValueError),
        ({"within": float("nan")}, ValueError),
        ({"loop": 3}, TypeError),
        ({"hub": 3}, TypeError),
    ],
    ids=str,
)
async def test_wrong_arguments_are_refused(wrong, error):
    """What makes no sense is refused in the call itself."""
    queue = bpexporter.watch(asyncio.Queue(1), "q", hub=bpexporter.Hub())
    with pytest.raises(error):
        bpexporter.on_stall(queue, **{"call": print, **wrong})


async def test_resources_that_there_are_not(hub):
    """What cannot be watched, what is not watched and names that nobody has are refused."""
    with pytest.raises(TypeError, match=r"cannot watch builtins\.dict"):
        bpexporter.on_stall({}, call=print)
    with pytest.raises(LookupError, match="this Queue is not watched"):
        bpexporter.on_stall(asyncio.Queue(), call=print)
    with pytest.raises(LookupError, match="nothing is watched under 'jobs'"):
        bpexporter.on_stall("jobs", call=print, hub=hub)


async def test_a_name_of_two_kinds(hub, by_hand):
    """Where a queue and a loop share a name, `kind` says which is meant."""
    queue = bpexporter.watch(asyncio.Queue(), "app", hub=hub)
    bpexporter.watch(asyncio.get_running_loop(), "app", hub=hub)
    with pytest.raises(ValueError, match="is the name of a queue and of a loop"):
        bpexporter.on_stall("app", call=print, hub=hub)
    assert bpexporter.on_stall("app", call=print, hub=hub, kind="loop").active
    assert queue.empty()
