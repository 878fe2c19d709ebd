"""What a host could notice of its queue being watched: before, during and after."""

import asyncio
import contextlib
import copy
import gc
import inspect
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hosts import KINDS, LOOKS, PLAIN, Counting, Frozen, Hooked, OfMeta, Raising, Registering
from side_by_side import PRISTINE, Clock, Op, Play, play

from bpexporter import Hub, uninstall, unwatch, watch
from bpexporter.hub.reading import read_registry
from bpexporter.resources.queue import instrument as queues
from bpexporter.resources.queue import originals
from bpexporter.watching import watch as watching

ATTRIBUTE = "_bpexporter_ledger"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that is alone, so that the last unwatch() puts the originals back."""
    queues.METHODS.uninstall()  # other tests may have left watched queues behind
    monkeypatch.setattr("bpexporter.hub.process.registries", weakref.WeakSet())
    hub = Hub()
    yield hub
    queues.METHODS.uninstall()
    assert vars(asyncio.Queue)["put"] is originals.ORIGINALS["put"]
    assert not any(ATTRIBUTE in vars(kind) for kind in KINDS)


def is_watched(queue: asyncio.Queue) -> bool:
    """Whether there is a ledger."""
    return queues.ledger_of(queue) is not None


def counts(hub: Hub, name: str = "q") -> tuple[int, int]:
    """Puts and gets under a name."""
    reading = hub.snapshot().queues[name]
    return reading.puts, reading.gets


# Phases -----------------------------------------------------------------------------------------

Phase = Callable[[asyncio.Queue, Hub], asyncio.Queue]


PHASES: dict[str, Phase] = {
    "during": lambda queue, hub: watch(queue, "q", hub=hub),
    "after": lambda queue, hub: unwatch(watch(queue, "q", hub=hub)),
    "again": lambda queue, hub: watch(unwatch(watch(queue, "q", hub=hub)), "again", hub=hub),
    "moved": lambda queue, hub: watch(watch(queue, "q", hub=hub), "q", hub=Hub()),
}


def filled(kind: type[asyncio.Queue]) -> asyncio.Queue:
    """A queue with something in it and room for more."""
    queue = kind(5)
    queue.put_nowait(3)
    queue.put_nowait(1)
    return queue


def looks(kind: type[asyncio.Queue], phase: Phase, hub: Hub) -> dict[str, Any]:
    """All that can be seen of queues of a class that were brought to a phase, a new one for each look."""
    seen = {}
    for name, look in LOOKS.items():
        queue = filled(kind)
        assert phase(queue, hub) is queue
        seen[name] = look(queue)
    return seen


def untouched(queue: asyncio.Queue, hub: Hub) -> asyncio.Queue:
    """Nobody watches it."""
    return queue


@pytest.mark.parametrize("kind", KINDS)
def test_every_look_shows_the_same(hub, kind):
    """Whatever a host looks at is, in each phase, as it was under the standard library's own methods."""
    gc.collect()  # subclasses that other tests have dropped
    looks(kind, untouched, hub)  # mock and inspect leave traces of their own in a class
    before = looks(kind, untouched, hub)
    for phase in PHASES.values():
        assert looks(kind, phase, hub) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_beside_a_watched_one_shows_the_same(hub, kind):
    """A queue that nobody watches is as it was, while the methods are replaced for another."""
    looks(kind, untouched, hub)
    before = looks(kind, untouched, hub)
    other = watch(asyncio.Queue(), "other", hub=hub)
    assert vars(asyncio.Queue)["put"] is queues.REPLACEMENTS["put"]
    assert looks(kind, untouched, hub) == before
    unwatch(other)


