"""The recipes of docs/processes.md, each run as it stands there: all workers under one address, and none lost."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from needs import missing

from bpexporter.automatic.children import reaches_children

ROOT = Path(__file__).parents[2]
RECIPES = dict(
    re.findall(r"<!-- recipe: (\w+) -->\n```\w+\n(.*?)```", (ROOT / "docs" / "processes.md").read_text(), re.DOTALL)
)
BIN = Path(sys.executable).parent
TASKS = """
import asyncio
from taskiq import AsyncBroker
jobs: asyncio.Queue[bytes] = asyncio.Queue(maxsize=100)
class Quiet(AsyncBroker):
    async def kick(self, message):
        pass
    async def listen(self):
        await jobs.put(b"job")
        await asyncio.sleep(3600)
        yield b""
broker = Quiet()
"""
WORKER = """
import asyncio
async def main():
    jobs = asyncio.Queue()
    while True:
        await jobs.put(1)
        await asyncio.sleep(0.05)
asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the modules of the recipes."""
    for name in ("app", "sanic_app", "pool"):
        (tmp_path / f"{name}.py").write_text(RECIPES[name])
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "worker.py").write_text(WORKER)
    if not reaches_children():
        missing("this installation of bpexporter is older than its file for children: pip install -e .")
    return tmp_path


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """The environment, with the interpreter's programs first on the path."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "BPEXPORTER_RAISE": "1"}


def fetched(url: str, good: Callable[[str], bool], *, seconds: float = 40) -> str:
    """The page at `url` as soon as it is good, else what there is in the end."""
    page, until = "", time.monotonic() + seconds
    while not good(page) and time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            page = urllib.request.urlopen(url, timeout=5).read().decode()
        time.sleep(0.1)
    return page


def value(page: str, name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    wanted = [f'{label}="{text}"' for label, text in labels.items()]
    lines = [line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.split()[-1]) for line in lines if all(one in line for one in wanted))


@contextlib.contextmanager
def running(words: list[str], folder: Path) -> Iterator[subprocess.Popen]:
    """A command, in a group of its own, that is gone in the end."""
    with (folder / "output").open("w") as output, subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=output, stderr=output, start_new_session=True
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGTERM)  # servers give their semaphores back, if they are let
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def words_of(name: str, metrics: int, port: int) -> list[str]:
    """The words of a recipe, with these ports."""
    text = RECIPES[name].replace("9877", str(metrics)).replace("8000", str(port))
    return [sys.executable, "-m", *shlex.split(text)]


SERVERS = {
    "run_uvicorn_workers": "app:jobs",
    "run_hypercorn_workers": "app:jobs",
    "run_gunicorn_workers": "app:jobs",
    "run_gunicorn_preloaded": "app:jobs",
    "run_sanic": "sanic_app:jobs",
}


@pytest.mark.parametrize(("recipe", "queue"), SERVERS.items())
def test_a_server_with_workers(recipe, queue, folder):
    """All its workers are under one address, and each request is counted once."""
    metrics, port = free_port(), free_port()
    url, service = f"http://127.0.0.1:{metrics}/metrics", f"http://127.0.0.1:{port}/"
    with running(words_of(recipe, metrics, port), folder):
        members = "backpressure_queue_members"
        page = fetched(url, lambda page: value(page, members, queue=queue) >= 2)
        assert value(page, members, queue=queue) >= 2, (folder / "output").read_text()
        for _ in range(20):
            fetched_once(service)
        page = fetched(url, lambda page: value(page, "backpressure_queue_puts_total", queue=queue) >= 20)
    assert value(page, "backpressure_queue_puts_total", queue=queue) == 20
    assert value(page, "bpexporter_processes", state="alive") >= 3


def fetched_once(url: str) -> None:
    """One request, again where the server does not listen yet."""
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=5).read()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return


def test_taskiq(folder):
    """taskiq's workers, two by default, are seen."""
    metrics = free_port()
    with running(words_of("run_taskiq", metrics, 0), folder):
        url = f"http://127.0.0.1:{metrics}/metrics"
        page = fetched(url, lambda page: value(page, "backpressure_queue_puts_total", queue="tasks:jobs") >= 2)
    assert value(page, "backpressure_queue_puts_total", queue="tasks:jobs") == 2, (folder / "output").read_text()


def test_a_pool_of_processes(folder):
    """What the processes of a pool did counts when they are gone."""
    port = free_port()
    words = [sys.executable, "-m", "bpexporter", "run", "--port", str(port), "pool.py"]
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    page = fetched(f"http://127.0.0.1:{port}/metrics", bool, seconds=3)
    assert value(page, "backpressure_queue_puts_total") == 8
    assert re.search(r"seen: 1 queue, 1 limiter, 1 loop, in [3-6] processes", done.stderr)


def test_a_supervisor_that_restarts(folder):
    """Workers that are killed and started again go on where the others have ended; the sidecar too."""
    port = free_port()
    text = RECIPES["supervisord"].replace("9877", str(port)).replace("/tmp/jobs", str(folder / "jobs"))
    (folder / "supervisord.conf").write_text(text)
    url = f"http://127.0.0.1:{port}/metrics"
    counter = "backpressure_queue_puts_total"
    with running([str(BIN / "supervisord"), "-c", "supervisord.conf"], folder):
        fetched(url, lambda page: value(page, "bpexporter_processes", state="alive") == 2)
        before = fetched(url, lambda page: value(page, counter) > 10)
        for pid in pids_of(before, url):
            os.kill(pid, signal.SIGKILL)
        gone = fetched(url, lambda page: value(page, "bpexporter_processes", state="killed") == 2)
        after = fetched(url, lambda page: value(page, counter) > value(gone, counter) + 5)
        assert value(gone, counter) >= value(before, counter) > 0
        assert value(after, "bpexporter_processes", state="killed") == 2
    assert value(after, counter) > value(gone, counter)


def pids_of(_page: str, url: str) -> list[int]:
    """The processes that the sidecar shows."""
    state = urllib.request.urlopen(url.replace("metrics", "api/state"), timeout=5).read().decode()
    return [int(pid) for pid in re.findall(r"\(pid (\d+)\)\",\"state\":\"alive\"", state)]
