"""The recipes of the docs, each run as it stands there."""

import contextlib
import importlib.util
import os
import re
import shlex
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

ROOT = Path(__file__).parents[2]
README = (ROOT / "docs" / "recipes.md").read_text()
RECIPES = dict(re.findall(r"<!-- recipe: (\w+) -->\n```\w+\n(.*?)```", README, re.DOTALL))


def package(name: str) -> None:
    """A package that the test needs."""
    if importlib.util.find_spec(name) is None:
        missing(f"{name} is not installed: pip install {name}")


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all recipes, as modules."""
    for name, text in RECIPES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    """The environment with our package, and the interpreter's programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "BPEXPORTER_RAISE": "1", **more}


def python(folder: Path, *words: str) -> str:
    """What a run of Python prints that has no error to tell of."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def fetched(url: str, good: Callable[[str], bool]) -> str:
    """The page at `url` as soon as it is `good`, or whatever there is after 30 s."""
    page, until = "", time.monotonic() + 30
    while not good(page) and time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            page = urllib.request.urlopen(url, timeout=10).read().decode()
        time.sleep(0.05)
    return page


@contextlib.contextmanager
def running(command: list[str], folder: Path, **more: str) -> Iterator[None]:
    """A server that runs meanwhile."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(**more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def command(name: str, **replaced: object) -> list[str]:
    """The words of a recipe for the shell, with other values for some options."""
    words = shlex.split(RECIPES[name])
    for option, value in replaced.items():
        places = [index for index, word in enumerate(words) if word == f"--{option}"]
        words[places[-1] + 1] = str(value)
    return words


def members(name: str) -> str:
    """The line that says that one queue is watched under `name`."""
    return f'backpressure_queue_members{{queue="{name}"}} 1.0'


def served(folder: Path, module: str, name: str) -> None:
    """`module`'s application, served by uvicorn, shows the queue `name` among its own routes."""
    package("uvicorn")
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", f"{module}:app", "--port", str(port)]
    with running(words, folder):
        page = fetched(f"http://127.0.0.1:{port}/metrics/", lambda page: members(name) in page)
    assert members(name) in page
    assert "python_info" in page


def test_fastapi(folder):
    """FastAPI shows what is watched beside what `prometheus_client` has."""
    package("fastapi")
    served(folder, "fastapi_app", "fastapi_app:jobs")


def test_starlette(folder):
    """So does Starlette."""
    package("starlette")
    served(folder, "starlette_app", "starlette_app:jobs")


def test_aiohttp(folder):
    """An aiohttp application shows what is watched among its own routes."""
    port = free_port()
    code = f"from aiohttp import web; from aiohttp_app import app; web.run_app(app, host='127.0.0.1', port={port})"
    with running([sys.executable, "-c", code], folder):
        page = fetched(f"http://127.0.0.1:{port}/metrics", lambda page: members("jobs") in page)
    assert members("jobs") in page


def test_uvicorn(folder):
    """uvicorn under `bpexporter run` serves the application on one port and its metrics on another."""
    package("uvicorn")
    package("fastapi")
    metrics, port = free_port(), free_port()
    words = command("run_uvicorn", port=port)
    words[words.index("--port") + 1] = str(metrics)
    words[:1] = [sys.executable, "-m", "bpexporter"]
    with running(words, folder):
        own = fetched(f"http://127.0.0.1:{port}/docs", lambda page: "FastAPI" in page)
        page = fetched(f"http://127.0.0.1:{metrics}/metrics", lambda page: members("fastapi_app:jobs") in page)
    assert "FastAPI" in own
    assert members("fastapi_app:jobs") in page


def test_gunicorn(folder):
    """gunicorn's one worker serves its own metrics, and the application shows them too."""
    package("gunicorn")
    metrics, port = free_port(), free_port()
    config = folder / "gunicorn_conf.py"
    config.write_text(config.read_text().replace("bpexporter.start()", f"bpexporter.start(port={metrics})"))
    words = [*command("run_gunicorn"), "--bind", f"127.0.0.1:{port}"]
    with running([sys.executable, "-m", *words], folder):
        page = fetched(f"http://127.0.0.1:{metrics}/metrics", lambda page: members("jobs") in page)
        own = fetched(f"http://127.0.0.1:{port}/metrics", lambda page: members("jobs") in page)
    assert members("jobs") in page
    assert members("jobs") in own


def test_uvloop(folder):
    """With uvloop the queue and the loop are watched as they are without."""
    package("uvloop")
    assert python(folder, "with_uvloop.py") == "['with_uvloop.main:jobs'] ['main']\n"


def test_pytest(folder):
    """Under pytest each test has a hub of its own, and the standard library is as before at its end."""
    after = (
        "\n\ndef test_after():\n"
        "    assert 'bpexporter' not in asyncio.Queue.__init__.__code__.co_filename\n"
        "    assert 'bpexporter' not in asyncio.Queue.put.__code__.co_filename\n"
        "    assert bpexporter.snapshot().queues == {}\n"
        "test_again = test_nothing_is_refused\n"
    )
    with (folder / "test_backpressure.py").open("a") as file:
        file.write(after)
    said = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "test_backpressure.py")
    assert "3 passed" in said


def test_a_plain_script(folder):
    """A callback comes while a producer of a plain script is held up."""
    assert python(folder, "on_stall.py") == "stalled 1 0\n"


def test_jupyter(folder):
    """In a notebook, whose loop runs already, what a cell makes is watched under the name that the cell gives it."""
    package("ipykernel")
    package("jupyter_client")
    more = (
        "\nimport urllib.request\nawait jobs.put(1)\n"
        "page = urllib.request.urlopen(exporter.url).read().decode()\n"
        "print([line for line in page.splitlines() if 'puts_total{' in line or 'loop_tasks{' in line])\n"
    )
    (folder / "cell.txt").write_text(RECIPES["jupyter"] + more)
    (folder / "kernel.py").write_text(
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='python3')\n"
        "def show(message):\n"
        "    content = message['content']\n"
        "    print(content.get('text', ''), *content.get('traceback', ()), end='')\n"
        "reply = client.execute_interactive(open('cell.txt').read(), output_hook=show, timeout=60)\n"
        "client.stop_channels()\n"
        "manager.shutdown_kernel(now=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "kernel.py"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert 'backpressure_queue_puts_total{queue="__main__:jobs"} 1.0' in done.stdout, done.stderr
    assert 'backpressure_loop_tasks{loop="main"}' in done.stdout


async def test_shedding(monkeypatch, aiohttp_client):
    """Requests over 80 % of the queue are refused, and accepted again when there is room."""
    module: dict = {}
    exec(RECIPES["shedding"], module)
    client = await aiohttp_client(module["app"])
    answers = [(await client.post("/jobs", data="job")).status for _ in range(9)]
    assert answers == [202] * 8 + [503]
    module["jobs"].get_nowait()
    assert (await client.post("/jobs", data="job")).status == 202
    __import__("bpexporter").unwatch(module["jobs"])
