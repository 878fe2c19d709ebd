"""Publishing processes: what a sidecar finds of them, however they begin, fork and end."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from processes import Process, files, puts, states

import bpexporter
from bpexporter.faults import faults
from bpexporter.primitives.threads import OWN_THREADS
from bpexporter.publishing import publisher as publisher_module
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.publisher import LONGEST, USUAL, checked_folder, paced, stop_publishing

ROOT = Path(__file__).parents[2]
HEAD = """
import asyncio, os, sys, signal, time, bpexporter
jobs = bpexporter.watch(asyncio.Queue(), "jobs")
def work(number):
    for _ in range(number):
        jobs.put_nowait(1)
def published(number):
    "Wait until so many items were published by this process."
    from bpexporter.publishing.publisher import published_by
    mine = published_by()
    for _ in range(3000):
        row = mine._published.get(("queue", "jobs"))
        if row and row[1][row[0].places.index(("puts",))] >= number:
            return
        time.sleep(0.01)
    raise SystemExit("not published")
"""


def script(folder: Path, text: str, **options: str) -> subprocess.CompletedProcess:
    """A program that publishes in `folder` runs to its end."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_DIR": str(folder), "BPEXPORTER_RAISE": "1", **options}
    (folder.parent / "program.py").write_text(HEAD + textwrap.dedent(text))
    command = [sys.executable, "program.py"]
    return subprocess.run(
        command, cwd=folder.parent, env=env, capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip


ENDS = {
    "the end of the program": ("work(3)", 0, 3, (0, 1, 0)),
    "an exception": ("work(3)\n1 / 0", 1, 3, (0, 1, 0)),
    "sys.exit": ("work(3)\nsys.exit(7)", 7, 3, (0, 1, 0)),
    "Ctrl-C": ("work(3)\nsignal.raise_signal(signal.SIGINT)", -2, 3, (0, 1, 0)),
    "SIGTERM with a handler": (
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        work(3)
        os.kill(os.getpid(), 15)
        time.sleep(9)
        """, 0, 3, (0, 1, 0),
    ),
    "SIGTERM without a handler": ("work(3)\npublished(3)\nwork(1)\nos.kill(os.getpid(), 15)", -15, 3, (0, 0, 1)),
    "SIGKILL": ("work(3)\npublished(3)\nwork(1)\nos.kill(os.getpid(), 9)", -9, 3, (0, 0, 1)),
    "os._exit": ("work(3)\npublished(3)\nos._exit(5)", 5, 3, (0, 0, 1)),
    "an end in a loop": (
        """
        async def main():
            work(3)
            raise SystemExit(4)
        asyncio.run(main())
        """, 4, 3, (0, 1, 0),
    ),
    "other ends before ours": ("import atexit\natexit.register(work, 2)\nwork(1)", 0, 3, (0, 1, 0)),
    "a fork": ("work(3)\nif not os.fork():\n    work(4)\n    sys.exit()\nos.wait()", 0, 7, (0, 2, 0)),
    "a fork that is killed": (
        """
        work(3)
        if not os.fork():
            work(4)
            published(4)
            os.kill(os.getpid(), 9)
        os.wait()
        """, 0, 7, (0, 1, 1),
    ),
    "forks of forks": (
        """
        work(1)
        for _ in range(3):
            if not os.fork():
                work(1)
                continue
            os.wait()
        """, 0, 8, (0, 8, 0),
    ),
    "a daemon": (
        """
        work(3)
        published(3)
        r, w = os.pipe()
        if os.fork():
            os.close(w)
            os.read(r, 1)
            os._exit(0)
        os.setsid()
        os.closerange(3, 100)
        work(4)
        published(4)
        sys.exit()
        """, 0, 7, (0, 1, 1),
    ),
    "all descriptors closed": ("work(3)\npublished(3)\nos.closerange(3, 100)\nwork(2)\npublished(5)", 0, 5, None),
    "another program in its place": (
        "work(3)\npublished(3)\nos.execv(sys.executable, [sys.executable, '-c', 'pass'])", 0, 3, (0, 0, 1),
    ),
    "children of multiprocessing by fork": (
        """
        import multiprocessing
        context = multiprocessing.get_context("fork")
        work(1)
        children = [context.Process(target=work, args=(2,)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        """, 0, 5, (0, 3, 0),
    ),
    "a child that is ended by multiprocessing": (
        """
        import multiprocessing
        def child():
            work(2)
            published(2)
            os.write(w, b".")
            time.sleep(9)
        r, w = os.pipe()
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        os.read(r, 1)
        process.terminate()
        process.join()
        """, 0, 2, (0, 1, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "counted", "ended"), ENDS.values(), ids=list(ENDS))
def test_every_end_is_counted(text, code, counted, ended, tmp_path):
    """Whatever was published counts once; who says so at the end has ended, who does not was killed."""
    folder = tmp_path / "dir"
    done = script(folder, text)
    if code in (0, 4, 5, 7):
        assert done.stderr == ""
    assert done.returncode == code, done.stderr
    whole = Folder(folder)
    snapshot = whole.snapshot()
    for _ in range(300):  # a daemon outlives its parent
        if states(snapshot)[0] == 0:
            break
        time.sleep(0.1)
        snapshot = whole.snapshot()
    assert (puts(snapshot), files(folder)) == (counted, [])
    assert ended in (None, states(snapshot))


def test_a_fork_in_c(tmp_path):
    """A child of which Python is told nothing writes nothing, and does not harm what its parent writes."""
    text = """
        import ctypes
        work(3)
        published(3)
        pid = ctypes.CDLL(None).fork()
        if not pid:
            work(50)
            from bpexporter.publishing.publisher import published_by
            published_by().publish()
            published_by().end()
            os._exit(0)
        os.waitpid(pid, 0)
        work(1)
    """
    done = script(tmp_path / "dir", text)
    assert (done.returncode, done.stderr) == (0, "")
    snapshot = Folder(tmp_path / "dir").snapshot()
    assert (puts(snapshot), states(snapshot)) == (4, (0, 1, 0))


def test_nothing_watched_leaves_nothing(tmp_path):
    """Neither a thread nor a file, where nothing is watched."""
    text = "import threading; print(threading.active_count())"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_DIR": str(tmp_path / "dir")}
    command = [sys.executable, "-c", f"import bpexporter; {text}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, files(tmp_path / "dir")) == ("1\n", [])


def test_publishing_loads_the_standard_library_alone(tmp_path):
    """Neither aiohttp nor prometheus_client is loaded into a program that publishes."""
    done = script(
        tmp_path / "dir", "work(1)\npublished(1)\nprint({'aiohttp', 'prometheus_client'} & sys.modules.keys())"
    )
    assert done.stdout == "set()\n"


def test_a_folder_that_cannot_be_is_told_and_no_more(tmp_path):
    """The environment may name what is no folder: the program runs as ever, and one line says why nothing is shown."""
    (tmp_path / "dir").touch()
    done = script(tmp_path / "dir", "work(1)\nprint('well')")
    assert (done.returncode, done.stdout) == (0, "well\n")
    assert done.stderr.count("bpexporter cannot publish in BPEXPORTER_DIR") == 1


def test_once_a_second_and_less_often_where_it_costs_more():
    """A publication takes half a percent of a core at most, and none is more than 5 s apart."""
    assert [paced(cost) for cost in (0.0, 0.002, 0.005, 0.01, 1.0)] == [USUAL, USUAL, 1.0, 2.0, LONGEST]


@pytest.mark.parametrize(
    ("given", "error"),
    [(None, TypeError), (3, TypeError), (b"/tmp", TypeError), ("", ValueError), ("a\0b", ValueError)],
)
def test_what_is_no_folder_is_refused_at_the_call(given, error):
    """Bad input is told to whoever gave it."""
    with pytest.raises(error, match="dir must be"):
        bpexporter.publish(given)


def test_a_process_is_called_by_its_program(tmp_path, monkeypatch):
    """By what runs at the time of the publication: `bpexporter run` publishes before the program is loaded."""
    folder, process = Folder(tmp_path), Process(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/bin/bpexporter", "run", "service.py"])
    process.work(1)
    monkeypatch.setattr(sys, "argv", ["/srv/service.py"])
    process.work(1)
    assert [one.program for one in folder.processes()] == ["service.py"]
    folder.close(), process.kill()


def test_publishing_twice_is_publishing_once(tmp_path, monkeypatch):
    """The same folder changes nothing; another one goes on there, with all that was counted."""
    hub = bpexporter.Hub()
    monkeypatch.setattr(publisher_module, "_current", None)
    process = Process(tmp_path / "unused", name="jobs")
    first = bpexporter.publish(tmp_path / "a", hub=hub)
    assert bpexporter.publish(tmp_path / "a", hub=hub) is first
    second = bpexporter.publish(str(tmp_path / "b"), hub=process.hub)
    process.queue.put_nowait(1)
    second.publish()
    assert puts(Folder(tmp_path / "b").snapshot()) == 1
    stop_publishing()
    assert states(Folder(tmp_path / "b").snapshot()) == (0, 1, 0)
    process.kill()


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    """A program may change its working folder."""
    monkeypatch.chdir(tmp_path)
    assert checked_folder("here") == tmp_path / "here"


def test_errors_are_counted_and_told_once(tmp_path, caplog):
    """A disk that is full, or a folder that is gone, costs no program more than a line in its log."""
    faults.reset()
    process = Process(tmp_path / "dir").work(1)
    process.path.unlink()
    process.path.parent.rmdir()
    (tmp_path / "dir" / "p").touch()
    for _ in range(3):
        process.work(1)
    told = [record.getMessage() for record in caplog.records if "cannot publish" in record.getMessage()]
    assert len(told) == 1
    (tmp_path / "dir" / "p").unlink()
    process.work(1)
    assert puts(Folder(tmp_path / "dir").snapshot()) == 4
    process.kill()


def test_a_publisher_that_stops_leaves_no_thread_of_our_own(tmp_path):
    """What runs in the next thread, which may get its ident, is the application's."""
    publisher = bpexporter.publish(tmp_path)
    publisher.begin()
    thread = publisher._thread
    stop_publishing()
    thread.join(20)
    assert thread.ident not in OWN_THREADS
