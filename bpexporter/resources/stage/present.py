"""Waits that last, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bpexporter.resources.stage.metrics import Link
from bpexporter.resources.stage.naming import parent_of
from bpexporter.resources.stage.records import TaskRecord


class Present:
    """Waits that last: who waits, by the identity of the future or of the task, for what and since when."""

    def __init__(self, waits: Iterable[tuple[Link, Mapping[Any, float]]], now: float) -> None:
        self.now = now
        self.waits = {token: (link, since) for link, waiting in waits for token, since in waiting.items()}
        self._claimed: set[Any] = set()

    def of(self, task: Any) -> tuple[Link, float] | None:
        """The link for which `task` waits, and since when."""
        token, waits = id(task), self.waits
        if token not in waits:
            token = id(getattr(task, "_fut_waiter", None))
            if token not in waits:
                return None
        self._claimed.add(token)
        return waits[token]

    def for_record(self, record: TaskRecord, task: Any) -> tuple[Link, float] | None:
        """The same, where it may wait through helpers: since the last of them began."""
        if not record.helpers:
            return self.of(task)
        helpers = [helper for reference in record.helpers if (helper := reference()) is not None]
        waiting = [helper for helper in helpers if not helper.done() and parent_of(helper) is task]
        return max(filter(None, map(self.of, (task, *waiting))), key=lambda one: one[1], default=None)

    def unclaimed(self) -> dict[Link, float]:
        """Seconds that callers wait at present who are no task of a stage, by link."""
        seconds: dict[Link, float] = {}
        for token, (link, since) in self.waits.items():
            if token not in self._claimed:
                seconds[link] = seconds.get(link, 0.0) + max(0.0, self.now - since)
        return seconds
