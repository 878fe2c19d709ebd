"""The reading of stages: what is new of each task is settled with its stage, from any thread."""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bpexporter.faults import faults
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.listening import LONG_WAIT
from bpexporter.resources.stage.metrics import RUNNING, Link, StageReading
from bpexporter.resources.stage.naming import awaited_by, role_of, runs_inner
from bpexporter.resources.stage.present import Present
from bpexporter.resources.stage.records import StageLedger, TaskRecord
from bpexporter.resources.stage.table import StageTable
from bpexporter.resources.tasks import tasks_of

# Seconds between two walks through all tasks of the process.
WALK_SECONDS = 1.0
# In each of these so many tasks of a stage are looked at for what they await.
MOST_LOOKS = 4


# Seconds that are lost between two readings of a clock.
NOTHING = 1e-5


class Callers(NamedTuple):
    """The waits of the callers of one side of a resource, whoever they are."""

    seconds: float
    """All of them together."""
    number: int
    """The number of callers that may have waited."""
    waits: HistogramReading
    """The seconds of those that waited."""

    def most_brief(self) -> float:
        """Returns the seconds, at most, of waits that are too brief to be told."""
        bounds, counts = self.waits.bounds, self.waits.counts[1:]
        first = max(0, self.number - sum(counts)) * min(bounds[0], LONG_WAIT)
        edges = zip(bounds, counts, strict=True)
        return first + sum(LONG_WAIT * number for lower, number in edges if lower < LONG_WAIT)


class Settling:
    """Reads a table of stages. Not for several threads at a time."""

    def __init__(self, table: StageTable) -> None:
        self.table = table

    def read(self, present: Present, callers: Mapping[Link, Callers], loops: Iterable[Any]) -> dict[str, StageReading]:
        """A reading of each stage.

        `callers`: by link, what all callers together have waited.
        The tasks of `loops`, and of those in which a task was looked at, are walked once a second at most.
        """
        with self.table.settling:
            return self._read(present, callers, loops)

    def _read(self, present: Present, callers: Mapping[Link, Callers], loops: Iterable[Any]) -> dict[str, StageReading]:
        now = self.table.clock()
        walks = now - self.table.walked >= WALK_SECONDS
        if walks:
            living = [record.task() for record in list(self.table.records.copy().values())]
            known = {task.get_loop() for task in living if task is not None}
            self._walk(now, present, tasks_of({*loops, *known}))
            self._look_who_runs({*loops, *known})
        self._settle(now, present, looks=MOST_LOOKS if walks else 0)
        if walks:
            self._look_for_skew()
        self._share_out(callers, present)
        return {name: stage.reading() for name, stage in self.table.stages.copy().items()}

    def _walk(self, now: float, present: Present, tasks: Iterable[Any]) -> None:
        """Find the tasks that nobody has looked at yet."""
        self.table.walked = now
        records = self.table.records
        for task in tasks:
            if id(task) not in records:
                try:
                    self._found(task, now, present)
                except Exception as error:
                    faults.swallow(error, "a task")

    def _look_who_runs(self, loops: Iterable[Any]) -> None:
        """Returns whose step it is. A thread that looks gets its turn within long steps alone, of 5 ms and more."""
        own = _get_running_loop()  # there it is the present step that asks
        others = (loop for loop in loops if loop is not own)
        running = [task for loop in others if (task := asyncio.current_task(loop)) is not None]
        for task in running:
            record = self.table.records.get(id(task)) or self._at_it_again(task)
            if record is not None and record.task() is task:
                record.stage.awaited(RUNNING)
        self.table.ran = {id(task) for task in running}

    def _at_it_again(self, task: Any) -> TaskRecord | None:
        """The record of a task that uses nothing that is watched, and was found in a long step twice in a row."""
        role = role_of(task, None) if id(task) in self.table.ran else None
        return self.table.begin(task, role, self.table.walked) if role is not None and role.lasting else None

    def _found(self, task: Any, now: float, present: Present) -> None:
        """Begin the record of a task that waits for what is watched, or works for a stage that is known."""
        waits = present.of(task)
        if runs_inner(task):
            if waits is not None:
                self.table.helped(task, waits[1])
            return
        role = role_of(task, None)
        if role is not None and waits is not None:
            record = self.table.begin(task, role, waits[1])
            record.used(waits[0], waits[1])
            record.stage.seen(waits[0])
        elif role is not None and role.lasting and role.name in self.table.stages:
            self.table.begin(task, role, now)

    def _settle(self, now: float, present: Present, *, looks: int) -> None:
        left = dict.fromkeys(self.table.stages, looks)
        for stage in self.table.stages.values():
            for totals in (stage, *stage.crews.values()):
                totals.tasks = 0
        for record in list(self.table.records.copy().values()):
            task = record.task()
            if task is None or task.done() or _has_left(record, task):
                self.table.end(record)
            else:
                waits = self._settle_live(record, task, now, present)
                if not waits and left.get(record.stage.name):
                    left[record.stage.name] -= 1
                    self._look_at_work(record, task)
        self.table.settle_ended()

    def _look_at_work(self, record: TaskRecord, task: Any) -> None:
        what = awaited_by(task)
        if what:
            record.stage.awaited(what)

    def _settle_live(self, record: TaskRecord, task: Any, now: float, present: Present) -> bool:
        """Settle what is new of a task that is alive; whether it waits for what is watched."""
        if now > record.last:
            record.last = now
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
        return found is not None

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

    def _share_out(self, callers: Mapping[Link, Callers], present: Present) -> None:
        """Waits too brief to be told one by one are those of the stages that were seen there, by their looks."""
        others, stages = present.unclaimed(), self.table.stages.copy().values()
        told, users = dict(others), dict[Link, list[StageLedger]]()
        for stage in stages:
            for link in stage.links & callers.keys():
                users.setdefault(link, []).append(stage)
                told[link] = told.get(link, 0.0) + stage.waits.get(link, 0.0)
        for link, found in users.items():
            untold = callers[link].seconds - told[link] - self.table.unknown.get(link, 0.0)
            if untold > NOTHING:
                self._share(link, untold, callers[link], found)
        for stage in stages:
            for totals in (stage, *stage.crews.values()):
                totals.unshown_seconds = 0.0

    def _share(self, link: Link, untold: float, callers: Callers, stages: list[StageLedger]) -> None:
        known = self.table.brief.get(link, 0.0)
        new = min(untold, callers.most_brief() - known)
        looks = sum(stage.looks.get(link, 0) for stage in stages)
        if new > 0 and looks:
            parts = [stage.share_out(link, new * stage.looks.get(link, 0) / looks) for stage in stages]
            self.table.brief[link] = known + sum(parts)
        for stage in stages:
            stage.looks[link] = min(stage.looks.get(link, 0), 1)


def _has_left(record: TaskRecord, task: Any) -> bool:
    """Returns whether a task that works for one and another in turn, as those of servers do, does something else."""
    if record.lasting or getattr(task, "_fut_waiter", None) is None:
        return False
    role = role_of(task, None)
    return role is None or role.name != record.stage.name