@pytest.mark.parametrize("kind", KINDS)
def test_one_private_attribute_is_all_that_is_added(hub, kind):
    """The object has one attribute more while it is watched, and none after."""
    queue = filled(kind)
    before, names = dict(vars(queue)), dir(queue)
    watch(queue, "q", hub=hub)
    assert vars(queue).keys() - before.keys() == {ATTRIBUTE}
    unwatch(queue)
    assert vars(queue) == before
    assert dir(queue) == names


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_as_before(hub, kind):
    """No class and no module has an entry more, less, other or elsewhere after the last unwatch()."""
    holders = [*dict.fromkeys((*KINDS, *asyncio.Queue.__mro__)), asyncio, asyncio.queues]
    before = [list(vars(one).items()) for one in holders]
    queue = watch(filled(kind), "q", hub=hub)
    changed = {name for name, value in before[0] if vars(asyncio.Queue)[name] is not value}
    assert changed == set(queues.REPLACEMENTS)
    unwatch(queue)
    assert [list(vars(one).items()) for one in holders] == before


def test_no_subclass_is_made(hub):
    """Nothing is told to `__init_subclass__`, and no class appears below `asyncio.Queue`."""
    before = asyncio.Queue.__subclasses__(), Registering.registered.copy()
    queue = watch(Registering(), "q", hub=hub)
    assert (asyncio.Queue.__subclasses__(), Registering.registered) == before
    unwatch(queue)


def test_the_replacing_methods_have_the_same_parameters():
    """Each method that is put in has the signature and the kind of the one that it stands in for."""
    for name, function in queues.REPLACEMENTS.items():
        original = originals.ORIGINALS[name]
        assert inspect.signature(function) == inspect.signature(original)
        assert inspect.iscoroutinefunction(function) is inspect.iscoroutinefunction(original)
        assert inspect.getdoc(function) == inspect.getdoc(original)


# Use --------------------------------------------------------------------------------------------


async def traffic(queue: asyncio.Queue) -> list[Any]:
    """Puts and gets that wait, that do not, and that are refused; what came out in which order."""
    seen: list[Any] = []

    async def produce(first: int) -> None:
        for number in range(first, first + 8):
            await queue.put(number)
            seen.append(("in", number))

    async def consume() -> None:
        for _ in range(8):
            seen.append(("out", await queue.get()))
            queue.task_done()

    await asyncio.gather(consume(), produce(0), consume(), produce(100))
    await queue.join()
    for number in range(4):
        try:
            queue.put_nowait(number)
        except asyncio.QueueFull:
            seen.append("full")
    for _ in range(3):
        seen.append(queue.get_nowait())
        queue.task_done()
    try:
        queue.get_nowait()
    except asyncio.QueueEmpty:
        seen.append("empty")
    return seen


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
def test_subclasses_work_and_are_counted_once(hub, kind, phase):
    """A queue of any class does what it did, in the same order; each item counts once."""
    before = asyncio.run(traffic(kind(3)))
    queue = PHASES[phase](kind(3), hub)

    async def twice():
        assert await traffic(queue) == before
        watching = queues.ledger_of(queue)
        if phase != "after":
            reading = read_registry(watching.entry.registry).queues[watching.requested_name]
            assert (reading.puts, reading.gets) == (19, 19)
        unwatch(queue)
        assert await traffic(queue) == before

    asyncio.run(twice())


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_beside_a_watched_one_works(hub, kind):
    """A queue that nobody watches does what it did, while another is watched, and is not counted."""
    before = asyncio.run(traffic(kind(3)))
    other = watch(kind(3), "q", hub=hub)
    assert asyncio.run(traffic(kind(3))) == before
    assert counts(hub) == (0, 0)
    unwatch(other)


async def test_hooks_of_a_subclass_are_called_as_often_as_ever(hub):
    """A host's own `put` runs once for each put, and `_put` and `_get` once for each item."""
    queue = watch(Counting(2), "q", hub=hub)
    with mock.patch.object(Counting, "_put", autospec=True, side_effect=asyncio.Queue._put) as hook:
        hooked = watch(Counting(), "hooked", hub=hub)
        await hooked.put(1)
        assert (hook.call_count, await hooked.get()) == (1, 1)
    await queue.put(1)
    await queue.get()
    assert queue.asked == 2
    assert counts(hub) == counts(hub, "hooked") == (1, 1)


