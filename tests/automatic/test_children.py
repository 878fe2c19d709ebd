"""Python processes that a program starts: watched by themselves, and left alone where nobody asks."""

import os
import subprocess
import textwrap
import venv
from pathlib import Path

import pytest
from needs import missing
from processes import files, puts, states

from bpexporter.publishing.folder import Folder

ROOT = Path(__file__).parents[2]
SHIPPED = {path.name: path.read_text() for path in (ROOT / "startup").iterdir() if path.is_file()}
PUT = "import asyncio; q = asyncio.Queue(); q.put_nowait(1)"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """A Python in whose environment bpexporter is installed as a wheel installs it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    for name, text in SHIPPED.items():
        (site / name).write_text(text)
    (site / "path.pth").write_text(f"{ROOT}\n")
    return str(folder / "bin" / "python")


def run(python: str, *words: str, folder: Path | None = None, **more: str) -> subprocess.CompletedProcess:
    """A run of this Python, with a folder to publish in or without."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BPEXPORTER"))}
    env |= {"BPEXPORTER_DIR": str(folder)} if folder else {}
    return subprocess.run(
        [python, *words], env=env | more, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


FLAGS = [(), ("-E",), ("-I",), ("-B", "-W", "error")]


@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: " ".join(flags) or "plain")
def test_a_child_is_watched(python, flags, tmp_path):
    """A Python that finds the folder in its environment is watched, whatever flags it is started with."""
    done = run(python, *flags, "-c", PUT, folder=tmp_path / "dir")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert puts(Folder(tmp_path / "dir").snapshot(), "__main__:q") == 1


def test_without_a_folder_nothing_of_ours_is_loaded(python):
    """Where nobody asks, a Python of the same environment has not even looked for us."""
    tell = (
        "import sys; print([name for name in sys.modules if 'bpexporter' in name and name != '_bpexporter_children'])"
    )
    assert run(python, "-c", tell).stdout == "[]\n"


def test_without_asyncio_a_child_has_nothing(python, tmp_path):
    """No thread, no file, and of ours one small module."""
    tell = (
        "import sys, threading; print([name for name in sys.modules if 'bpexporter' in name], threading.active_count())"
    )
    done = run(python, "-c", tell, folder=tmp_path / "dir")
    assert done.stdout == "['_bpexporter_children'] 1\n"
    assert not (tmp_path / "dir").exists()


def test_with_asyncio_and_nothing_watched_there_is_no_file(python, tmp_path):
    """A process that has nothing to show is none."""
    run(python, "-c", "import asyncio", folder=tmp_path / "dir")
    assert files(tmp_path / "dir") == []


def test_asyncio_is_as_it_is_without(python, tmp_path):
    """Once asyncio is loaded nothing waits for it any more, and its loader is as it was."""
    tell = (
        "import sys, asyncio; print([one for one in sys.meta_path if type(one).__name__ == 'Waiting'], "
        "vars(asyncio.__spec__.loader).keys(), asyncio.__spec__.origin)"
    )
    alone, watched = run(python, "-c", tell), run(python, "-c", tell, folder=tmp_path / "dir")
    assert alone.stdout == watched.stdout
    assert watched.stderr == ""


def test_a_sitecustomize_of_the_hosts_is_left_alone(python, tmp_path):
    """Its own is loaded as ever; also one that loads asyncio itself."""
    (tmp_path / "sitecustomize.py").write_text("import asyncio\nprint('mine')")
    done = run(python, "-c", PUT, folder=tmp_path / "dir", PYTHONPATH=str(tmp_path))
    assert done.stdout == "mine\n"
    assert puts(Folder(tmp_path / "dir").snapshot(), "__main__:q") == 1


def test_a_program_that_loads_ours_first(python, tmp_path):
    """A program that uses bpexporter itself is watched once."""
    done = run(python, "-c", f"import bpexporter; {PUT}; bpexporter.watch(q, 'mine')", folder=tmp_path / "dir")
    assert done.stderr == ""
    assert {name: one.puts for name, one in Folder(tmp_path / "dir").snapshot().queues.items()} == {"mine": 1}


def test_a_subinterpreter_is_left_alone(python, tmp_path):
    """What runs in one has no end of its own, and is not watched."""
    code = """
        import sys
        try:
            import _interpreters as interpreters
            run = interpreters.exec
        except ImportError:
            import _xxsubinterpreters as interpreters
            run = interpreters.run_string
        run(interpreters.create(), "import sys; print([type(one).__name__ for one in sys.meta_path].count('Waiting'))")
    """
    done = run(python, "-c", textwrap.dedent(code), folder=tmp_path / "dir")
    if "ModuleNotFoundError" in done.stderr:
        missing("this Python has no subinterpreters")
    assert done.stdout == "0\n"


def test_what_is_not_reached(python, tmp_path):
    """-S and an emptied environment leave us out, as the docs say."""
    run(python, "-S", "-c", PUT, folder=tmp_path / "dir")
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PUT!r}], env={{}})"
    run(python, "-c", code, folder=tmp_path / "dir")
    assert not (tmp_path / "dir").exists()


def test_a_folder_that_cannot_be_costs_a_line_and_no_more(python, tmp_path):
    """A child whose folder is gone or another user's runs as ever."""
    (tmp_path / "dir").touch()
    done = run(python, "-c", f"{PUT}; print('well')", folder=tmp_path / "dir")
    assert (done.returncode, done.stdout) == (0, "well\n")
    assert len(done.stderr.splitlines()) == 1


def test_only_what_is_allowed_is_watched_in_children(python, tmp_path):
    """Patterns of `run` hold for children too, through the environment."""
    run(python, "-c", f"{PUT}; p = asyncio.Queue()", folder=tmp_path / "dir", BPEXPORTER_DENY="__main__:q")
    assert list(Folder(tmp_path / "dir").snapshot().queues) == ["__main__:p"]


PROGRAM = """
import asyncio, multiprocessing, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
def child(number=1):
    queue = asyncio.Queue()
    queue.put_nowait(number)
    return number
def main(way):
    if way in ("fork", "spawn", "forkserver"):
        processes = [multiprocessing.get_context(way).Process(target=child) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    elif way == "pool":
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(child, range(2)))
    else:
        for _ in range(2):
            subprocess.run([sys.executable, __file__, "child"], check=True)
if __name__ == "__main__":
    child() if sys.argv[1] == "child" else main(sys.argv[1])
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver", "pool", "command"])
def test_every_way_to_start_a_process(python, way, tmp_path):
    """What multiprocessing, a pool of processes, or a command starts counts, and says when it ends."""
    (tmp_path / "p.py").write_text(PROGRAM)
    done = run(python, str(tmp_path / "p.py"), way, folder=tmp_path / "dir")
    assert done.stderr == ""
    snapshot = Folder(tmp_path / "dir").snapshot()
    assert sum(one.puts for one in snapshot.queues.values()) == 2
    assert states(snapshot)[::2] == (0, 0)
