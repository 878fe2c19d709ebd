"""The screen of `top`: driven by its keys without a terminal, and in a real one at three sizes."""

import asyncio
import shlex
import subprocess
import sys
import time

import pytest
from needs import needs
from textual.widgets import DataTable, Input, Static

from bpexporter.commands.top.screen import Top
from bpexporter.commands.top.source import NoState

NAMES = ("alpha", "beta", "gamma")


class Source:
    """A state that a test sets."""

    name = "http://127.0.0.1:1/api/state"

    def __init__(self, *names):
        self.names = names
        self.failure = ""

    def state(self):
        if self.failure:
            raise NoState(self.failure)
        resources = [
            {
                "kind": "queue", "name": name, "utilization_ratio": 0.1 * place, "pressure": 0.1 * place,
                "blocked": place,
                "longest_block_seconds": 0.0, "out_per_second": 10.0 - place,
                "history": {"utilization_ratio": [0.0, 1.0], "pressure": [0.5]},
            }
            for place, name in enumerate(self.names)
        ]  # fmt: skip
        return {"verdict": {"state": "healthy", "findings": []}, "resources": resources, "stages": []}


def first_cells(app):
    """The names in the order of the table."""
    table = app.query_one(DataTable)
    return [str(table.get_row_at(row)[0]).strip() for row in range(table.row_count)]


async def test_the_worst_stands_first_and_keys_sort():
    """`s` sorts by the next column, `r` turns the order round."""
    app = Top(Source(*NAMES))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.2)
        assert first_cells(app) == ["gamma", "beta", "alpha"]
        await pilot.press("s")
        assert first_cells(app) == ["alpha", "beta", "gamma"]
        await pilot.press("r")
        assert first_cells(app) == ["gamma", "beta", "alpha"]


async def test_a_filter_is_written_and_taken_away():
    """`/` asks for a filter, Enter keeps it, Escape drops it."""
    app = Top(Source(*NAMES))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.2)
        await pilot.press("slash", "b", "e", "t", "enter")
        assert first_cells(app) == ["beta"]
        assert not app.query_one("#filter", Input).has_class("shown")
        await pilot.press("slash", "escape")
        assert len(first_cells(app)) == 3


async def test_a_lost_source_is_said_and_what_was_seen_stays():
    """When nobody answers the table stays, and a line says why."""
    source = Source(*NAMES)
    app = Top(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.2)
        source.failure = "gone"
        app.ask()
        await pilot.pause(0.2)
        assert "gone" in str(app.query_one("#status", Static).content)
        assert len(first_cells(app)) == 3


PROGRAM = """
import asyncio, bpexporter
async def main():
    queue = bpexporter.watch(asyncio.Queue(1), "a_queue_that_is_full")
    exporter = bpexporter.start(port=0)
    print(exporter.url, flush=True)
    queue.put_nowait(1)
    await asyncio.wait_for(queue.put(2), 60)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url():
    """The address of a program that is held up."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.kill()


def tmux(socket, *words):
    """What tmux prints."""
    command = [needs("tmux"), "-L", socket, "-f", "/dev/null", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


@pytest.mark.parametrize(
    ("width", "height", "setting"), [(80, 24, "NO_COLOR=1"), (132, 40, "LANG=C.UTF-8"), (60, 15, "NO_COLOR=1")]
)
async def test_in_a_terminal(url, tmp_path, width, height, setting):
    """At each size, with colours and without, the name and how full it is can be read."""
    socket = f"bpexporter-{width}-{tmp_path.name}"
    command = shlex.join([sys.executable, "-m", "bpexporter", "top", url])
    # whoever tests screens in this process has said how large one is
    words = f"env -u COLUMNS -u LINES {setting} {command}"
    tmux(socket, "new-session", "-d", "-x", str(width), "-y", str(height), words)
    try:
        seen, until = "", time.monotonic() + 20
        while "100%" not in seen and time.monotonic() < until:
            await asyncio.sleep(0.2)
            seen = tmux(socket, "capture-pane", "-p")
        assert "a_queue" in seen
        assert "100%" in seen
        assert max(map(len, seen.splitlines())) <= width
    finally:
        tmux(socket, "kill-server")


def test_once_prints_text(url):
    """`--once` prints the state without a screen."""
    command = [sys.executable, "-m", "bpexporter", "top", url, "--once"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a_queue" in done.stdout


def test_without_the_extra_it_says_how_to_get_it(url):
    """Without textual one line says what is missing, and `--once` still works."""
    block = "import sys; sys.modules['textual'] = None; from bpexporter.commands.main import main; sys.exit(main())"
    run = [sys.executable, "-c", block, "top", url]
    screen = subprocess.run(run, capture_output=True, text=True, timeout=30, check=False)
    assert (screen.returncode, screen.stderr.count("\n")) == (1, 1)
    assert "pip install 'bpexporter[top]'" in screen.stderr
    once = subprocess.run([*run, "--once"], capture_output=True, text=True, timeout=30, check=False)
    assert once.returncode == 0
