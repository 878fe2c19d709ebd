"""`install()` and `uninstall()`: whatever is made from then on is watched."""

import asyncio
import gc
import inspect
import pickle
import sys
import threading
from asyncio import Queue
from collections.abc import Iterator

import pytest

import bpexporter
from bpexporter.automatic import install as auto
from bpexporter.faults import faults
from bpexporter.primitives.callables import fitted
from bpexporter.watching.watch import ledger_of

CONSTRUCTORS = {kind: vars(kind)["__init__"] for kind in (asyncio.Queue, asyncio.Semaphore, asyncio.StreamWriter)}


@pytest.fixture
def hub() -> Iterator[bpexporter.Hub]:
    """A hub of this test alone; at the end everything is as it was."""
    yield bpexporter.Hub()
    bpexporter.uninstall()


def names(hub: bpexporter.Hub) -> list[str]:
    """The names of all queues."""
    return list(hub.snapshot().queues)


def test_names_that_were_imported_before_do(hub):
    """It does not matter who has imported which name when: no name is rebound."""
    bpexporter.install(hub=hub)
    assert Queue is asyncio.Queue is asyncio.queues.Queue
    queues = [Queue(), asyncio.Queue(), asyncio.queues.Queue(), asyncio.LifoQueue()]
    (reading,) = hub.snapshot().queues.values()
    assert reading.members == len(queues)


def test_what_was_made_before_stays_unwatched(hub):
    """An object that was made before `install()` is left alone."""
    before = Queue()
    bpexporter.install(hub=hub)
    before.put_nowait(1)
    assert names(hub) == []


def test_nobody_can_tell(hub):
    """Type, signature, documentation and pickled form of what is watched are as ever, and so are wrong calls."""
    bare = Queue()
    told = [inspect.signature(Queue), inspect.getdoc(Queue.__init__), type(bare), sorted(vars(bare)), bare.__reduce__]
    bpexporter.install(hub=hub)
    queue = Queue()
    assert [inspect.signature(Queue), inspect.getdoc(Queue.__init__), type(queue)] == told[:3]
    assert [name for name in vars(queue) if not name.startswith("_bpexporter")] == list(vars(bare))
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        Queue(size=3)
    with pytest.raises(TypeError, match="__init__"):
        Queue(1, 2, 3)
    assert pickle.dumps(Queue) == pickle.dumps(asyncio.Queue)


def test_a_subclass_that_is_not_ready_yet(hub):
    """The code of a subclass whose constructor still runs is not called."""

    class Weighted(asyncio.Queue):
        def __init__(self) -> None:
            super().__init__(10)
            self.weight = 1

        def qsize(self) -> int:
            return self.weight * super().qsize()

    bpexporter.install(hub=hub)
    queue = Weighted()
    queue.put_nowait(1)
    (reading,) = hub.snapshot().queues.values()
    assert (reading.puts, reading.depth_items) == (1, 1)


def test_a_class_of_a_class_that_answers_nothing(hub):
    """What a metaclass does is not asked for: neither its own objects nor those of others are lost."""

    class Silent(type):
        def __getattribute__(cls, name: str) -> object:
            if name in ("__dict__", "__mro__", "__qualname__"):
                raise LookupError(name)
            return super().__getattribute__(name)

    class Own(Queue, metaclass=Silent):
        def __getattr__(self, name: str) -> object:
            raise AttributeError(name)

    bpexporter.install(hub=hub)
    plain, own = Queue(), Own()
    plain.put_nowait(1)
    own.put_nowait(1)
    place = f"{__name__}.test_a_class_of_a_class_that_answers_nothing"
    assert names(hub) == [f"{place}:plain", f"{place}:own"]


def test_uninstall_by_another_thread_while_an_object_is_made(hub, monkeypatch):
    """No error is counted, and the object is not left behind as one that is watched."""
    bpexporter.install(hub=hub)
    find = auto.PLACES[asyncio.Queue]
    monkeypatch.setitem(auto.PLACES, asyncio.Queue, lambda *given: bpexporter.uninstall() or find(*given))
    bpexporter.uninstall()
    bpexporter.install(hub=hub)
    before = faults.count
    jobs = Queue()
    assert (ledger_of(jobs), faults.count) == (None, before)
    assert "bpexporter" not in inspect.getfile(Queue.put)


def test_uninstall_puts_everything_back(hub):
    """The constructors and methods are the originals again, and what was watched is watched no more."""
    methods = {name: vars(asyncio.Queue)[name] for name in ("put", "get", "put_nowait", "get_nowait")}
    bpexporter.install(hub=hub)
    queue = Queue()
    assert vars(asyncio.Queue)["put_nowait"] is not methods["put_nowait"]
    bpexporter.uninstall()
    assert {kind: vars(kind)["__init__"] for kind in CONSTRUCTORS} == CONSTRUCTORS
    assert {name: vars(asyncio.Queue)[name] for name in methods} == methods
    assert not any(name.startswith("_bpexporter") for name in vars(queue))
    assert Queue() is not None
    assert sum(reading.members for reading in hub.snapshot().queues.values()) == 0


