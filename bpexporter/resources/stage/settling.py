"""The reading of stages: what is new of each task is settled with its stage, from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.stage.metrics import RUNNING, Link, StageReading
from bpexporter.resources.stage.naming import awaited_by, role_of, runs_inner
from bpexporter.resources.stage.present import Present
from bpexporter.resources.stage.records import TaskRecord
from bpexporter.resources.stage.table import StageTable
from bpexporter.resources.tasks import tasks_of

# Seconds between two walks through all tasks of the process.
WALK_SECONDS = 1.0


class Settling:
    """Reads a table of stages. Not for several threads at a time."""

    def __init__(self, table: StageTable) -> None:
        self.table = table

    def read(
        self, present: Present, callers: Mapping[Link, tuple[float, float]], loops: Iterable[Any]
    ) -> dict[str, StageReading]:
        """A reading of each stage.

        `callers`: by link, the seconds that all callers have waited, and how many of them at most in brief waits.
        The tasks of `loops`, and of those in which a task was looked at, are walked once a second at most.
        """
        now = self.table.clock()
        walks = now - self.table.walked >= WALK_SECONDS
        if walks:
            living = [record.task() for record in list(self.table.records.copy().values())]
            known = {task.get_loop() for task in living if task is not None}
            self._walk(now, present, tasks_of({*loops, *known}))
            self._look_who_runs({*loops, *known})
        self._settle(now, present)
        if walks:
            self._look_for_skew()
        self._share_out(callers, present)
        return {name: stage.reading() for name, stage in self.table.stages.copy().items()}

    def _walk(self, now: float, present: Present, tasks: Iterable[Any]) -> None:
        """Find the tasks of known stages that nobody has looked at yet, and look at what they wait for."""
        self.table.walked = now
        for task in tasks:
            try:
                self._visit(task, now, present)
            except Exception as error:
                faults.swallow(error, "a task")

    def _look_who_runs(self, loops: Iterable[Any]) -> None:
        """Returns whose step it is. A thread that looks gets its turn within long steps alone, of 5 ms and more."""
        for loop in loops:
            task = asyncio.current_task(loop)
            record = self.table.records.get(id(task)) if task is not None else None
            if record is not None and record.task() is task:
                record.stage.awaited(RUNNING)

    def _visit(self, task: Any, now: float, present: Present) -> None:
        record = self.table.records.get(id(task)) or self._found(task, now, present)
        if record is None:
            return
        if present.for_record(record, task) is None:
            what = awaited_by(task)
            if what:
                record.stage.awaited(what)

    def _found(self, task: Any, now: float, present: Present) -> TaskRecord | None:
        """A record of a task that waits for what is watched, or works for a stage that is known."""
        waits = present.of(task)
        if runs_inner(task):
            return None if waits is None else self.table.helped(task, waits[1])
        role = role_of(task, None)
        if role is None or (waits is None and not (role.lasting and role.name in self.table.stages)):
            return None
        if waits is None:
            return self.table.begin(task, role, now)
        record = self.table.begin(task, role, waits[1])
        record.used(waits[0], waits[1])
        record.stage.seen(waits[0])
        return record

    def _settle(self, now: float, present: Present) -> None:
        for stage in self.table.stages.values():
            for totals in (stage, *stage.crews.values()):
                totals.tasks = 0
        for record in list(self.table.records.copy().values()):
            task = record.task()
            if task is None or task.done() or _has_left(record, task):
                self.table.end(record)
            else:
                self._settle_live(record, task, now, present)
        while self.table.ended:
            record = self.table.ended.popleft()
            record.settle(record.last, self.table.links)

    def _settle_live(self, record: TaskRecord, task: Any, now: float, present: Present) -> None:
        record.last = max(record.last, now)
        found = present.for_record(record, task)
        if found is None:
            record.settle(now, self.table.links)
            record.until = max(record.until, now)
        else:
            link, since = found
            record.settle(now, self.table.links, (link, max(0.0, now - max(since, record.until))))
        record.stage.tasks += 1
        crew = record.stage.crew_of(record.links)
        if crew is not None:
            crew.tasks += 1

    def _look_for_skew(self) -> None:
        """Returns the busy share of the busiest task of each crew since the last look."""
        for stage in self.table.stages.values():
            for crew in stage.crews.values():
                crew.busiest = 0.0
        for record in list(self.table.records.copy().values()):
            own = record.stage.crew_of(record.links)
            (lived, worked), record.share = record.share, (0.0, 0.0)
            if own is not None and lived > 0:
                own.busiest = max(own.busiest, min(1.0, worked / lived))

    def _share_out(self, callers: Mapping[Link, tuple[float, float]], present: Present) -> None:
        """Waits too brief to be told one by one are those of the stages that were seen there, by their looks."""
        others = present.unclaimed()
        for link, (seconds, brief) in callers.items():
            stages = [stage for stage in self.table.stages.values() if link in stage.links]
            known = self.table.brief.get(link, 0.0)
            told = sum(stage.waits.get(link, 0.0) for stage in stages)
            untold = seconds - told - self.table.unknown.get(link, 0.0) - others.get(link, 0.0)
            new = min(untold, brief - known)
            looks = sum(stage.looks.get(link, 0) for stage in stages)
            if new > 0 and looks:
                parts = [stage.share_out(link, new * stage.looks.get(link, 0) / looks) for stage in stages]
                self.table.brief[link] = known + sum(parts)
            for stage in stages:
                stage.looks[link] = min(stage.looks.get(link, 0), 1)
        for stage in self.table.stages.values():
            for totals in (stage, *stage.crews.values()):
                totals.unshown_seconds = 0.0


def _has_left(record: TaskRecord, task: Any) -> bool:
    """Returns whether a task that works for one and another in turn, as those of servers do, does something else."""
    if record.lasting or getattr(task, "_fut_waiter", None) is None:
        return False
    role = role_of(task, None)
    return role is None or role.name != record.stage.name
