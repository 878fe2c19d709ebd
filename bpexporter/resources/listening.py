"""The seam where a wait begins and ends, and at which somebody else can be told who does what at a resource.

Every wait of every kind goes through `MemberLedger.begin_wait` and `end_wait`; the replacing methods of a queue hold
copies of both in their own frames, and call `tell_wait` as `end_wait` does. While `listener` is ``None``, as it is
unless somebody sets it, that costs nothing on a way that does not wait, and one look at a slot for a wait over
`LONG_WAIT`.

A listener is told of two things, always on the thread of the resource's loop, and nearly always in the step of the task
that did it, so that `asyncio.current_task()` is that task:

- `waited`: each wait over `LONG_WAIT` that ended, be it with success or given up. Of a queue, waits within the first
  bucket of its histogram are left out too. A caller that had waited before its resource was watched, and whose task
  could not be found, is told of right after its step: then there is no current task.
- `operated`: an operation that has just run, whether it had waited or not, since a culprit never waits. It is told
  where the ledger looks at the clock anyhow: at the first operation of a side, at the first after a reading, and now
  and then between, at most once in `TOLD_SECONDS` a side. Of a limiter it is a release that is told (as side
  "acquire"), of a stream a write that left something in the buffer (as side "drain").

Whoever waits at a moment is known by `StallClock.waiting`: its tokens are `id()` of the task that waits, or, of one
that waited before its resource was watched and whose task is not known, of the future that it awaits
(`task._fut_waiter`). What a listener raises is swallowed, counted and logged.
"""

from __future__ import annotations

import sys
from asyncio import tasks
from asyncio.events import _get_running_loop
from collections.abc import Callable
from typing import Any, Protocol

from bpexporter.primitives.stall_clock import StallClock

# Seconds up to which nobody is told of a wait: they are known by their side. With 8 producers and 8 consumers on a loop
# to tell of the others takes 1 to 2 % of their puts and gets, with 16 and more of each 6 %.
LONG_WAIT = 0.0001
# Seconds between two operations of a side that are told, at least.
TOLD_SECONDS = 0.05

# The task that runs in a loop. Up to Python 3.11 the public function is written in Python: its table takes a quarter.
present_task: Callable[[Any], Any] = (
    tasks.current_task if sys.version_info >= (3, 12) else tasks._current_tasks.get  # type: ignore[attr-defined]
)


class Listener(Protocol):
    """Is told of what callers do at the resources whose ledgers refer to it."""

    def waited(self, ledger: Any, side: str, token: object, began: float, ended: float) -> None:
        """A caller of this `side` ("put", "get", "acquire", "drain") has waited, in seconds of the ledger's clock."""

    def served(self, ledger: Any, side: str, task: int | None, began: float, ended: float) -> None:
        """A caller has waited, which another thread has ended; `task` is its identity, where that is known."""

    def operated(self, ledger: Any, side: str, now: float) -> None:
        """A caller of this `side` has just done what it came for, or is about to return with it."""


def task_token() -> int:
    """`id()` of the present task; 0 where no loop runs, as in a coroutine that is driven by hand."""
    loop = _get_running_loop()
    return 0 if loop is None else id(present_task(loop))


def waiting_token(stall: StallClock | None) -> object:
    """The token of a wait that begins: `id()` of the present task, where that does not wait on this side already."""
    token = task_token()
    return object() if stall is not None and token in stall.waiting else token
