"""What many open writers weigh, and what a scrape of them takes."""

import asyncio
import gc
import resource
import sys
import tracemalloc
from collections.abc import AsyncIterator
from time import process_time
from typing import Any

import bpexporter

from .scale import Scale
from .tables import Figures, over

BYTES, MILLISECONDS = 1_024, 100
# The other ends live in a process of their own, which has descriptors of its own.
CLIENTS = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
open_ = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
sys.stdin.read()
"""


async def _opened(count: int) -> tuple[list[asyncio.StreamWriter], Any]:
    writers: list[asyncio.StreamWriter] = []
    all_there = asyncio.Event()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) == count:
            all_there.set()

    server = await asyncio.start_server(keep, "127.0.0.1", 0, backlog=1_024)
    port = server.sockets[0].getsockname()[1]
    command = (sys.executable, "-c", CLIENTS, str(port), str(count))
    clients = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    await all_there.wait()
    server.close()
    return writers, clients


async def _measured(scale: Scale) -> AsyncIterator[tuple[str, ...]]:
    from bpexporter.export.text import render

    writers, clients = await _opened(scale.writers)
    hub, found = bpexporter.Hub(), []
    gc.collect()
    tracemalloc.start()
    for writer in writers:
        bpexporter.watch(writer, "peers", hub=hub)
    each = tracemalloc.get_traced_memory()[0] / len(writers)
    tracemalloc.stop()
    for _ in range(scale.scrapes):
        for writer in writers:
            writer.write(b"x")
            await writer.drain()
        gc.collect()
        begun = process_time()
        render(hub)
        found.append((process_time() - begun) * 1e3)
    for writer in writers:
        writer.close()
    clients.stdin.close()
    await clients.wait()
    cpu = sorted(found)[len(found) // 2]
    yield "memory of a watched writer", over(f"{each:,.0f} B", each, BYTES), "", f"<= {BYTES:,} B"
    what = f"scrape of {len(writers):,} open writers"
    yield what, over(f"{cpu:.0f} ms of CPU", cpu, MILLISECONDS), f"highest {max(found):.0f} ms", f"<= {MILLISECONDS} ms"


def connecting(scale: Scale) -> Figures:
    """Writers of one name, all open at once."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def listed() -> list[tuple[str, ...]]:
        return [line async for line in _measured(scale)]

    yield from asyncio.run(listed())
