"""The stages of a hub: which task works for which, found out as the tasks use what is watched.

Tasks are held by weak reference only and get nothing of ours. A finalizer takes no lock: it notes the record of the
dead task in a list, and the next reading settles it.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio.events import _get_running_loop
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.stage.metrics import Link, StageReading
from bpexporter.resources.stage.naming import Role, awaited_by, given, parent_of, role_of, runs_inner
from bpexporter.resources.stage.records import OTHER, StageLedger, TaskRecord
from bpexporter.resources.tasks import tasks_of

# Seconds between two walks through all tasks of the process.
WALK_SECONDS = 1.0
# So many tasks that wait for one of a stage are remembered of it.
MOST_HELPERS = 8


class Present:
    """Waits that last: who waits, by the identity of the future or of the task, for what and since when."""

    def __init__(self, waits: Iterable[tuple[Link, Mapping[Any, float]]], now: float) -> None:
        self.now = now
        self.waits = {token: (link, since) for link, waiting in waits for token, since in waiting.items()}
        self._claimed: set[Any] = set()

    def of(self, task: Any) -> tuple[Link, float] | None:
        """The link for which `task` waits, and since when."""
        for token in (id(getattr(task, "_fut_waiter", None)), id(task)):
            if token in self.waits:
                self._claimed.add(token)
                return self.waits[token]
        return None

    def for_record(self, record: TaskRecord, task: Any) -> tuple[Link, float] | None:
        """The same, where it may wait through helpers: since the last of them began."""
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


class TaskReference(weakref.ref[Any]):
    """A weak reference that knows where the record of its task is."""

    __slots__ = ("key",)
    key: int


class StageTable:
    """The stages of one hub, and the tasks that work for them."""

    def __init__(self, *, max_names: int, clock: Callable[[], float]) -> None:
        self.max_names = max_names
        self.clock = clock
        self.stages: dict[str, StageLedger] = {}
        self.records: dict[int, TaskRecord] = {}  # by the identity of the task
        self.ended: deque[TaskRecord] = deque()
        self.unknown: dict[Link, float] = {}  # seconds waited by who is no task of a stage
        self.brief: dict[Link, float] = {}  # seconds of waits too brief to be told one by one
        self.folded = 0
        self.walked = float("-inf")

    # On the threads of the loops ----------------------------------------------------------------

    def operated(self, ledger: Any, side: str, now: float) -> None:
        """Somebody uses a resource: told now and then, on whatever thread that is."""
        record = self._at_work(now)
        if record is not None:
            link = ledger.entry.name, ledger.instrument.kind, side
            record.used(link, now)
            record.stage.seen(link)

    def waited(self, ledger: Any, side: str, token: object, began: float, ended: float) -> None:
        """A wait of the running task has ended."""
        link = ledger.entry.name, ledger.instrument.kind, side
        record = self._at_work(began)
        if record is None:
            self.unknown[link] = self.unknown.get(link, 0.0) + ended - began
            return
        # Who runs several gets at a time waits once: since the last of them began, or the last one ended.
        record.waited(link, max(0.0, ended - max(began, record.until)), ended)
        record.stage.seen(link)

    def _at_work(self, since: float) -> TaskRecord | None:
        loop = _get_running_loop()
        task = asyncio.current_task(loop) if loop is not None else None
        if task is None:
            return None
        record = self.records.get(id(task))
        name = given.get()
        if record is not None and (record.stage.name == name if name else record.lasting and not record.given):
            return record
        return self._found(task, record, name, since)

    def _found(self, task: Any, record: TaskRecord | None, name: str | None, since: float) -> TaskRecord | None:
        role = role_of(task, sys._getframe(1))
        if role is None and runs_inner(task):
            return self._helped(task, since)
        if name:
            role = Role(name, lasting=True)
        if role is None or (record is not None and record.stage.name == role.name):
            return None if role is None else record
        if record is not None:
            record.last = max(record.last, since)
            self._end(record)
        return self._begin(task, role, since, by_hand=bool(name))

    def _helped(self, helper: Any, since: float) -> TaskRecord | None:
        """The record of the task that awaits `helper`, which runs nothing but a get or put of ours for it."""
        parent = parent_of(helper)
        if parent is None:
            return None
        record = self.records.get(id(parent))
        if record is None:
            role = role_of(parent, None)
            if role is None:
                return None
            record = self._begin(parent, role, since, by_hand=False)
        living = [one for one in record.helpers if one() not in (None, helper)]
        record.helpers = (*living[1 - MOST_HELPERS :], weakref.ref(helper))
        return record

    def _begin(self, task: Any, role: Role, since: float, *, by_hand: bool) -> TaskRecord:
        reference: Any = TaskReference(task, self._gone)
        reference.key = id(task)
        record = TaskRecord(reference, self._stage(role.name), since, lasting=role.lasting, given=by_hand)
        self.records[id(task)] = record
        return record

    def _gone(self, reference: Any) -> None:
        """A finalizer: takes no lock and touches no total."""
        key: int = reference.key
        record = self.records.get(key)
        if record is not None and record.task is reference:
            del self.records[key]
            self.ended.append(record)

    def _end(self, record: TaskRecord) -> None:
        task = record.task()
        if task is not None and self.records.get(id(task)) is record:
            del self.records[id(task)]
        self.ended.append(record)

    def _stage(self, name: str) -> StageLedger:
        if name not in self.stages and len(self.stages) >= self.max_names:
            if not self.folded:
                faults.warn("bpexporter: over %d stages; further ones are counted as %s", self.max_names, OTHER)
            self.folded += 1
            name = OTHER
        return self.stages.setdefault(name, StageLedger(name))

    def left(self, task: Any, now: float) -> None:
        """`task` works for another stage from now on, or for none."""
        record = self.records.get(id(task))
        if record is not None and record.task() is task:
            record.last = max(record.last, now)
            self._end(record)

    # On the thread of a reading -----------------------------------------------------------------

    def read(
        self, present: Present, callers: Mapping[Link, tuple[float, float]], loops: Iterable[Any]
    ) -> dict[str, StageReading]:
        """A reading of each stage.

        `callers`: by link, the seconds that all callers have waited, and how many of them at most in brief waits.
        The tasks of `loops`, and of those in which a task was looked at, are walked once a second at most.
        """
        now = self.clock()
        walks = now - self.walked >= WALK_SECONDS
        if walks:
            living = [record.task() for record in list(self.records.copy().values())]
            known = {task.get_loop() for task in living if task is not None}
            self._walk(now, present, tasks_of({*loops, *known}))
        self._settle(now, present)
        if walks:
            self._look_for_skew()
        self._share_out(callers, present)
        return {name: stage.reading() for name, stage in self.stages.copy().items()}

    def _walk(self, now: float, present: Present, tasks: Iterable[Any]) -> None:
        """Find the tasks of known stages that nobody has looked at yet, and look at what they wait for."""
        self.walked = now
        for task in tasks:
            try:
                self._visit(task, now, present)
            except Exception as error:
                faults.swallow(error, "a task")

    def _visit(self, task: Any, now: float, present: Present) -> None:
        record = self.records.get(id(task))
        if record is None:
            if runs_inner(task):
                if present.of(task) is not None:
                    self._helped(task, now)
                return
            role = role_of(task, None)
            if role is None or not role.lasting or role.name not in self.stages:
                return
            record = self._begin(task, role, now, by_hand=False)
        if present.for_record(record, task) is None:
            what = awaited_by(task)
            if what:
                record.stage.awaited(what)

    def _settle(self, now: float, present: Present) -> None:
        while self.ended:
            record = self.ended.popleft()
            record.settle(record.last)
        for stage in self.stages.values():
            for totals in (stage, *stage.crews.values()):
                totals.tasks = 0
        for record in list(self.records.copy().values()):
            task = record.task()
            if task is None or task.done() or _has_left(record, task):
                self._end(record)
            else:
                self._settle_live(record, task, now, present)

    def _settle_live(self, record: TaskRecord, task: Any, now: float, present: Present) -> None:
        record.last = max(record.last, now)
        found = present.for_record(record, task)
        if found is None:
            record.settle(now)
            record.until = max(record.until, now)
        else:
            link, since = found
            record.settle(now, (link, max(0.0, now - max(since, record.until))))
        record.stage.tasks += 1
        crew = record.stage.crew_of(record.links)
        if crew is not None:
            crew.tasks += 1

    def _look_for_skew(self) -> None:
        """How busy the busiest task of each crew was since the last look."""
        for stage in self.stages.values():
            for crew in stage.crews.values():
                crew.busiest = 0.0
        for record in list(self.records.copy().values()):
            own = record.stage.crew_of(record.links)
            (lived, worked), record.share = record.share, (0.0, 0.0)
            if own is not None and lived > 0:
                own.busiest = max(own.busiest, min(1.0, worked / lived))

    def _share_out(self, callers: Mapping[Link, tuple[float, float]], present: Present) -> None:
        """Waits too brief to be told one by one are those of the stages that were seen there, by their looks."""
        others = present.unclaimed()
        for link, (seconds, brief) in callers.items():
            stages = [stage for stage in self.stages.values() if link in stage.links]
            known = self.brief.get(link, 0.0)
            told = sum(stage.waits.get(link, 0.0) for stage in stages)
            untold = seconds - told - self.unknown.get(link, 0.0) - others.get(link, 0.0)
            new = min(untold, brief - known)
            looks = sum(stage.looks.get(link, 0) for stage in stages)
            if new > 0 and looks:
                parts = [stage.share_out(link, new * stage.looks.get(link, 0) / looks) for stage in stages]
                self.brief[link] = known + sum(parts)
            for stage in stages:
                stage.looks[link] = min(stage.looks.get(link, 0), 1)
        for stage in self.stages.values():
            for totals in (stage, *stage.crews.values()):
                totals.fresh = 0.0


def _has_left(record: TaskRecord, task: Any) -> bool:
    """Whether a task that works now for this one and now for that, as those of servers do, does something else."""
    if record.lasting or getattr(task, "_fut_waiter", None) is None:
        return False
    role = role_of(task, None)
    return role is None or role.name != record.stage.name
