"""Callers that hold a permit of a limiter, and what becomes true after some turns of the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any


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
