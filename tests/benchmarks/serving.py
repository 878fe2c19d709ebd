"""A real aiohttp service under load, alone and under `bpexporter run` with a scrape each second."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from .scale import Scale
from .tables import Figures

PROGRAM = Path(__file__).with_name("served.py")
ROOT = Path(__file__).parents[2]
CONNECTIONS = 16
ROUNDS = 5
REQUEST = b"GET / HTTP/1.1\r\nHost: service\r\n\r\n"


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(*, watched: bool) -> Iterator[tuple[int, int]]:
    """The port of the running service, and the one of its metrics."""
    port, metrics = free_port(), free_port()
    ours = ["-m", "bpexporter", "run", "--port", str(metrics)] if watched else []
    command = [sys.executable, *ours, str(PROGRAM), str(port)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield port, metrics
        finally:
            process.terminate()


async def client(port: int, until: float, taken: list[float]) -> None:
    """One connection that asks again as soon as it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (begun := time.perf_counter()) < until:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        taken.append(time.perf_counter() - begun)
    writer.close()


async def load(port: int, seconds: float) -> list[float]:
    """The seconds that each request took."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(port, until, taken) for _ in range(CONNECTIONS)))
    return taken


async def scrape(metrics: int) -> None:
    """Once a second, as long as it is let."""
    while True:
        await asyncio.sleep(1)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read())


async def leg(port: int, metrics: int, seconds: float, *, watched: bool) -> tuple[float, float]:
    """Requests a second, and the 99th percentile of their milliseconds."""
    await load(port, seconds / 4)
    scraping = asyncio.create_task(scrape(metrics)) if watched else None
    taken = await load(port, seconds)
    if scraping is not None:
        scraping.cancel()
    return len(taken) / seconds, quantiles(taken, n=100)[98] * 1e3


def serving(scale: Scale) -> Figures:
    """The medians of some rounds, each with both legs."""
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for watched, results in found.items():
            with service(watched=watched) as (port, metrics):
                results.append(asyncio.run(leg(port, metrics, scale.served, watched=watched)))
    (bare, bare_p99), (ours, ours_p99) = (map(median, zip(*results, strict=True)) for results in found.values())
    yield (
        "aiohttp service under `run`: requests a second",
        f"{ours:,.0f}",
        f"alone {bare:,.0f} ({ours / bare:.2f}x)",
        "",
    )
    yield "the same, 99th percentile of a request", f"{ours_p99:.1f} ms", f"alone {bare_p99:.1f} ms", ""
