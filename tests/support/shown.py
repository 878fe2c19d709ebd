"""What the page shows: a queue that is full, and programs of their own that serve a page."""

from __future__ import annotations

import asyncio
import sys

import bpexporter


def page_of(exporter):
    """The address of the page."""
    return exporter.url.removesuffix("metrics")


async def held_up(hub, name="jobs"):
    """A queue that is full, and a put that waits in it."""
    queue = bpexporter.watch(asyncio.Queue(1), name, hub=hub)
    await queue.put(1)
    return queue, asyncio.create_task(queue.put(2))


PROGRAM = """
import asyncio, sys, bpexporter
async def main():
    queue = bpexporter.watch(asyncio.Queue(2), "jobs")
    exporter = bpexporter.start(port=int(sys.argv[1]))
    print(exporter.port, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def program(port: int = 0):
    """A program in a process of its own, and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(port), stdout=asyncio.subprocess.PIPE
    )
    return process, int(await process.stdout.readline())