def test_what_was_counted_stays(hub):
    """`unwatch()` and `uninstall()` leave the totals with the names that were found."""
    bpexporter.install(hub=hub)
    first, second = Queue(), Queue()
    first.put_nowait(1)
    second.put_nowait(1)
    bpexporter.unwatch(first)
    bpexporter.uninstall()
    assert [(reading.puts, reading.members) for reading in hub.snapshot().queues.values()] == [(1, 0), (1, 0)]


def test_uninstall_twice_and_without_install(hub):
    """`uninstall()` may be called at any time."""
    bpexporter.uninstall()
    bpexporter.install(hub=hub)
    bpexporter.uninstall()
    bpexporter.uninstall()
    assert {kind: vars(kind)["__init__"] for kind in CONSTRUCTORS} == CONSTRUCTORS


def test_somebody_who_hooks_after_us_stays(hub):
    """Where somebody else has replaced the constructor in the meantime, his stays."""
    bpexporter.install(hub=hub)
    ours = asyncio.Queue.__init__

    def theirs(self: asyncio.Queue, *args: object) -> None:
        ours(self, *args)

    asyncio.Queue.__init__ = theirs
    bpexporter.uninstall()
    assert vars(asyncio.Queue)["__init__"] is theirs
    assert Queue().empty()
    asyncio.Queue.__init__ = CONSTRUCTORS[asyncio.Queue]
    assert names(hub) == []


def test_the_last_settings_hold(hub):
    """`install()` again changes the settings, and hooks nothing twice."""
    other = bpexporter.Hub()
    bpexporter.install(hub=hub)
    bpexporter.install(hub=other)
    jobs = Queue()
    assert (names(hub), len(names(other))) == ([], 1)
    assert jobs.empty()


def test_a_name_that_is_asked_for_takes_the_place(hub):
    """`watch()` gives an object that was found by itself its name, with all that it has counted."""
    bpexporter.install(hub=hub)
    jobs = Queue()
    jobs.put_nowait(1)
    bpexporter.watch(jobs, "jobs", hub=hub)
    assert {name: reading.puts for name, reading in hub.snapshot().queues.items()} == {"jobs": 1}


def test_a_name_that_others_share_keeps_its_totals(hub):
    """Where several objects were found at one place, one that is given a name leaves there what it has counted."""
    bpexporter.install(hub=hub)
    made = [Queue() for _ in range(2)]
    for one in made:
        one.put_nowait(1)
    (found,) = names(hub)
    bpexporter.watch(made[0], "jobs", hub=hub)
    made[0].put_nowait(2)
    assert {name: reading.puts for name, reading in hub.snapshot().queues.items()} == {found: 2, "jobs": 1}


def test_a_name_in_another_hub(hub):
    """Watched in another hub by hand, it leaves no trace in the one in which it was found by itself."""
    other = bpexporter.Hub()
    bpexporter.install(hub=hub)
    jobs = bpexporter.watch(Queue(), "jobs", hub=other)
    assert (names(hub), names(other)) == ([], ["jobs"])
    assert jobs.empty()


PLACE = f"{__name__}.test_allow_and_deny:jobs"


@pytest.mark.parametrize(
    ("allow", "deny", "found"),
    [
        ((), (), True),
        ((__name__,), (), True),
        (["*test_*"], (), True),
        (f"other, {__name__}", (), True),
        ("other", (), False),
        ("auto", (), False),
        ((), __name__, False),
        ((), ["*:jobs"], False),
        ((), ["*:other"], True),
        ([__name__], ["*:jobs"], False),
    ],
)
def test_allow_and_deny(hub, allow, deny, found):
    """Patterns for modules or names say what is watched; what is denied is not, also where it is allowed."""
    bpexporter.install(hub=hub, allow=allow, deny=deny)
    jobs = Queue()
    assert names(hub) == ([PLACE] if found else [])
    assert jobs.empty()


def test_a_package_stands_for_its_modules(hub):
    """The name of a package fits what its modules make, and not what begins with the same letters."""
    bpexporter.install(hub=hub, deny="lib")
    for name in ("lib", "lib.pool", "library"):
        exec("import asyncio\njobs = asyncio.Queue()", {"__name__": name})
    assert names(hub) == ["library:jobs"]


