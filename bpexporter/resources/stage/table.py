"""The stages of a hub: which task works for which, found out as the tasks use what is watched.

Tasks are held by weak reference only and get nothing of ours. A finalizer takes no lock: it notes the record of the
dead task in a list, and the next reading settles it, or whoever begins a record where nobody has read for long.
"""

from __future__ import annotations

import sys
import threading
import weakref
from asyncio.events import _get_running_loop
from collections import deque
from collections.abc import Callable
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.listening import present_task
from bpexporter.resources.stage.metrics import Link
from bpexporter.resources.stage.naming import Role, given, parent_of, role_of, runs_inner
from bpexporter.resources.stage.records import OTHER, Side, StageLedger, TaskRecord

# So many records of tasks that have ended wait for a reading at most.
MOST_ENDED = 512
# So many tasks that wait for one of a stage are remembered of it.
MOST_HELPERS = 8


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
        self.settling = threading.RLock()  # held by whoever settles records; a finalizer may read in the middle of it
        self.links: dict[Side, Link] = {}
        self.unknown: dict[Link, float] = {}  # seconds waited by who is no task of a stage
        self.brief: dict[Link, float] = {}  # seconds of waits too brief to be told one by one
        self.folded = 0
        self.walked = float("-inf")
        self.ran: set[int] = set()  # the identities of the tasks that the last look found in a step

    # On the threads of the loops ----------------------------------------------------------------

    def operated(self, ledger: Any, side: str, now: float) -> None:
        """Somebody uses a resource: told now and then, on whatever thread that is."""
        link = self._link(ledger, side)
        record = self._at_work(now) if link[2] else None
        if record is not None:
            record.used(link, now)
            record.stage.seen(link)

    def waited(self, ledger: Any, side: str, token: object, began: float, ended: float) -> None:
        """A wait of the running task has ended."""
        self._waited(self._at_work(began), ledger, side, began, ended)

    def served(self, ledger: Any, side: str, task: int | None, began: float, ended: float) -> None:
        """A wait of a task that goes on later has ended; told on another thread, which ends none else here."""
        record = self.records.get(task) if task is not None else None
        self._waited(record, ledger, side, began, ended)

    def _waited(self, record: TaskRecord | None, ledger: Any, side: str, began: float, ended: float) -> None:
        if record is None:
            link = self._link(ledger, side)
            self.unknown[link] = self.unknown.get(link, 0.0) + ended - began
            return
        # Who runs several gets at a time waits once: since the last of them began, or the last one ended.
        since = max(began, record.until)
        record.until = ended
        seconds, waits, key = ended - since, record.waits, (ledger.entry, side)
        if key in waits:
            if seconds > 0:
                waits[key] += seconds
            return
        link = self._link(ledger, side)
        record.used(link, ended)
        record.stage.seen(link)
        if not record.shown and since < record.settled:  # its life begins with this wait, of whose end it was known
            record.settled = since
        waits[key] = max(0.0, seconds)

    def _link(self, ledger: Any, side: str) -> Link:
        key = ledger.entry, side
        if key not in self.links:
            instrument = ledger.instrument
            self.links[key] = ledger.entry.name, instrument.kind, instrument.directions.get(side, side)
        return self.links[key]

    def _at_work(self, since: float) -> TaskRecord | None:
        """The record of the running task."""
        loop = _get_running_loop()
        task = present_task(loop) if loop is not None else None
        record = self.records.get(id(task))
        name = given.get()
        if record is not None and record.lasting and record.given == name:
            return record
        return self._found(task, record, name, since)

    def _found(self, task: Any, record: TaskRecord | None, name: str | None, since: float) -> TaskRecord | None:
        if task is None:
            return None
        role = role_of(task, sys._getframe(1))
        if role is None and runs_inner(task):
            helped = self.helped(task, since)
            if helped is not None or not name:
                return helped
        if name:
            role = Role(name, lasting=True)
        if role is None or (record is not None and record.stage.name == role.name):
            return None if role is None else record
        if record is not None:
            record.last = max(record.last, since)
            self.end(record)
        return self.begin(task, role, since, name=name)

    def helped(self, helper: Any, since: float) -> TaskRecord | None:
        """The record of the task that awaits `helper`, which runs nothing but a get or put of ours for it."""
        parent = parent_of(helper)
        if parent is None:
            return None
        record = self.records.get(id(parent))
        if record is None:
            role = role_of(parent, None)
            if role is None:
                return None
            record = self.begin(parent, role, since)
        living = [one for one in record.helpers if one() not in (None, helper)]
        record.helpers = (*living[1 - MOST_HELPERS :], weakref.ref(helper))
        return record

    def begin(self, task: Any, role: Role, since: float, *, name: str | None = None) -> TaskRecord:
        """The record of a task that works for a stage from now on."""
        if len(self.ended) >= MOST_ENDED and self.settling.acquire(blocking=False):
            try:
                self.settle_ended()
            finally:
                self.settling.release()
        reference: Any = TaskReference(task, self._gone)
        reference.key = id(task)
        record = TaskRecord(reference, self._stage(role.name), since, lasting=role.lasting, given=name)
        self.records[id(task)] = record
        return record

    def _gone(self, reference: Any) -> None:
        """A finalizer: takes no lock and touches no total."""
        key: int = reference.key
        record = self.records.get(key)
        if record is not None and record.task is reference:
            del self.records[key]
            self.ended.append(record)

    def end(self, record: TaskRecord) -> None:
        """The task of `record` works for its stage no more; the next reading settles what it did."""
        task = record.task()
        if task is not None and self.records.get(id(task)) is record:
            del self.records[id(task)]
        self.ended.append(record)

    def settle_ended(self) -> None:
        """Let the stages have what the tasks did that have ended. Whoever calls holds `settling`."""
        while self.ended:
            record = self.ended.popleft()
            record.settle(record.last, self.links)

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
            self.end(record)
