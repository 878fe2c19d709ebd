"""`stage()`: names a stage by hand."""

from __future__ import annotations

import asyncio
import functools
import inspect
from asyncio.events import _get_running_loop
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Any, Self, TypeVar

from bpexporter.faults import faults
from bpexporter.hub import process
from bpexporter.hub.names import checked_name
from bpexporter.primitives.public import public
from bpexporter.resources.stage.naming import give, take_back

F = TypeVar("F", bound=Callable[..., Any])


@public
class stage:  # noqa: N801  used as a function is
    """Names what runs in the block, or in the decorated coroutine function, as the stage `name`.

    Without it a stage is called what the outermost coroutine of the application's own code is called. Tasks that are
    made in the block belong to the stage as well, unless they name another one.

        with bpexporter.stage("checkout"):
            await orders.put(order)

        @bpexporter.stage("parse")
        async def parse(source, sink): ...

    Raises ``TypeError`` for a name that is no string, and where something else than a coroutine function is decorated;
    ``ValueError`` for an empty name, one over 1,000 characters, or one that is not valid Unicode.
    """

    def __init__(self, name: str) -> None:
        self.name = checked_name(name)
        self._tokens: list[Token[str | None]] = []

    def __enter__(self) -> Self:
        _leave()
        self._tokens.append(give(self.name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave()
        if self._tokens:
            take_back(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """`function`, whose calls are this stage."""
        if inspect.iscoroutinefunction(function):
            return _coroutine_function(function, self.name)  # type: ignore[return-value]
        raise TypeError(f"stage() decorates coroutine functions, not {type(function).__name__}")


def _coroutine_function(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    async def staged(*arguments: Any, **keywords: Any) -> Any:
        with stage(name):
            return await function(*arguments, **keywords)

    return staged


def _leave() -> None:
    """Counts what the running task did so far for the stage that it had."""
    try:
        loop = _get_running_loop()
        task = asyncio.current_task(loop) if loop is not None else None
        if task is not None:
            for registry in process.all_registries():
                registry.stages.left(task, registry.clock())
    except Exception as error:
        faults.swallow(error, "a stage")
