"""The tasks of a loop, from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

tasks: Any = asyncio.tasks
# The C task, and the one in Python; what is neither is left out: asking it would run the host's code.
TASKS: tuple[Any, ...] = (asyncio.Task, tasks._PyTask)
# From 3.14 on tasks stand in no set, and asking stops all threads for it.
IN_SETS = not hasattr(tasks, "_py_all_tasks")


def _copies() -> Iterator[Any]:
    """All tasks of the process. Copying a set never fails, whatever other threads add and drop meanwhile."""
    for name in ("_all_tasks", "_scheduled_tasks"):
        found = getattr(tasks, name, None)
        if found is not None:
            yield from (task for task in (one() for one in found.data.copy()) if task is not None)
    yield from set(getattr(tasks, "_eager_tasks", ()))


def _is_pending(task: Any, loop: Any) -> bool:
    for kind in TASKS:
        if issubclass(type(task), kind):
            return kind.get_loop(task) is loop and not kind.done(task)
    return False


def count_tasks(loop: Any) -> int:
    """Tasks of `loop` that are not done, counted from any thread."""
    if not IN_SETS:
        return len(asyncio.all_tasks(loop))
    return sum(_is_pending(task, loop) for task in _copies())


def tasks_of(loops: Iterable[Any]) -> list[Any]:
    """Tasks of `loops` that are not done, from any thread."""
    if not IN_SETS:
        return [task for loop in loops for task in asyncio.all_tasks(loop)]
    wanted = list(loops)
    return [task for task in _copies() if any(_is_pending(task, loop) for loop in wanted)]
