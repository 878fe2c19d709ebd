"""Real services under wrk, alone and under `bpexporter run` with a scrape each second.

Both legs are up at once and are asked in turn, so that what the machine does besides falls on both.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .scale import Scale
from .tables import Figures, under

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONNECTIONS = 16
ROUNDS = 7
SHARE = 0.95
TICKS = os.sysconf("SC_CLK_TCK")

UVICORN = ("-m", "uvicorn", "tests.benchmarks.served_asgi:app", "--log-level", "critical", "--port", "PORT")
SERVICES = {
    "aiohttp": (str(HERE / "served.py"), "PORT"),
    "uvicorn and starlette": (*UVICORN, "--loop", "asyncio"),
    "uvicorn and starlette on uvloop": (*UVICORN, "--loop", "uvloop"),
}
WAYS = {"keep-alive": (), "a connection a request": ("-H", "Connection: close")}
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Load(NamedTuple):
    """What came of one stretch of load on one leg."""

    rate: float
    """Requests a second."""
    p99: float
    """The 99th percentile of their milliseconds."""
    cpu: float
    """Microseconds of CPU that the service took for each."""


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(command: tuple[str, ...], *, page: int = 0) -> Iterator[tuple[int, int]]:
    """The process id of a service that runs, and its port; under `run` where there is a port for its page."""
    port = free_port()
    ours = ("-m", "bpexporter", "run", "--port", str(page)) if page else ()
    words = [sys.executable, *ours, *(word.replace("PORT", str(port)) for word in command)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield process.pid, port
        finally:
            process.terminate()


@contextlib.contextmanager
def scraping(page: int) -> Iterator[None]:
    """Scrape once a second."""
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(1):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics").read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def load(pid: int, port: int, seconds: float, headers: tuple[str, ...]) -> Load:
    """Ask a service for so long."""
    command = ("wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s", "--latency", *headers)
    before = cpu_of(pid)
    done = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True)
    took = cpu_of(pid) - before
    requests = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)([a-z]+)", done.stdout)
    assert requests, done.stdout
    assert rate, done.stdout
    assert p99, done.stdout
    return Load(float(rate[1]), float(p99[1]) * TIMES[p99[2]], took / int(requests[1]) * 1e6)


def loads(command: tuple[str, ...], headers: tuple[str, ...], seconds: float) -> list[tuple[Load, Load]]:
    """Of each round: alone, and under `run`."""
    page = free_port()
    with service(command) as alone, service(command, page=page) as ours, scraping(page):
        legs = (alone, ours)
        for leg in legs:
            load(*leg, seconds / 4, headers)
        found = []
        for number in range(ROUNDS):
            pair = [load(*leg, seconds, headers) for leg in legs[:: -1 if number % 2 else 1]]
            found.append((pair[number % 2], pair[1 - number % 2]))
        return found


def compared(what: str, found: list[tuple[Load, Load]]) -> Figures:
    """The medians of both legs, and of the ratios of the rounds."""

    def ratio(field: str) -> float:
        return median(getattr(ours, field) / getattr(alone, field) for alone, ours in found)

    alone, ours = (Load(*map(median, zip(*leg, strict=True))) for leg in zip(*found, strict=True))
    rate, spared = ratio("rate"), 1 / ratio("cpu")
    more, cheap = (under(f"{one:.2f}x", one, SHARE) for one in (rate, spared))
    yield f"{what}: requests a second", more, f"{ours.rate:,.0f}, alone {alone.rate:,.0f}", f">= {SHARE}x"
    yield f"{what}: requests for the same CPU", cheap, f"{ours.cpu:.0f} us each, alone {alone.cpu:.0f}", f">= {SHARE}x"
    yield f"{what}: 99th percentile", f"{ratio('p99'):.2f}x", f"{ours.p99:.1f} ms, alone {alone.p99:.1f}", ""


def serving(scale: Scale) -> Figures:
    """Three lines for each service and each way to ask it."""
    if subprocess.run(["sh", "-c", "command -v wrk"], capture_output=True, check=False).returncode:
        raise ImportError("wrk is not installed: apt-get install wrk")
    for name, command in SERVICES.items():
        for way, headers in WAYS.items():
            yield from compared(f"{name}, {way}", loads(command, headers, scale.served))
