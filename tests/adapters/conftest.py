"""What the tests of adapters share: a hub, a Redis, a PostgreSQL, and callers that hold a permit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import databases
import pytest

import bpexporter


@pytest.fixture
def hub() -> Iterator[bpexporter.Hub]:
    """A hub in which all is watched that is made; at the end everything is as it was."""
    hub = bpexporter.Hub()
    bpexporter.install(hub=hub)
    yield hub
    bpexporter.uninstall()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis."""
    with databases.redis() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL."""
    with databases.postgres() as url:
        yield url


class Held:
    """Callers that hold a permit each until they are let go."""

    def __init__(self, acquiring: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self.acquiring = acquiring
        self.tasks: list[asyncio.Task[None]] = []
        self.go = asyncio.Event()

    async def add(self, count: int) -> None:
        """So many callers more come; those that can have their permit when this is over."""
        self.tasks += [asyncio.create_task(self._hold()) for _ in range(count)]

    async def _hold(self) -> None:
        async with self.acquiring():
            await self.go.wait()


@asynccontextmanager
async def held(acquiring: Callable[[], AbstractAsyncContextManager[Any]]) -> AsyncIterator[Held]:
    """Callers of one limiter; at the end all of them are let go."""
    callers = Held(acquiring)
    try:
        yield callers
    finally:
        callers.go.set()
        await asyncio.gather(*callers.tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Turns of the loop until it holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is waited for is a reading
            await asyncio.sleep(0.001)