async def test_a_hook_that_raises_counts_nothing(hub):
    """What a host's own `_put` refuses did not go in."""

    class Picky(asyncio.Queue):
        def _put(self, item):
            if item == 4:
                raise LookupError("no fours")
            super()._put(item)

    queue = watch(Picky(), "q", hub=hub)
    for number in (3, 4, 5):
        with contextlib.suppress(LookupError):
            await queue.put(number)
    assert counts(hub) == (2, 0)
    assert queue._unfinished_tasks == 2


@pytest.mark.parametrize("answer", [lambda queue: mock.Mock(), lambda queue: queue])
async def test_a_class_made_later_may_have_every_attribute(hub, answer):
    """A host's `__getattr__` that answers everything is not asked for a ledger, whenever its class was made."""
    watched = watch(asyncio.Queue(), "q", hub=hub)

    class Late(asyncio.Queue):
        def __getattr__(self, name):
            answered = answer(watched)
            return getattr(answered, name)

    queue = Late()
    await queue.put(1)
    assert await queue.get() == 1
    assert counts(hub) == (0, 0)


async def test_a_class_made_later_may_raise_what_it_likes(hub):
    """A host's `__getattr__` that raises something unusual is no error of the queue's."""
    watched = watch(asyncio.Queue(), "q", hub=hub)
    late = type("Late", (asyncio.Queue,), {"__getattr__": Raising.__getattr__})()
    await late.put(1)
    assert await late.get() == 1
    assert counts(hub) == (0, 0)
    unwatch(watched)


async def test_a_class_that_cannot_be_changed_is_left_as_it_was(hub):
    """A metaclass that refuses every change is not asked."""
    before = dict(vars(OfMeta))
    queue = watch(OfMeta(), "q", hub=hub)
    await queue.put(1)
    unwatch(queue)
    assert dict(vars(OfMeta)) == before


INLINE = """
import asyncio, gc, bpexporter

def has_dict(obj):
    return any(type(one) is dict and not one.keys().isdisjoint(("_queue", "_value")) for one in gc.get_referents(obj))

async def use(obj):
    for _ in range(2):
        await (obj.put(1) if isinstance(obj, asyncio.Queue) else obj.acquire())
        await obj.get() if isinstance(obj, asyncio.Queue) else obj.release()

async def made():
    return KIND(3)

for obj in (KIND(3), asyncio.run(made())):
    bpexporter.watch(obj, "q")
    bpexporter.snapshot()
    asyncio.run(use(obj))
    bpexporter.snapshot()
    bpexporter.unwatch(bpexporter.watch(obj, "another"))
    before = has_dict(obj)
    print(before, bool(obj.__dict__), has_dict(obj))
"""


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from 3.13 on a dict shares the values of its object")
@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "LifoQueue", "Semaphore", "BoundedSemaphore"])
def test_attributes_stay_where_cpython_finds_them_fast(kind):
    """Nothing that is done to a watched object, nor any reading, makes CPython lay its attributes out in a dict."""
    command = [sys.executable, "-c", INLINE.replace("KIND", f"asyncio.{kind}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False True True\n" * 2, "")


async def test_generics_are_watched(hub):
    """`asyncio.Queue[int]()` is an `asyncio.Queue` as any."""
    queue = watch(asyncio.Queue[int](1), "q", hub=hub)
    await queue.put(1)
    assert type(queue) is asyncio.Queue
    assert queue.__orig_class__ == asyncio.Queue[int]
    assert counts(hub) == (1, 0)


# Copies -----------------------------------------------------------------------------------------

COPIES = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda queue, n=n: pickle.loads(pickle.dumps(queue, n)) for n in range(2, 6)},
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_not_watched(hub, kind, way):
    """A copy of a watched queue is a queue of its own, which counts nothing and can be watched."""
    queue = watch(filled(kind), "q", hub=hub)
    duplicate = COPIES[way](queue)
    assert not is_watched(duplicate)
    duplicate.put_nowait(2)
    assert counts(hub) == (0, 0)
    watch(duplicate, "copy", hub=hub)
    duplicate.put_nowait(4)
    queue.put_nowait(5)
    assert (counts(hub), counts(hub, "copy")) == ((1, 0), (1, 0))
    unwatch(unwatch(duplicate) and queue)


