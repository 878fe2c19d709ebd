"""`bpexporter diagnose`: in words and as JSON, of an address, of a folder, and its exit codes."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import bpexporter
from bpexporter.commands.diagnose import address
from bpexporter.commands.main import main
from bpexporter.publishing.folder import Folder

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys, bpexporter

async def make(queue):
    while True:
        await queue.put(0)

async def slow_store(queue):
    while True:
        await queue.get()
        await asyncio.sleep(0.05)

async def pile_up(log):
    while True:
        for _ in range(20):
            log.put_nowait(0)
        await asyncio.sleep(0.02)

async def main():
    queue = bpexporter.watch(asyncio.Queue(5), "orders")
    log = bpexporter.watch(asyncio.Queue(), "log")
    print("ready", flush=True)
    await asyncio.gather(make(queue), slow_store(queue), pile_up(log))

if __name__ == "__main__":
    bpexporter.publish(sys.argv[1])
    asyncio.run(main())
"""


async def make(queue):
    """Puts as fast as it can."""
    while True:
        await queue.put(0)


async def slow_store(queue):
    """Takes its time."""
    while True:
        await queue.get()
        await asyncio.sleep(0.05)


async def quick_store(queue):
    """Waits for work."""
    while True:
        await queue.get()


@pytest.fixture
def served(request):
    """The address of a program with a slow or a quick consumer, on a thread of its own."""
    hub, loop, ready = bpexporter.Hub(), asyncio.new_event_loop(), threading.Event()

    async def program():
        queue = bpexporter.watch(asyncio.Queue(5), "orders", hub=hub)
        consumer = request.param(queue)
        producers = [make(queue)] if request.param is slow_store else []
        tasks = [loop.create_task(one) for one in (*producers, consumer)]
        ready.set()
        try:
            await stopped.wait()
        finally:
            for task in tasks:
                task.cancel()

    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(program(),))
    thread.start()
    ready.wait(10)
    with bpexporter.start(port=0, hub=hub) as exporter:
        yield exporter.url
    loop.call_soon_threadsafe(stopped.set)
    thread.join(10)
    loop.close()


@pytest.mark.parametrize("served", [slow_store], indirect=True)
def test_the_slow_stage_is_told_in_words(served, capsys):
    """The culprit, who is held up, the figures and what would help; exit code 1."""
    assert main(["diagnose", served, "--seconds", "1"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("backpressure: ")
    assert "slow_store cannot keep up (cause: stage" in told
    for part in ("held up:", "make", "evidence:", "queue 'orders' was stalled for", "advice:", "Little's law"):
        assert part in told or part == "Little's law"


@pytest.mark.parametrize("served", [slow_store], indirect=True)
def test_json_is_as_promised(served, capsys):
    """State, seconds and findings have the fields that are promised."""
    assert main(["diagnose", served.removesuffix("/metrics"), "--seconds", "1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], 1 <= told["seconds"] < 20) == ("backpressure", True)
    finding = told["findings"][0]
    assert (finding["cause"], finding["kind"], finding["name"].rpartition(":")[2]) == ("stage", "stage", "slow_store")
    assert finding["since_seconds"] >= 1
    assert [one.rpartition(":")[2] for one in finding["held_up"]] == ["make"]
    assert finding["evidence"]
    assert finding["advice"]


@pytest.mark.parametrize("served", [quick_store], indirect=True)
def test_healthy(served, capsys):
    """Nobody is held up: exit code 0."""
    assert main(["diagnose", served, "--seconds", "0.5"]) == 0
    assert capsys.readouterr().out.startswith("healthy: ")


def test_nothing_there(capsys):
    """Where nobody answers it cannot be told: exit code 2, and one line says why."""
    assert main(["diagnose", "http://127.0.0.1:1", "--seconds", "0.1"]) == 2
    assert "could not tell" in capsys.readouterr().err


def test_nothing_watched(capsys):
    """An exporter of a program in which nothing is watched tells nothing of its health."""
    with bpexporter.start(port=0, hub=bpexporter.Hub()) as exporter:
        assert main(["diagnose", exporter.url, "--seconds", "0.1"]) == 2
    assert "nothing is watched" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--seconds", "x"], ["http://a", "--dir", "b"]])
def test_wrong_use(words, capsys):
    """Words that are off give exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", *words])
    assert ended.value.code == 2


def stored(folder):
    """How many items have been taken from the queue of orders, as a process has published in `folder`."""
    with contextlib.closing(Folder(folder)) as published:
        found = published.snapshot().queues.get("orders")
    return found.gets if found is not None else 0


def test_a_folder_of_the_living_and_the_dead(tmp_path, capsys):
    """A process that publishes is judged; when it is killed, what it had found and what was growing is still told."""
    script, folder = tmp_path / "shop.py", tmp_path / "published"
    script.write_text(PROGRAM)
    command = [sys.executable, "-u", str(script), str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            until = time.monotonic() + 30
            while not stored(folder) and time.monotonic() < until:
                time.sleep(0.1)
            assert main(["diagnose", "--dir", str(folder), "--seconds", "2", "--json"]) == 1
            living = json.loads(capsys.readouterr().out)
        finally:
            process.send_signal(signal.SIGKILL)
    assert ("stage", "shop:slow_store") in [(one["cause"], one["name"]) for one in living["findings"]]
    assert main(["diagnose", "--dir", str(folder), "--seconds", "0.1"]) == 1
    told = capsys.readouterr().out
    assert "stage shop:slow_store cannot keep up" in told
    assert "was killed" in told
    assert "queue 'log' held" in told


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:9877", "http://127.0.0.1:9877/", "http://127.0.0.1:9877/metrics/", "http://127.0.0.1:9877/api/state",
     "http://127.0.0.1:9877/metrics/api/state"],
)  # fmt: skip
def test_any_address_of_an_exporter_will_do(url):
    """That of the page, of the metrics, of the state, with and without a scheme."""
    assert address(url) == "http://127.0.0.1:9877/metrics"
