"""Tracers: a few items of a queue, each timed on its way from put to get.

How an item is known again depends on the order in which the queue gives its items out: by the number
of gets, by its height, or by its identity (an `int`; the item itself is never held). A mark that is `known` only is an
item seen waiting whose put was not timed: it bounds an age and is no sample.
"""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.primitives.limits import NEVER

# So many at once: more make the age of the oldest item finer, and each costs two clock readings.
MOST = 8


class Mark(NamedTuple):
    """An item that is timed."""

    at: int
    """The gets, the height or the identity by which it is known again."""
    since: float
    """Monotonic seconds at its put."""
    known: bool
    """Whether it was only seen waiting."""


class InTurn:
    """First in, first out: an item put at depth d comes out by the d-th get from then."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: tuple[Mark, ...] = ()

    def add(self, item: object, gets: int, depth: int, now: float, *, known: bool = False) -> None:
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
    def height(self) -> int:
        """Under which depth the next one is out."""
        return 0

    def since(self, gets: int, depth: int, now: float) -> float:
        """Since when the oldest that is still in waits; `now` when there is none."""
        return next((mark.since for mark in self.marks if gets < mark.at <= gets + depth), now)


class Stacked:
    """Last in, first out: an item put at depth d is out when fewer than d are left."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: tuple[Mark, ...] = ()

    def add(self, item: object, gets: int, depth: int, now: float, *, known: bool = False) -> None:
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
    def height(self) -> int:
        """Under which depth the next one is out."""
        return self.marks[-1].at if self.marks else 0


class ByIdentity:
    """Any other order: an item is known again by its identity."""

    __slots__ = ("starts",)

    def __init__(self) -> None:
        self.starts: dict[int, float] = {}

    def add(self, item: object, gets: int, depth: int, now: float, *, known: bool = False) -> None:
        """`item` is timed from `now` on; one that was only seen waiting cannot be."""
        if known:
            return
        if len(self.starts) >= MOST:
            self.starts.popitem()  # the older ones show what is left lying
        self.starts.setdefault(id(item), now)

    def taken(self, item: object, now: float) -> list[float]:
        """The seconds of `item`, which came out; none where it was not timed."""
        since = self.starts.pop(id(item), None)
        return [] if since is None else [now - since]

    def out(self, gets: int, depth: int, now: float) -> list[float]:
        """Nothing: each is told by `taken`."""
        return []

    @property
    def gets(self) -> int:
        """At how many gets the next one is out."""
        return NEVER

    @property
    def height(self) -> int:
        """Under which depth the next one is out."""
        return 0

    def since(self, gets: int, depth: int, now: float) -> float:
        """Since when the oldest that is still in waits; `now` when there is none."""
        return min(self.starts.copy().values(), default=now)


Tracers = InTurn | Stacked | ByIdentity