@pytest.mark.parametrize("then", [lambda one, hub: watch(one, "copy", hub=hub), lambda one, hub: unwatch(one)])
def test_a_shallow_copy_leaves_the_original_watched(hub, then):
    """Watching or unwatching what `copy.copy()` made of a watched queue takes nothing from the original."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    then(copy.copy(queue), hub)
    queue.put_nowait(1)
    reading = hub.snapshot().queues["q"]
    assert (reading.members, reading.puts) == (1, 1)


def test_a_shallow_copy_shares_its_items_as_ever(hub):
    """`copy.copy()` of a watched queue gives one that works on the same items, as without us."""
    queue = watch(filled(asyncio.Queue), "q", hub=hub)
    duplicate = copy.copy(queue)
    assert type(duplicate) is asyncio.Queue
    duplicate.put_nowait(2)
    assert [queue.get_nowait() for _ in range(3)] == [3, 1, 2]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_pickle_loads_where_we_are_not_installed(hub, kind):
    """A process in which bpexporter cannot be imported unpickles a watched queue and uses it."""
    program = (
        "import sys, pickle; sys.modules['bpexporter'] = None\n"
        "queue = pickle.loads(bytes.fromhex(sys.stdin.read()))\n"
        "queue.put_nowait(2)\n"
        "print(type(queue).__name__, sorted(queue.get_nowait() for _ in range(3)), queue.maxsize)"
    )
    data = pickle.dumps(watch(filled(kind), "q", hub=hub)).hex()
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=data, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == (f"{kind.__name__} [1, 2, 3] 5\n", "")


# Mocks and patches ------------------------------------------------------------------------------

CALLED = ["put", "get", "put_nowait", "get_nowait"]
INNER = ["full", "empty", "_put", "_get", "qsize"]
MOMENTS = [(begin, end) for begin in range(3) for end in range(begin, 3)]


def patched(kind: type[asyncio.Queue], where: str, method: str, hub: Hub | None, begin: int, end: int) -> list[Any]:
    """What happens in each of three phases (bare, watched, unwatched), patched from `begin` to `end`."""
    queue = kind(3)
    target = {"instance": queue, "class": asyncio.Queue, "own class": kind}[where]
    spied: list[Any] = []
    patch = mock.patch.object(target, method, spy(target, method, spied))
    changes = [lambda: None, lambda: hub and watch(queue, "q", hub=hub), lambda: hub and unwatch(queue)]
    for phase, change in enumerate(changes):
        change()
        if phase == begin:
            patch.start()
        spied += [asyncio.run(little(queue)), f"end of {phase}"]
        if phase == end:
            patch.stop()
    spied.append(asyncio.run(little(queue)))
    return spied


def spy(target: Any, method: str, spied: list[Any]) -> Any:
    """A function that notes that it was called, and calls what was there."""
    true = getattr(target, method)

    def spying(*arguments: Any) -> Any:
        spied.append(method)
        return true(*arguments)

    return spying


async def little(queue: asyncio.Queue) -> list[Any]:
    """An item in and out, both ways."""
    await queue.put(1)
    queue.put_nowait(2)
    return [await queue.get(), queue.get_nowait(), queue.qsize()]


@pytest.mark.parametrize(("begin", "end"), MOMENTS)
@pytest.mark.parametrize("method", CALLED)
@pytest.mark.parametrize("where", ["instance", "class", "own class"])
@pytest.mark.parametrize("kind", [asyncio.Queue, Counting, Hooked])
def test_patches_of_what_callers_call_hold(hub, kind, where, method, begin, end):
    """A method patched on the object or a class before, during or after is called as often as ever, and goes."""
    expected = patched(kind, where, method, None, begin, end)
    assert patched(kind, where, method, hub, begin, end) == expected
    assert method in expected


@pytest.mark.parametrize(("begin", "end"), MOMENTS)
@pytest.mark.parametrize("method", INNER)
@pytest.mark.parametrize("where", ["instance", "own class"])
def test_patches_of_what_queues_call_hold_in_subclasses(hub, where, method, begin, end):
    """The same for the inner methods, which a subclass with hooks of its own calls when it is watched too."""
    expected = patched(Hooked, where, method, None, begin, end)
    found = patched(Hooked, where, method, hub, begin, end)
    assert [one for one in found if one != method] == [one for one in expected if one != method]
    assert set(map(str, found)) == set(map(str, expected))


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 2), (2, 2)])
@pytest.mark.parametrize("method", INNER)
@pytest.mark.parametrize("where", ["instance", "class"])
def test_patches_of_what_queues_call_hold_before_and_after(hub, where, method, begin, end):
    """An inner method that is patched when watch() comes, or patched after unwatch(), is called."""
    expected = patched(asyncio.Queue, where, method, None, begin, end)
    found = patched(asyncio.Queue, where, method, hub, begin, end)
    asked_beside = method == "qsize" or (not originals.KNOWN and method in ("full", "empty"))
    if asked_beside or (where == "class" and begin == 0 and end == 2):
        # asked once more or less often: what counts is that all else is the same
        found, expected = ([one for one in trace if one != method] for trace in (found, expected))
    assert found == expected


@pytest.mark.skipif(not originals.KNOWN, reason="the originals call it as ever, from the first moment on")
@pytest.mark.parametrize("method", ["full", "empty", "_put", "_get"])
@pytest.mark.parametrize("where", ["instance", "class"])
def test_patches_of_what_queues_call_hold_from_the_next_watch_on(hub, where, method):
    """An inner method that is patched while the queue is watched is called once it is watched anew."""
    queue = watch(asyncio.Queue(3), "q", hub=hub)
    queue.put_nowait(0)
    with mock.patch.object(queue if where == "instance" else asyncio.Queue, method, side_effect=ZeroDivisionError):
        queue.put_nowait(1)
        assert queue.get_nowait() == 0
        watch(unwatch(queue), "q", hub=hub)
        with pytest.raises(ZeroDivisionError):
            queue.put_nowait(2), queue.get_nowait()


def test_classes_are_not_changed_too_often(hub, monkeypatch):
    """After many rounds of watching a queue and none the replaced methods stay, until everything is uninstalled."""
    monkeypatch.setattr(watching, "MOST_ROUNDS", 3)
    for _ in range(3):
        unwatch(watch(asyncio.Queue(), "q", hub=hub))
        assert vars(asyncio.Queue)["put"] is originals.ORIGINALS["put"]
    unwatch(watch(asyncio.Queue(), "q", hub=hub))
    assert vars(asyncio.Queue)["put"] is queues.REPLACEMENTS["put"]
    uninstall()
    assert vars(asyncio.Queue)["put"] is originals.ORIGINALS["put"]


async def test_who_patches_over_us_stays(hub):
    """A method that a host put over ours is left in place, goes on to work, and can be taken off later."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    ours, calls = vars(asyncio.Queue)["put"], []

    async def put(self, item):
        calls.append(item)
        await ours(self, item)

    asyncio.Queue.put = put
    await queue.put(1)
    assert counts(hub) == (1, 0)
    unwatch(queue)
    assert vars(asyncio.Queue)["put"] is put
    assert queue.get_nowait() == 1
    await queue.put(2)
    asyncio.Queue.put = ours  # which has gone in the meantime
    assert (calls, await queue.get()) == ([1, 2], 2)


