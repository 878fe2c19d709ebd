"""What libraries make for their own start-up, or one for each connection, is left out unless it is allowed."""

import asyncio
import re

import aiohttp
import pytest
import uvicorn

import bpexporter
from bpexporter.automatic.filters import settings
from bpexporter.automatic.quiet import QUIET, reason_to_be_quiet
from bpexporter.export.text import render
from bpexporter.naming.places import Place

THREADS = "anyio:default thread limiter"
LETTERS = "programs.service:Mail.letters"
# Lines that are added where a sidecar serves the page, as under `run`.
OF_THE_SIDECAR = 25
CLIENT = "httpcore.AsyncConnectionPool:programs.service.lifespan:app.state.client"


@pytest.mark.parametrize("module", QUIET)
def test_the_list_is_heeded(module):
    """What a module of the list makes is left out, with a reason, and so is what a module below it does."""
    place = Place("some.queue", (module,))
    assert reason_to_be_quiet(place) == reason_to_be_quiet(Place("x", (f"{module}.below",))) == QUIET[module]
    assert not settings(None, None, None, None).wants(place)


def test_what_is_allowed_is_seen():
    """`allow` overrides the list."""
    place = Place("LifespanOn.receive_queue", ("uvicorn.lifespan.on",))
    assert settings(None, "uvicorn", None, None).wants(place)
    assert settings(None, "*receive_queue", None, None).wants(place)
    assert not settings(None, "app", None, None).wants(place)


@pytest.mark.parametrize("module", ["app.main", "uvicorn", "uvicorn.lifespans", "starlette.middleware"])
def test_others_are_seen(module):
    """What is not on the list is seen, be its module called similarly."""
    assert reason_to_be_quiet(Place("queue", (module,))) is None
    assert settings(None, None, None, None).wants(Place("queue", (module,)))


async def test_an_unbounded_queue_has_no_series_that_can_only_be_0():
    """Nobody waits to put into a queue without a bound: it says nothing of such waits; a bounded one says it is 0."""
    hub = bpexporter.Hub()
    unbounded, bounded = asyncio.Queue(), asyncio.Queue(1)
    bpexporter.watch(unbounded, "unbounded", hub=hub)
    bpexporter.watch(bounded, "bounded", hub=hub)
    unbounded.put_nowait(1)
    lines = render(hub).decode().splitlines()
    told = {
        name: {line.split("{")[0] for line in lines if f'queue="{name}"' in line} for name in ("unbounded", "bounded")
    }
    assert {name.removeprefix("backpressure_queue_") for name in told["bounded"] - told["unbounded"]} == {
        "capacity_items", "utilization_ratio", "peak_utilization_ratio", "blocked_producers", "blocked_puts_total",
        "longest_block_seconds", "put_blocked_seconds_total", "stalled_seconds_total",
        "put_wait_seconds_bucket", "put_wait_seconds_count", "put_wait_seconds_sum",
    }  # fmt: skip
    bpexporter.unwatch(unbounded), bpexporter.unwatch(bounded)


async def test_the_page_of_a_typical_service_is_short():
    """A FastAPI service that was used shows its threads, client, queue and loop, and no queue of uvicorn's start."""
    from programs.service import app

    hub = bpexporter.Hub()
    bpexporter.install(hub=hub, deny=__name__)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  uvicorn tells it in no other way
            await asyncio.sleep(0.01)
        address = f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        await use(address)
        page = render(hub).decode()
        assert set(hub.snapshot().queues) == {LETTERS}
        assert set(hub.snapshot().limiters) == {THREADS, CLIENT}
        assert len(page.splitlines()) < 300 - OF_THE_SIDECAR
    finally:
        server.should_exit = True
        await serving
        bpexporter.uninstall()


async def use(address: str) -> None:
    """Make some requests of each kind."""
    async with aiohttp.ClientSession() as client:
        for route in ("sync", "async") * 5:
            async with client.get(f"http://{address}/{route}") as response:
                assert response.status == 200
        async with client.ws_connect(f"http://{address}/socket") as socket:
            await socket.send_str("x")
            assert await socket.receive_str() == "xx"


async def test_waits_are_told_from_the_first_one_on():
    """What was found by itself has no histogram of waits before somebody waits; what somebody has asked for has one."""
    hub = bpexporter.Hub()
    bpexporter.install(hub=hub)
    found, asked = asyncio.Semaphore(1), bpexporter.watch(asyncio.Semaphore(1), "asked", hub=hub)
    try:
        await found.acquire(), await asked.acquire()
        assert waits_told(hub) == {"asked"}
        waiting = asyncio.create_task(found.acquire())
        await asyncio.sleep(0)
        assert len(waits_told(hub)) == 2
        waiting.cancel()
    finally:
        bpexporter.uninstall()


def waits_told(hub: bpexporter.Hub) -> set[str]:
    """The limiters of which a histogram of waits is shown."""
    return set(re.findall(r'acquire_wait_seconds_count{limiter="([^"]*)"}', render(hub).decode()))
