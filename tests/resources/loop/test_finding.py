"""Which loops are watched by themselves, and what they are called."""

import asyncio
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import bpexporter
from bpexporter.resources.loop import naming
from bpexporter.resources.loop.instrument import LoopInstrument


@pytest.fixture
def hub():
    """A hub of this test alone."""
    return bpexporter.Hub()


@pytest.fixture
def installed(hub):
    """Everything is watched."""
    bpexporter.install(hub=hub)
    yield hub
    bpexporter.uninstall()


def test_a_loop_that_owns_nothing_is_left_alone(hub):
    """A loop in which nothing is watched has no timer of ours, where no loop of what is watched is missing."""

    async def owner():
        bpexporter.watch(queue, "q", hub=hub)

    async def main():
        assert not asyncio.get_running_loop()._scheduled
        assert hub.snapshot().loops["main"].members == 0

    queue = asyncio.Queue()
    asyncio.run(owner())
    asyncio.run(main())


def test_the_loop_of_an_object_that_nobody_has_waited_for(hub):
    """What was made outside every loop may belong to any that runs: each is watched, so that a stuck one shows."""
    queue = bpexporter.watch(asyncio.Queue(), "q", hub=hub)

    def read():
        seen = [hub.snapshot().loops["main"].stalled_seconds]
        while seen[-1] < seen[0] + 0.05:
            seen.append(hub.snapshot().loops["main"].stalled_seconds)
        return seen

    async def main():
        queue.put_nowait(1)
        await asyncio.sleep(0)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(read).result(20)  # while this thread, and its loop, stand still

    seen = asyncio.run(main())
    assert seen[0] < seen[-1]


class Bridge(threading.Thread):
    """A thread with a loop of its own."""

    def __init__(self, work):
        super().__init__()
        self.work = work

    def run(self):
        """Run the loop."""
        self.work()


def serve(work):
    """Run the loop."""
    work()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Bridge, f"{__name__}:Bridge"),
        (lambda work: threading.Thread(target=serve, args=(work,)), f"{__name__}:serve"),
        (lambda work: threading.Thread(target=functools.partial(serve, work)), f"{__name__}:serve"),
        (lambda work: threading.Thread(target=Bridge(work).run), f"{__name__}:Bridge.run"),
        (lambda work: threading.Thread(target=serve, args=(work,), name="api-7"), "api"),
    ],
)
def test_loops_are_called_by_what_runs_them(hub, make, name):
    """The name of a thread, where somebody gave it one, else what it runs, with its module."""

    async def main():
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)

    thread = make(lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    assert list(hub.snapshot().loops) == [name]


def test_a_thread_that_runs_a_coroutine(hub):
    """Of `Thread(target=asyncio.run, args=(work(),))` it is the coroutine that is worth knowing."""

    async def work():
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    thread.join()
    assert list(hub.snapshot().loops) == [f"{__name__}:{work.__qualname__}"]


@pytest.mark.parametrize("library", ["asyncio", "uvloop"])
def test_under_install_every_loop_is_watched(installed, library):
    """Each loop that runs has its series, though it owns nothing."""
    module = pytest.importorskip(library)

    async def main():
        assert installed.snapshot().loops["main"].members == 1

    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        runner.run(main())


async def test_under_install_the_present_loop_is_watched(installed):
    """The loop that runs already is watched as well, and stays so when the last other object is unwatched."""
    bpexporter.unwatch(bpexporter.watch(asyncio.Queue(), "q", hub=installed))
    assert installed.snapshot().loops["main"].members == 1


def methods():
    """What the classes of loops have as their methods."""
    classes = asyncio.BaseEventLoop, pytest.importorskip("uvloop").Loop
    return [vars(kind).get(name) for kind in classes for name in ("run_forever", "close")]


def test_methods_of_loops_are_put_back(hub):
    """After the last object is unwatched no class of loops has a method of ours."""
    before = methods()
    queue = bpexporter.watch(asyncio.Queue(), "q", hub=hub)
    during = methods()
    bpexporter.unwatch(queue)
    assert not any(one is other for one, other in zip(before, during, strict=True))
    assert methods() == before


def test_names_of_threads():
    """The main thread is `main`; a thread that is gone has left a loop."""
    assert LoopInstrument().name_of(threading.get_ident()) == "main"
    assert LoopInstrument().name_of(-1) == "loop"


def test_a_program_is_called_by_its_file():
    """What a thread of the program itself runs has the name by which its queues and stages are known too."""
    names = {"__name__": "__main__", "__file__": "/srv/service.py", "__spec__": None}
    exec("def serve(): pass", names)
    thread = threading.Thread(target=names["serve"])
    assert naming._what_runs(thread) == "service:serve"