async def test_a_method_put_back_after_we_had_gone_does_no_harm(hub):
    """Ours, brought back by a host, works on queues that nobody watches, counts again, and goes again."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    ours = {name: vars(asyncio.Queue)[name] for name in queues.REPLACEMENTS}
    unwatch(queue)
    for name, method in ours.items():
        setattr(asyncio.Queue, name, method)
    assert await little(asyncio.Queue(2)) == [1, 2, 0]
    assert not is_watched(queue)
    watch(queue, "q", hub=hub)
    await queue.put(1)
    assert counts(hub) == (1, 0)
    unwatch(queue)
    assert {name: vars(asyncio.Queue)[name] for name in ours} == originals.ORIGINALS


async def test_who_was_there_before_us_stays_beneath(hub):
    """A method that a host had replaced before watch() keeps its place; what goes through the others is counted."""

    async def put(self, item):
        self.put_nowait(("host", item))

    with mock.patch.object(asyncio.Queue, "put", put):
        queue = watch(asyncio.Queue(), "q", hub=hub)
        await queue.put(1)
        assert vars(asyncio.Queue)["put"] is put
        assert counts(hub) == (1, 0)
        unwatch(queue)
        assert vars(asyncio.Queue)["put"] is put
    assert await queue.get() == ("host", 1)


# Waits ------------------------------------------------------------------------------------------

CROWD: list[Op] = [("put", 0), ("turn", 1)] * 5  # one goes in, four wait
EMPTYING: list[Op] = [("get_nowait",), ("put_nowait", 1), ("turn", 1), ("cancel", 1), ("turn", 2)] * 5
HUNGRY: list[Op] = [*[("get",)] * 5, ("turn", 2), ("put_nowait", 2), ("put_nowait", 1), ("cancel", 3), ("turn", 3)]
ACTS = [CROWD, [*EMPTYING, *HUNGRY], [("put", 3), ("put", 4), ("turn", 3), *EMPTYING, ("turn", 5)]]


def crowd(module: Any, kind: str, changes: list[Callable[[asyncio.Queue], Any]]) -> Any:
    """The trace of several blocked producers and consumers, with a change before each act."""
    clock = Clock()

    async def main() -> list[Any]:
        game = Play(getattr(module, kind), 1, clock)
        for act, change in zip(ACTS, changes, strict=True):
            change(game.queue)
            await game.run(act)
        await game.settle()
        await game.end()
        return game.trace

    return play(main(), clock)


@pytest.mark.parametrize("on", range(3))
@pytest.mark.parametrize("off", range(1, 4))
@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "LifoQueue"])
def test_callers_wake_in_the_same_order(hub, kind, on, off):
    """With several blocked on either side, each wakes in the turn that a bare queue wakes it in.

    Whether they were blocked before watch(), between, or at unwatch().
    """

    def change(act: int) -> Callable[[asyncio.Queue], Any]:
        if act == on:
            return lambda queue: watch(queue, "q", hub=hub)
        return unwatch if act == off else lambda queue: None

    bare = crowd(PRISTINE, kind, [lambda queue: None] * 3)
    assert crowd(asyncio, kind, [change(act) for act in range(3)]) == bare
    assert len(bare[0]) > 50


async def test_callers_blocked_before_and_at_the_end_are_told_the_truth_of(hub):
    """Who is blocked already when watch() comes is counted; who is still blocked at unwatch() goes on."""
    queue = asyncio.Queue(1)
    queue.put_nowait(0)
    putters = [asyncio.create_task(queue.put(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    watch(queue, "q", hub=hub)
    assert hub.snapshot().queues["q"].blocked_producers == 2
    assert await queue.get() == 0
    await asyncio.wait([putters[0]])
    reading = hub.snapshot().queues["q"]
    assert (reading.blocked_producers, reading.puts, reading.put_wait_seconds.total) == (1, 1, 1)
    unwatch(queue)
    reading = hub.snapshot().queues["q"]
    assert (reading.members, reading.blocked_producers, reading.puts) == (0, 0, 1)
    assert [await queue.get(), await queue.get()] == [1, 2]
    await asyncio.wait([putters[1]])
    assert counts(hub) == (1, 1)
    assert not queue._putters


# Capacity and content, changed behind our back ---------------------------------------------------


@pytest.mark.parametrize("maxsize", [0.5, 1.5, 2.5, float("inf"), True, -1])
def test_any_maxsize_holds_as_ever(hub, maxsize):
    """A float, a bool or a negative capacity lets in as many as the standard library's comparison says."""
    bare, queue = PRISTINE.Queue(maxsize), watch(asyncio.Queue(maxsize), "q", hub=hub)
    for one in (bare, queue):
        for number in range(5):
            if not one.full():
                one.put_nowait(number)
    assert (queue.qsize(), queue.full(), queue.maxsize) == (bare.qsize(), bare.full(), bare.maxsize)
    reading = hub.snapshot().queues["q"]
    assert reading.puts == reading.depth_items == bare.qsize()
    assert (reading.unbounded_members == 1) is (maxsize in (float("inf"), -1))


