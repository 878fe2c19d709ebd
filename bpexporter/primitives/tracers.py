"""Tracers: a few items of a queue, each timed on its way from put to get.

How an item is known again depends on the order in which the queue gives its items out: by the number
of gets, by its depth, or by its identity (an `int`; the item itself is never held). A mark that is `known` only is an
item seen waiting whose put was not timed: it bounds an age and is no sample.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

from bpexporter.primitives.likeness import SEARCHED, identities, is_alike, likeness_of
from bpexporter.primitives.limits import NEVER

# So many at once: more make the age of the oldest item finer, and each costs two clock readings.
MOST = 8
# Containers of items in which each has a place.
INDEXED = (deque, list)


class Mark(NamedTuple):
    """An item that is timed."""

    at: int
    """The gets, the depth or the identity by which it is known again."""
    since: float
    """Monotonic seconds at its put."""
    known: bool
    """True where it was only seen waiting, and its put was not seen."""


class Start(NamedTuple):
    """An item that is known again by its identity."""

    since: float
    """Monotonic seconds at its put, or when it was first seen waiting."""
    known: bool
    """True where it was only seen waiting, and its put was not seen."""
    likeness: Any
    """The likeness, which tells it from another that has come to lie at its address."""
    twin: int = 0
    """The identity of what it was put as, or is kept as, where that is another object."""


class ByMarks:
    """An order of places: an item is known again by a count, and never by itself."""

    __slots__ = ("marks",)
    starts: dict[int, Start] = {}  # none, in any of them

    def __init__(self) -> None:
        self.marks: tuple[Mark, ...] = ()

    def taken(self, item: object, now: float) -> list[float]:
        """Nothing: each is told by `out`."""
        return []

    def doubt(self, depth: int, puts: int) -> None:
        """Items came or went by other ways: which mark is whose is not known any more."""
        self.marks = ()

    def note_dropped(self) -> None:
        """A put had no effect on the number of items: marks are in doubt at the next look anyhow."""


class InTurn(ByMarks):
    """First in, first out: an item put at depth d comes out by the d-th get from then."""

    __slots__ = ()

    def add(
        self, item: object, gets: int, depth: int, now: float, *, known: bool = False, kept_as: object = None
    ) -> None:
        """`item`, the last of `depth`, is timed from `now` on."""
        marks = (*self.marks, Mark(gets + depth, now, known))
        self.marks = marks if len(marks) <= MOST else marks[::2]

    def out(self, gets: int, depth: int, now: float) -> list[float]:
        """The seconds of those that are out by now."""
        out = [mark for mark in self.marks if mark.at <= gets]
        self.marks = self.marks[len(out) :]
        return [now - mark.since for mark in out if not mark.known]

    @property
    def gets(self) -> int:
        """At how many gets the next one is out."""
        return self.marks[0].at if self.marks else NEVER

    @property
    def floor(self) -> int:
        """Under which depth the next one is out."""
        return 0

    def since(self, gets: int, depth: int, now: float) -> float:
        """Returns since when the oldest that is still in waits; `now` when there is none."""
        return next((mark.since for mark in self.marks if gets < mark.at <= gets + depth), now)


class Stacked(ByMarks):
    """Last in, first out: an item put at depth d is out when fewer than d are left."""

    __slots__ = ()

    def add(
        self, item: object, gets: int, depth: int, now: float, *, known: bool = False, kept_as: object = None
    ) -> None:
        """`item`, the topmost of `depth`, is timed from `now` on."""
        self.marks = (*self.marks[: MOST - 1], Mark(depth, now, known))

    def out(self, gets: int, depth: int, now: float) -> list[float]:
        """The seconds of those that are out by now."""
        out = [mark for mark in self.marks if mark.at > depth]
        self.marks = self.marks[: len(self.marks) - len(out)]
        return [now - mark.since for mark in out if not mark.known]

    @property
    def gets(self) -> int:
        """At how many gets the next one is out."""
        return NEVER

    @property
    def floor(self) -> int:
        """Under which depth the next one is out."""
        return self.marks[-1].at if self.marks else 0


class ByIdentity:
    """Any other order: an item is known again by its identity, where it is seen in the queue's container."""

    __slots__ = ("found", "puts", "starts", "trusted_from")

    def __init__(self) -> None:
        self.starts: dict[int, Start] = {}
        self.found: set[int] = set()  # the identities that the last look has found
        self.puts = 0  # of the queue, when the container was last looked at
        self.trusted_from = -math.inf  # before, items came or went by other ways

    def add(
        self, item: object, gets: int, depth: int, now: float, *, known: bool = False, kept_as: object = None
    ) -> None:
        """`item` is timed from `now` on; one that was only seen waiting cannot be.

        `kept_as` is what lies in the container for it: a pair of time and item, say. Either may come out.
        """
        if known:
            return
        timed = [key for key, start in self.starts.copy().items() if not start.known]
        if len(timed) >= MOST:
            self.starts.pop(timed[1], None)  # not the oldest, which shows what is left lying
        if kept_as is None or kept_as is item:
            self._start(item, now, known=False)
        else:
            self._start(item, now, known=False, twin=id(kept_as))
            self._start(kept_as, now, known=False, twin=id(item))

    def _start(self, item: object, now: float, *, known: bool, twin: int = 0) -> None:
        before = self.starts.get(id(item))
        if before is None or not is_alike(before.likeness, item):
            self.starts[id(item)] = Start(now, known, likeness_of(item), twin)

    def taken(self, item: object, now: float) -> list[float]:
        """The seconds of `item`, which came out; none where it was not timed."""
        start = self.starts.pop(id(item), None)
        if start is not None and start.twin:
            self.starts.pop(start.twin, None)
        if start is None or start.known or not is_alike(start.likeness, item):
            return []
        return [now - start.since]

    def out(self, gets: int, depth: int, now: float) -> list[float]:
        """Nothing: each is told by `taken`."""
        return []

    @property
    def gets(self) -> int:
        """At how many gets the next one is out."""
        return NEVER

    @property
    def floor(self) -> int:
        """Under which depth the next one is out."""
        return 0

    def know(self, other: ByIdentity, elapsed: float) -> None:
        """Takes over what `other` knows, by a clock that is `elapsed` ahead; it is no sample any more."""
        for key, start in other.starts.copy().items():
            self.starts[key] = start._replace(since=start.since + elapsed, known=True)

    def doubt(self, depth: int, puts: int) -> None:
        """Items came or went by other ways: where as many went in since the last look, none need be there any more."""
        if depth <= puts - self.puts:
            self.starts.clear()
        self.puts = puts

    def note_dropped(self) -> None:
        """A put left as many items as it found: it may have taken the place of another."""
        self.puts += 1

    def look(self, container: Any, puts: int, now: float, *, empty_at: float) -> float:
        """Returns since when the oldest known item in `container` waits; the others there are known from now on.

        May be called from another thread than the one that adds and takes.
        """
        if len(container) > SEARCHED:
            return min((start.since for start in self.starts.copy().values()), default=now)
        present = identities(container)
        starts = self.starts.copy()
        found = {key: self._found(key, start, container, present, now) for key, start in starts.items()}
        self.found = {key for key, since in found.items() if since is not None}
        if type(container) in INDEXED and present:
            for index in {0, len(present) // 2, len(present) - 1}:
                self._see(present[index], container, index, now)
        self.puts = puts
        return min((since for since in found.values() if since is not None and since >= empty_at), default=now)

    def _found(self, key: int, start: Start, container: Any, present: list[int], now: float) -> float | None:
        """Returns since when the item of `key` waits, and forgets it where it is not there: then ``None``."""
        if key in present and (type(container) not in INDEXED or self._is_at(present.index(key), start, container)):
            return start.since
        if (start.known or key in self.found) and self.starts.pop(key, None) is not None:
            self.trusted_from = now
        return None

    def _is_at(self, index: int, start: Start, container: Any) -> bool:
        try:
            return is_alike(start.likeness, container[index])
        except IndexError:  # taken in this moment
            return False

    def _see(self, key: int, container: Any, index: int, now: float) -> None:
        seen = sum(start.known for start in self.starts.copy().values())
        if key in self.starts or seen >= MOST:
            return
        try:
            item = container[index]
        except IndexError:
            return
        if id(item) == key:
            self._start(item, now, known=True)


Tracers = InTurn | Stacked | ByIdentity
