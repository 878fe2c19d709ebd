"""The folder in which processes publish, as a sidecar sees it: the living, the dead, and all of them together.

Whoever holds the lock of the folder folds the dead into the totals; others only look. No clock and no pid decides who
is dead: the lock on a process's file does, which the kernel gives back when the process is gone.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bpexporter.faults import faults
from bpexporter.hub.registry import MAX_NAMES
from bpexporter.hub.snapshot import Snapshot
from bpexporter.publishing import evidence
from bpexporter.publishing.evidence import Evidence
from bpexporter.publishing.folder_lock import FolderLock
from bpexporter.publishing.format import Publication, Unreadable
from bpexporter.publishing.merging import Merging, Names, Part
from bpexporter.publishing.own_file import PROCESSES, made_folder
from bpexporter.publishing.pressures import Pressures
from bpexporter.publishing.processes import Process, in_order, process_of
from bpexporter.publishing.reading import Reader, is_id, is_locked, is_still, opened
from bpexporter.publishing.rows import counted
from bpexporter.publishing.totals import Totals, read_totals, set_aside, signature, write_totals
from bpexporter.resources.exporter.metrics import ItselfReading
from bpexporter.resources.kinds import RESOURCES
from bpexporter.settings import VERSION

# Seconds: where nobody asks, publications are read so often only.
SELDOM = 5.0
NOTHING_YET = ItselfReading({(VERSION,): 1}, 0.0, 0, {}, {})


class _Dead(NamedTuple):
    """A file whose process is gone; we hold its lock until it is folded."""

    fd: int
    path: Path
    publication: Publication


class Folder:
    """The processes that publish in `path`. May be asked from any thread."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._guard = threading.Lock()
        self._lock = FolderLock(path)
        self._totals = Totals()
        self._signature: tuple[int, int, int] | None = None
        self._readers: dict[str, Reader] = {}
        self._names = Names(most=MAX_NAMES)
        self._alive: dict[str, Publication] = {}
        self._waiting: dict[str, Publication] = {}  # gone, and not yet in the totals
        self._left_out: Counter[str] = Counter()
        self._pressures = Pressures()
        self._must_write = False  # the totals are gone from the folder, and we know them
        made_folder(path)

    # Looking -------------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Look who lives and who is gone; fold the dead where that is ours to do."""
        with self._guard:
            self._poll(SELDOM)

    def _poll(self, seconds: float = 0.0) -> None:
        """Look; what was read within `seconds` is not read again."""
        self._recent_since = self._clock() - seconds
        holds = self._lock.holds()
        self._refresh(became=holds and not self._lock.held_before)
        before = self._alive | self._waiting
        self._alive, self._left_out, dead = {}, Counter(), []
        for path in self._files():
            found = self._look(path)
            if isinstance(found, _Dead):
                dead.append(found)
        self._waiting = self._vanished(before) | {one.path.name: one.publication for one in dead}
        try:
            if holds:
                self._folding(dead)
        finally:
            for one in dead:
                os.close(one.fd)
        self._readers = {name: one for name, one in self._readers.items() if name in self._alive}
        self._pressures.note(self._alive)

    def _refresh(self, *, became: bool) -> None:
        """Read the totals again where somebody else has written them, or we are to go on with them."""
        now = signature(self.path)
        if now == self._signature and not became:
            return
        try:
            totals = read_totals(self.path)
        except (Unreadable, OSError) as error:
            faults.tell("totals", "bpexporter cannot read the totals in %s: %r", self.path, error)
            if self._lock.held:
                set_aside(self.path)
            totals = Totals()
        known = self._totals.generation
        self._must_write = totals.generation < known and self._lock.held
        if totals.generation >= known or (totals.generation and not self._lock.held):
            self._totals = totals
            for kind, names in totals.names.items():
                for name in names:
                    self._names.shown(kind, name)
            for kind, name in totals.rows:
                self._names.shown(kind, name)
        self._signature = now

    def _files(self) -> list[Path]:
        try:
            return list((self.path / PROCESSES).iterdir())
        except OSError as error:
            faults.tell("folder", "bpexporter cannot look into %s: %r", self.path, error)
            with contextlib.suppress(OSError):
                made_folder(self.path)
            return []

    def _look(self, path: Path) -> _Dead | None:
        """A file of the folder; if its process is gone it comes back, locked."""
        hidden = path.name.startswith(".")
        if not is_id(path.name.removeprefix(".")):
            self._leave_out(path, "name")
            return None
        try:
            fd = opened(path)
        except FileNotFoundError:
            return None
        except Unreadable as error:
            self._leave_out(path, str(error))
            return None
        dead = None
        try:
            if hidden:
                self._clear(fd, path)
            else:
                dead = self._look_at(fd, path)
        finally:
            if dead is None:
                os.close(fd)
        return dead

    def _look_at(self, fd: int, path: Path) -> _Dead | None:
        locked = is_locked(fd)
        if path.name in self._totals.folded:
            if not locked and self._lock.held and is_still(fd, path):
                self._put_away(fd, path)
            return None
        reader = self._readers.setdefault(path.name, Reader(path))
        if locked and reader.last is not None and reader.last.at > self._recent_since:
            self._alive[path.name] = reader.last
            return None
        try:
            publication = reader.read(fd)
        except Unreadable as error:
            self._leave_out(path, str(error))
            if not locked or reader.last is None:
                return None
            publication = reader.last
        if locked:
            self._alive[path.name] = publication
        return _Dead(fd, path, publication) if not locked and is_still(fd, path) else None

    def _clear(self, fd: int, path: Path) -> None:
        """Remove a file that was never finished, where its process is gone."""
        if self._lock.held and not is_locked(fd) and is_still(fd, path):
            path.unlink(missing_ok=True)

    def _leave_out(self, path: Path, reason: str) -> None:
        self._left_out[reason] += 1
        faults.tell(f"file: {reason} {path.name[:40]}", "bpexporter leaves out %s: %s", path, reason)

    def _vanished(self, before: dict[str, Publication]) -> dict[str, Publication]:
        """Publications whose file is gone, and that nobody has folded: what is counted there stays."""
        return {
            name: publication
            for name, publication in before.items()
            if name not in self._alive
            and name not in self._totals.folded
            and not os.path.lexists(self.path / PROCESSES / name)
        }

    # Folding --------------------------------------------------------------------------------------------

    def _folding(self, dead: list[_Dead]) -> None:
        try:
            self._fold(dead)
            evidence.tidy(self.path, self._clock())
        except OSError as error:
            faults.tell(f"folding: {error.errno}", "bpexporter cannot fold the dead in %s: %r", self.path, error)

    def _fold(self, dead: list[_Dead]) -> None:
        if not self._waiting and not self._names_to_keep() and not self._must_write:
            return
        self._admit()
        rows = {name: publication.rows for name, publication in self._waiting.items()}
        ended = sum(publication.ended for publication in self._waiting.values())
        there = {path.name for path in self._files()}
        totals = self._totals.with_folded(rows, ended=ended, there=there, names=self._names)
        write_totals(self.path, totals)
        self._totals, self._signature, self._waiting = totals, signature(self.path), {}
        self._must_write = False
        for one in dead:
            self._put_away(one.fd, one.path, ended=one.publication.ended)

    def _admit(self) -> None:
        """Names of those that began first get series of their own first, whoever ends first."""
        for publication in in_order([*self._alive.values(), *self._waiting.values()]):
            for kind, name in publication.rows:
                self._names.shown(kind, name)

    def _names_to_keep(self) -> bool:
        full = self._names.full()
        return bool(full) and full != {kind: list(names) for kind, names in self._totals.names.items()}

    def _put_away(self, fd: int, path: Path, *, ended: bool | None = None) -> None:
        """Remove the file of a process that is in the totals, or keep it as evidence of a crash."""
        with contextlib.suppress(OSError):
            if ended is None:
                try:
                    ended = Reader(path).read(fd).ended
                except Unreadable:
                    ended = True
            if ended:
                path.unlink(missing_ok=True)
            else:
                evidence.keep(self.path, path)

    # Showing --------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """All processes together, as last published; what ages is as old as it is by now."""
        with self._guard:
            self._poll()
            now = self._clock()
            merging = Merging(self._names)
            merging.add(Part(self._totals.rows))
            for publication in self._waiting.values():
                merging.add(Part({key: counted(row) for key, row in publication.rows.items()}))
            for publication in in_order(self._alive.values()):
                merging.add(Part(publication.rows, max(0.0, now - publication.at)))
            if self._lock.held and self._names_to_keep():
                self._folding([])
            return self._with_processes(merging.snapshot(), merging.histograms_left_out, now)

    def _with_processes(self, snapshot: Snapshot, left_out: int, now: float) -> Snapshot:
        itself = snapshot.kinds["itself"].get("") or NOTHING_YET
        totals, waiting = self._totals, self._waiting.values()
        ended = sum(one.ended for one in waiting)
        states = {
            ("alive",): len(self._alive),
            ("ended",): totals.ended + ended,
            ("killed",): totals.killed + len(waiting) - ended,
        }
        ages = [now - one.at for one in self._alive.values() if any(kind in RESOURCES for kind, _name in one.rows)]
        whole = itself._replace(
            processes=states,
            process_age_seconds=max(ages, default=None),
            files_left_out={(reason,): count for reason, count in self._left_out.items()},
            histograms_left_out=left_out,
            worst_pressure_ratio=self._pressures.worst(),
        )
        return Snapshot({**snapshot.kinds, "itself": {"": whole}})

    def processes(self) -> list[Process]:
        """Each process that lives, with its own readings; the oldest first."""
        with self._guard:
            self._poll()
            now = self._clock()
            return [process_of(publication, now) for publication in in_order(self._alive.values())]

    def evidence(self) -> list[Evidence]:
        """Returns the last words of processes that were killed, the latest first."""
        return evidence.kept(self.path, self._clock())

    def alive(self) -> int:
        """The number of processes that live, as of the last look."""
        return len(self._alive)

    def close(self) -> None:
        """Let go of the lock of the folder."""
        self._lock.close()