def test_a_capacity_that_the_host_changes_holds_at_once(hub):
    """`_maxsize` is read at each put, and the metrics show the new one."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    queue._maxsize = 2
    queue.put_nowait(2)
    assert queue.full()
    assert hub.snapshot().queues["q"].capacity_items == 2
    queue._maxsize = 1
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(3)
    queue._maxsize = 0
    queue.put_nowait(4)
    reading = hub.snapshot().queues["q"]
    assert (reading.unbounded_members, reading.capacity_items, reading.depth_items) == (1, None, 3)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_queue_that_the_host_clears_is_empty(hub, kind):
    """Clearing `_queue`, or putting another one there, loses no count and shows the true depth."""
    queue = watch(kind(4), "q", hub=hub)
    for number in range(4):
        queue.put_nowait(number)
    queue._queue.clear()
    assert hub.snapshot().queues["q"].depth_items == 0
    for number in range(3):
        queue.put_nowait(number)
    queue._queue = type(queue._queue)()
    with pytest.raises(asyncio.QueueEmpty):
        queue.get_nowait()
    queue.put_nowait(7)
    assert queue.get_nowait() == 7
    reading = hub.snapshot().queues["q"]
    assert (reading.depth_items, reading.puts, reading.gets) == (0, 8, 1)


def emptied(queue: asyncio.Queue) -> None:
    """Empty a queue by another way than get."""
    if queues.HAS_SHUTDOWN:
        queue.shutdown(immediate=True)
    else:
        queue._queue.clear()


@pytest.mark.parametrize("empty", [emptied, lambda queue: queue._queue.clear()], ids=["shutdown", "clear"])
@pytest.mark.parametrize("seen", [False, True])
def test_a_peak_stays_when_the_level_jumps(hub, empty, seen):
    """A queue that was full is said to have been, for a minute, whichever way it was emptied and whoever read."""
    queue = watch(asyncio.Queue(4), "q", hub=hub)
    for number in range(4):
        queue.put_nowait(number)
    if seen:
        assert hub.snapshot().queues["q"].peak_utilization_ratio == 1
    empty(queue)
    assert hub.snapshot().queues["q"].peak_utilization_ratio == 1


# References -------------------------------------------------------------------------------------


class Item:
    """An item whose end can be seen; a PriorityQueue can order it."""

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)


@pytest.fixture
def by_count_alone() -> Iterator[None]:
    """No garbage collection: what goes, goes because nobody refers to it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_queue_goes_when_its_host_lets_go(hub, kind, by_count_alone):
    """Nothing of ours refers to it, so that its end needs no collection."""
    queue = watch(filled(kind), "q", hub=hub)
    asyncio.run(little(queue))
    queue = weakref.ref(queue)
    assert queue() is None
    assert hub.snapshot().queues["q"].members == 0