def test_the_environment_says_what_is_watched(hub, monkeypatch):
    """`BPEXPORTER_ALLOW` and `BPEXPORTER_DENY` hold where the call says nothing."""
    monkeypatch.setenv("BPEXPORTER_DENY", f"elsewhere,{__name__}")
    bpexporter.install(hub=hub)
    Queue()
    assert names(hub) == []
    bpexporter.install(hub=hub, deny=())
    jobs = Queue()
    assert len(names(hub)) == 1
    assert jobs.empty()


def test_naming_by_a_function(hub):
    """A function is given the object and the name that was found; `None` leaves the object out."""
    bpexporter.install(hub=hub, naming=lambda queue, name: f"{name}/{queue.maxsize}" if queue.maxsize else None)
    jobs, more = Queue(3), Queue()
    assert names(hub) == [f"{__name__}.test_naming_by_a_function:jobs/3"]
    assert jobs.maxsize > more.maxsize


def test_naming_by_a_function_of_the_object_alone(hub):
    """A function that takes one argument is given the object."""
    bpexporter.install(hub=hub, naming=lambda queue: f"of {queue.maxsize}")
    jobs = Queue(3)
    assert names(hub) == [f"of {jobs.maxsize}"]


def test_a_naming_function_that_fails(hub, monkeypatch):
    """Its error is counted and does not reach the application; the name that was found holds."""
    monkeypatch.delenv("BPEXPORTER_RAISE")
    bpexporter.install(hub=hub, naming=lambda queue, name: 1 / 0)
    before = hub.snapshot().kinds["itself"][""].collect_errors
    jobs = Queue()
    assert names(hub) == [f"{__name__}.test_a_naming_function_that_fails:jobs"]
    assert hub.snapshot().kinds["itself"][""].collect_errors == before + 1
    assert jobs.empty()


def test_a_naming_function_that_gives_no_name(hub, monkeypatch):
    """A name that cannot be one is counted as an error, and the object is left alone."""
    monkeypatch.delenv("BPEXPORTER_RAISE")
    bpexporter.install(hub=hub, naming=lambda queue, name: 3)
    assert Queue().empty()
    assert names(hub) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"hub": "hub"},
        {"allow": 3},
        {"deny": [3]},
        {"naming": "jobs"},
        {"naming": lambda one, two, three: ""},
        {"naming": lambda *, name: ""},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong):
    """Arguments of a wrong type are refused at once, and nothing is hooked."""
    with pytest.raises(TypeError):
        bpexporter.install(**wrong)
    assert {kind: vars(kind)["__init__"] for kind in CONSTRUCTORS} == CONSTRUCTORS


def test_functions_are_called_with_what_they_take():
    """A function is called with as many arguments as it takes, of those that there are."""
    assert fitted(lambda one, two: (one, two), 2)(1, 2) == (1, 2)
    assert fitted(lambda one: one, 2)(1, 2) == 1
    assert fitted(lambda: 0, 2)(1, 2) == 0
    assert fitted(lambda *all_of_them: all_of_them, 2)(1, 2) == (1, 2)
    assert fitted([].append, 1)(1) is None


def test_names_are_bounded(hub):
    """The limit on names holds, and what is over it is counted as `__other__`."""
    few = bpexporter.Hub(max_names=2)
    numbers = iter(range(100))
    bpexporter.install(hub=few, naming=lambda queue, name: f"{name}{next(numbers)}")
    queues = [Queue() for _ in range(5)]
    assert len(names(few)) == 3
    assert few.snapshot().queues["__other__"].members == len(queues) - 2


def test_nothing_is_held(hub):
    """Objects that nobody holds are freed, and their places are kept once."""
    bpexporter.install(hub=hub)
    for _ in range(1_000):
        Queue()
    gc.collect()
    (reading,) = hub.snapshot().queues.values()
    assert reading.members == 0


def test_loops_of_what_is_made_are_watched(hub):
    """The loop in which something is made is watched, in each thread."""
    bpexporter.install(hub=hub)

    async def main() -> None:
        jobs = Queue()
        await asyncio.sleep(0)
        jobs.put_nowait(1)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="worker-7")
    thread.start()
    thread.join()
    asyncio.run(main())
    assert sorted(hub.snapshot().loops) == ["main", "worker"]


def test_the_exporter_is_not_watched(hub):
    """What the exporter's own thread makes is no business of the application's."""
    bpexporter.install(hub=hub)
    from bpexporter.primitives.threads import own_thread

    with own_thread():
        jobs = Queue()
    assert names(hub) == []
    assert jobs.empty()


def test_install_loads_no_library():
    """`install()` is there without aiohttp and prometheus_client."""
    import subprocess

    code = (
        "import sys, bpexporter, asyncio\nbpexporter.install()\njobs = asyncio.Queue()\n"
        "print(list(bpexporter.snapshot().queues), {'aiohttp', 'prometheus_client'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['__main__:jobs'] set()\n", done.stderr
