"""Pools and connectors of libraries are limiters: capacity, in use, who waits, and for how long, by themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from holding import held, until

import bpexporter

# What gives a function that acquires a permit of a pool with two.
Opened = AsyncIterator[Callable[[], AbstractAsyncContextManager[Any]]]


@asynccontextmanager
async def aiohttp_connector(request: pytest.FixtureRequest) -> Opened:
    """aiohttp's connector, at a server that answers when it is told to."""
    import aiohttp

    async with serving() as (url, answer), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as client:

        @asynccontextmanager
        async def acquire() -> AsyncIterator[None]:
            async with client.get(url) as response:
                yield
                answer.set()
                await response.read()

        yield acquire


@asynccontextmanager
async def httpx_pool(request: pytest.FixtureRequest) -> Opened:
    """The pool of httpcore, as httpx makes it."""
    import httpx

    async with serving() as (url, answer), httpx.AsyncClient(limits=httpx.Limits(max_connections=2)) as client:

        @asynccontextmanager
        async def acquire() -> AsyncIterator[None]:
            async with client.stream("GET", url) as response:
                yield
                answer.set()
                await response.aread()

        yield acquire


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server whose answers end with the event."""
    answer = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await answer.wait()
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", answer
    finally:
        answer.set()
        await runner.cleanup()


@asynccontextmanager
async def sqlalchemy_pool(request: pytest.FixtureRequest) -> Opened:
    """The pool of an asynchronous engine of SQLAlchemy: one connection, and one of overflow."""
    from sqlalchemy.ext.asyncio import create_async_engine

    url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(url, pool_size=1, max_overflow=1)
    try:
        yield engine.connect
    finally:
        await engine.dispose()


@asynccontextmanager
async def asyncpg_pool(request: pytest.FixtureRequest) -> Opened:
    """asyncpg's pool."""
    import asyncpg

    async with asyncpg.create_pool(request.getfixturevalue("postgres_url"), min_size=1, max_size=2) as pool:
        yield pool.acquire


@asynccontextmanager
async def asyncpg_pool_with_a_timeout(request: pytest.FixtureRequest) -> Opened:
    """The same where each caller waits for a limited time, for which asyncpg makes a task of its own."""
    import asyncpg

    pool = await asyncpg.create_pool(request.getfixturevalue("postgres_url"), min_size=1, max_size=2)
    yield lambda: pool.acquire(timeout=30)
    await pool.close()


@asynccontextmanager
async def psycopg_pool(request: pytest.FixtureRequest) -> Opened:
    """psycopg's pool."""
    from psycopg_pool import AsyncConnectionPool

    url = request.getfixturevalue("postgres_url")
    async with AsyncConnectionPool(url, min_size=2, max_size=2, open=False) as pool:
        await pool.wait()
        yield pool.connection


@asynccontextmanager
async def redis_pool(request: pytest.FixtureRequest) -> Opened:
    """The blocking pool of redis.asyncio."""
    from redis.asyncio import BlockingConnectionPool

    pool = BlockingConnectionPool.from_url(request.getfixturevalue("redis_url"), max_connections=2)

    @asynccontextmanager
    async def acquire() -> AsyncIterator[None]:
        connection = await pool.get_connection()
        try:
            yield
        finally:
            await pool.release(connection)

    yield acquire
    await pool.disconnect()


@asynccontextmanager
async def anyio_limiter(request: pytest.FixtureRequest) -> Opened:
    """anyio's capacity limiter."""
    import anyio

    limiter = anyio.CapacityLimiter(2)
    yield lambda: limiter


@asynccontextmanager
async def anyio_semaphore(request: pytest.FixtureRequest) -> Opened:
    """anyio's semaphore."""
    import anyio

    semaphore = anyio.Semaphore(2)
    yield lambda: semaphore


POOLS = {
    aiohttp_connector: f"aiohttp.TCPConnector:{__name__}.aiohttp_connector:aiohttp.ClientSession(connector)",
    httpx_pool: f"httpcore.AsyncConnectionPool:{__name__}.httpx_pool:client",
    sqlalchemy_pool: f"sqlalchemy.AsyncAdaptedQueuePool:{__name__}.sqlalchemy_pool:engine",
    asyncpg_pool: f"asyncpg.Pool:{__name__}.asyncpg_pool:pool",
    asyncpg_pool_with_a_timeout: f"asyncpg.Pool:{__name__}.asyncpg_pool_with_a_timeout:pool",
    psycopg_pool: f"psycopg_pool.AsyncConnectionPool:{__name__}.psycopg_pool:pool",
    redis_pool: f"redis.BlockingConnectionPool:{__name__}.redis_pool:pool",
    anyio_limiter: f"{__name__}.anyio_limiter:limiter",
    anyio_semaphore: f"{__name__}.anyio_semaphore:semaphore",
}


@pytest.mark.parametrize(("opening", "name"), POOLS.items(), ids=[pool.__name__ for pool in POOLS])
async def test_a_pool_tells_the_truth(opening, name, hub, request):
    """Of two permits two are in use, two callers wait, one gives up, and the waits of the others are counted."""
    async with opening(request) as acquire:

        def now() -> bpexporter.LimiterReading:
            return hub.snapshot().limiters[name]

        assert (now().capacity_permits, now().in_use_permits, now().waiting_tasks) == (2, 0, 0)
        async with held(acquire) as callers:
            await callers.add(2)
            await until(lambda: now().in_use_permits == 2)
            await callers.add(3)
            await until(lambda: now().waiting_tasks == 3)
            assert (now().utilization_ratio, now().blocked_acquires) == (1, 3)
            assert now().longest_block_seconds > 0
            callers.tasks[-1].cancel()
            await until(lambda: now().waiting_tasks == 2)
            assert now().refused_acquires == (1,)
        await until(lambda: now().in_use_permits == 0)
        assert (now().waiting_tasks, now().acquire_wait_seconds.total, now().peak_utilization_ratio) == (0, 4, 1)
        assert now().stalled_seconds <= now().acquire_blocked_seconds
        assert hub.snapshot().queues.keys() == set()