@pytest.mark.parametrize("late", [False, True], ids=["watched before", "watched while it waits"])
@pytest.mark.parametrize("method", ["get", "put", "acquire"])
def test_who_is_forgotten_while_it_waits_is_not_held(hub, method, late):
    """A task that nobody refers to goes, and what it waits in with it: the times of its wait hold neither."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says of the task that it was pending
    made = asyncio.Semaphore(0) if method == "acquire" else asyncio.Queue(1)
    if method == "put":
        made.put_nowait(0)
    if not late:
        watch(made, "q", hub=hub)
    task = loop.create_task(getattr(made, method)(*([1] if method == "put" else [])))
    loop.run_until_complete(asyncio.sleep(0))
    watch(made, "q", hub=hub)
    gone = weakref.ref(made)
    del made, task
    gc.collect()
    assert gone() is None
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.mark.parametrize("kind", PLAIN)
def test_items_are_not_held(hub, kind, by_count_alone):
    """An item in a watched queue has the references that it has in a bare one, and none when it is out."""
    bare, queue = getattr(PRISTINE, kind.__name__)(), watch(kind(), "q", hub=hub)
    first, second = Item(), Item()
    for _ in range(3):
        bare.put_nowait(first)
        queue.put_nowait(second)
        assert sys.getrefcount(first) == sys.getrefcount(second)
        assert (bare.get_nowait(), queue.get_nowait()) == (first, second)
    hub.snapshot()
    assert sys.getrefcount(first) == sys.getrefcount(second)
    gone = weakref.ref(second)
    del second
    assert gone() is None


async def test_waits_leave_nothing_behind(hub, by_count_alone):
    """Callers that waited, gave up or timed out are not referred to, nor is their item, by queue or ledger."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    ledger = queues.ledger_of(queue)
    queue.put_nowait(0)
    item = Item()
    putters = [asyncio.create_task(queue.put(item)) for _ in range(3)]
    getter = asyncio.create_task(asyncio.wait_for(asyncio.Queue.get(watch(asyncio.Queue(), "q", hub=hub)), 0.001))
    await asyncio.sleep(0)
    putters[0].cancel()
    assert [await queue.get() for _ in range(2)] == [0, item]
    await asyncio.wait([*putters, getter])
    assert (ledger.producers.waiting, ledger.idle.waiting) == ({}, {})
    assert queue.get_nowait() is item
    task, held = weakref.ref(putters[1]), weakref.ref(item)
    del putters, item
    await asyncio.sleep(0)
    assert (task(), held()) == (None, None)


def test_the_ledger_goes_with_the_watching(hub, by_count_alone):
    """After unwatch() nothing refers to the ledger: not the object, not the hub."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    ledger = weakref.ref(queues.ledger_of(queue))
    asyncio.run(little(watch(asyncio.Queue(2), "q", hub=hub)))
    unwatch(queue)
    hub.snapshot()
    assert ledger() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_queue_in_a_cycle_is_collected(hub, kind):
    """The ledger keeps no cycle alive, and its totals stay."""
    queue = watch(kind(), "q", hub=hub)
    queue.put_nowait(1)
    if not isinstance(queue, Frozen):
        queue.itself = queue
    gone = weakref.ref(queue)
    del queue
    gc.collect()
    assert gone() is None
    assert counts(hub) == (1, 0)


# Hubs and threads -------------------------------------------------------------------------------


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
    assert vars(asyncio.Queue)["put"] is originals.ORIGINALS["put"]


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
    assert vars(asyncio.Queue)["put"] is originals.ORIGINALS["put"]


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
