"""A loop goes round the queues that it owns: what changed without a put or get is seen soon, and dated, unscraped."""

from __future__ import annotations

import weakref
from typing import Any

from bpexporter.faults import faults
from bpexporter.hub import process
from bpexporter.resources.kinds import QUEUE

# The most queues that are looked at each time: some 30 microseconds.
AT_ONCE = 64


class Rounds:
    """Looks at some queues of a loop each time that it is called; those at which somebody is held up come first."""

    __slots__ = ("held_up", "loop", "waiting")

    def __init__(self, loop: Any) -> None:
        self.loop = weakref.ref(loop)
        self.waiting: list[Any] = []  # to be looked at in this round
        self.held_up: list[Any] = []  # queues at which somebody waited the last time

    def __call__(self) -> bool:
        """Look, and tell whether somebody is held up."""
        loop = self.loop()
        if not self.waiting:
            self.waiting = [ledger for registry in process.all_registries() for ledger in registry.members(QUEUE)]
        first = self.held_up[:AT_ONCE]
        count = AT_ONCE - len(first)
        others, self.waiting = self.waiting[:count], self.waiting[count:]
        self.held_up = [ledger for ledger in {*first, *others} if _is_held_up(ledger, loop)]
        return bool(self.held_up)


def _is_held_up(ledger: Any, loop: Any) -> bool:
    try:
        return bool(ledger.instrument.attend(ledger, loop))
    except Exception as error:
        faults.swallow(error, "a queue that was looked at")
        return False
