"""What the live page costs: frames in Chromium, and the server's share, with 200 resources that move each second.

``python -m tests.benchmarks.page [SECONDS]`` prints both. It needs Chromium and playwright.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

RESOURCES = 200
MOST_FRAME, MOST_SHARE = 60.0, 1.0
THREADS = ("bpexporter-rend", "bpexporter-http")  # as Linux cuts their names
ENDPOINT = """
import sys, threading
from tests.benchmarks import page
page.name_threads()
import asyncio
asyncio.run(page.serve())
"""
# Frames are looked at by the page itself, from one that is drawn to the next.
LOOK = """() => {
  window.frames_seen = [];
  let last = performance.now();
  requestAnimationFrame(function look(now) {
    window.frames_seen.push(now - last); last = now;
    requestAnimationFrame(look);
  });
}"""


def name_threads() -> None:
    """Let the kernel know threads by their names, as Python 3.14 does by itself."""
    import ctypes
    import threading

    begin, libc = threading.Thread.run, ctypes.CDLL(None)

    def run(thread: threading.Thread) -> None:
        libc.prctl(15, thread.name.encode()[:15], 0, 0, 0)
        begin(thread)

    threading.Thread.run = run


async def serve() -> None:
    """A program of so many queues, each filled and emptied once a second; says its address."""
    import bpexporter

    with bpexporter.start(port=0) as exporter:
        print(exporter.url.removesuffix("metrics"), flush=True)
        queues = [bpexporter.watch(asyncio.Queue(20), f"shard.{one % 9}.part_{one}") for one in range(RESOURCES)]
        tasks = [asyncio.create_task(step(place, queue)) for place, queue in enumerate(queues) for step in (put, get)]
        await asyncio.gather(*tasks)


async def put(place: int, queue: asyncio.Queue[int]) -> None:
    """So many items a second, more and less."""
    turn = 0
    while True:
        turn += 1
        for _ in range((place * 7 + turn * 3) % 21):
            await queue.put(turn)
        await asyncio.sleep(1)


async def get(place: int, queue: asyncio.Queue[int]) -> None:
    """A part of what is there, now and then."""
    while True:
        for _ in range(max(1, queue.qsize() // (1 + place % 3))):
            await queue.get()
        await asyncio.sleep(0.5 + place % 5 * 0.3)


def cpu(pid: int) -> dict[str, float]:
    """CPU seconds of our threads in a process, by their names."""
    found = dict.fromkeys(THREADS, 0.0)
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name in found:
            found[name] += int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


async def used(page: object, seconds: float) -> None:
    """Filter, sort, scroll and open a row as a reader does, for so long."""
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turn += 1
        await page.locator("#resources thead button").nth(turn % 8).click()
        await page.locator("#filter").fill("" if turn % 2 else f"part_{turn % 10}")
        await page.mouse.move(400, 500)
        for _ in range(5):
            await page.mouse.wheel(0, 400 if turn % 4 < 2 else -400)
            await asyncio.sleep(0.1)
        if turn % 5 == 0:
            await page.locator("#resources .open").first.click()
            await asyncio.sleep(0.5)
            await page.keyboard.press("Escape")


async def frames(url: str, seconds: float) -> list[float]:
    """Milliseconds of each frame while the page is used."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    from browser import opened

    async with opened(url) as seen:
        await seen.page.locator("#resources tbody tr").nth(RESOURCES - 1).wait_for()
        await asyncio.sleep(2)
        await seen.page.evaluate(LOOK)
        await used(seen.page, seconds)
        return sorted(await seen.page.evaluate("window.frames_seen"))


async def viewer(url: str, seconds: float) -> None:
    """Asks as the page does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        request = urllib.request.Request(f"{url}api/state?readings=", headers={"Accept-Encoding": "gzip"})
        with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
            answer.read()
        await asyncio.sleep(1)


async def share(url: str, pid: int, viewers: int, seconds: float) -> str:
    """The share of a core of each of our threads, in per cent."""
    looking = [asyncio.create_task(viewer(url, seconds + 3)) for _ in range(viewers)]
    await asyncio.sleep(2)
    before, begun = cpu(pid), time.monotonic()
    await asyncio.sleep(seconds)
    after, passed = cpu(pid), time.monotonic() - begun
    await asyncio.gather(*looking)
    return ", ".join(f"{name} {(after[name] - before[name]) / passed:.2%}" for name in THREADS)


async def measured(url: str, pid: int, seconds: float) -> None:
    """Print the figures of a program."""
    await asyncio.sleep(3)
    for viewers in (0, 1, 8):
        print(f"server, {viewers} viewers (<= {MOST_SHARE} % with one): {await share(url, pid, viewers, seconds)}")
    seen = await frames(url, seconds)
    longest = f"99 % {seen[len(seen) * 99 // 100]:.0f} ms, longest {seen[-1]:.0f} ms (<= {MOST_FRAME:g} ms)"
    print(f"frames: {len(seen)} in {seconds:g} s; median {seen[len(seen) // 2]:.0f} ms, {longest}")


def main(seconds: float) -> None:
    """Start the program, and measure."""
    with subprocess.Popen([sys.executable, "-c", ENDPOINT], stdout=subprocess.PIPE, text=True) as program:
        try:
            asyncio.run(measured(program.stdout.readline().strip(), program.pid, seconds))
        finally:
            program.kill()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
