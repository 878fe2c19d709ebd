"""Sightings: items seen waiting whenever somebody looked, in a queue whose items have places.

The marks of tracers hold while all comes and goes by put and get. A host that takes items out, or puts them back to the
front, by other ways moves the rest: an item that was seen is then looked for at the places to which it can have
come, and known again by its likeness. So an age neither exceeds the truth nor falls to nothing. Belongs to whoever
reads; the thread that puts and gets never touches it.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any, NamedTuple

from bpexporter.primitives.likeness import is_alike, likeness_of

# So many items at most are known at once.
MOST_SEEN = 12
SINCE = attrgetter("since")


class View(NamedTuple):
    """A queue at one moment."""

    container: Any
    """The container of the items: the next one in at its right end."""
    depth: int
    """Items waiting."""
    puts: int
    """Items in so far."""
    unaccounted: int
    """Puts less gets less depth: items that came or went by other ways."""


class Sighting(NamedTuple):
    """An item that was seen waiting."""

    since: float
    """Monotonic seconds from which on it is known to have waited."""
    number: int
    """First in, first out: how many puts there were when it was the newest. Last in, first out: the items up to it."""
    key: int
    """Its identity."""
    likeness: Any
    """The likeness, which tells it from another at its address."""


class Sightings:
    """Items of a queue that were seen waiting, the oldest first."""

    __slots__ = ("looked", "seen", "stacked", "trusted_from")

    def __init__(self, *, stacked: bool) -> None:
        self.stacked = stacked  # last in, first out
        self.seen: tuple[Sighting, ...] = ()
        self.looked = View((), 0, 0, 0)
        self.trusted_from = -math.inf  # before, items came or went by other ways

    def copy(self) -> Sightings:
        """The same, to look on with."""
        other = Sightings(stacked=self.stacked)
        other.seen, other.looked, other.trusted_from = self.seen, self.looked, self.trusted_from
        return other

    def look(self, view: View, now: float, *, since: float, empty_at: float) -> float:
        """Returns since when the oldest known item waits.

        `since` is what is known otherwise of the first in; nothing has been there since before `empty_at`.
        """
        self.seen = tuple([sighting for sighting in self.seen if sighting.since >= empty_at])
        before, self.looked = self.looked, View((), view.depth, view.puts, view.unaccounted)
        shift = view.unaccounted - before.unaccounted
        if not shift:
            kept = self._in_place(view, now)
        else:
            kept = [] if view.depth <= view.puts - before.puts else self._kept(view, shift)
        if self.looked != before or not kept:
            kept += self._new(view, now, max(since, self.trusted_from))
        oldest = {one.number: one for one in sorted(kept, key=SINCE, reverse=True)}  # of each place the oldest stays
        kept = sorted(oldest.values(), key=SINCE)
        self.seen = tuple(kept if len(kept) <= MOST_SEEN else kept[::2])
        return min((sighting.since for sighting in self.seen), default=now)

    def oldest_still(self, view: View, *, empty_at: float) -> float | None:
        """The same where nothing has come or gone since the last look, and all lies where it lay; else ``None``."""
        seen = self.seen
        if not seen or self.looked[1:] != view[1:] or seen[0].since < empty_at:
            return None
        return seen[0].since if all(self._is_at(one.number, view, one) for one in seen) else None

    def renumbered(self, puts: int, depth: Any, elapsed: float) -> Sightings:
        """The same for who counts from zero with the present `depth` items, by a clock that is `elapsed` ahead."""
        others = Sightings(stacked=self.stacked)
        back = 0 if self.stacked else puts
        others.seen = tuple(one._replace(number=one.number - back, since=one.since + elapsed) for one in self.seen)
        others.looked = View((), depth, 0, -depth)
        return others

    def _kept(self, view: View, shift: int) -> list[Sighting]:
        """Those seen before that are there still: where they must be, or where other ways can have moved them to."""
        found = (self._found(sighting, view, shift) for sighting in self.seen)
        return [sighting for sighting in found if sighting is not None]

    def _found(self, sighting: Sighting, view: View, shift: int) -> Sighting | None:
        moved = sighting.number - shift if self.stacked else sighting.number + shift
        numbers = [number for number in {sighting.number, moved} if self._is_at(number, view, sighting)]
        # At both places lies what looks the same: who knows which of the two this was.
        return sighting._replace(number=numbers[0]) if len(numbers) == 1 else None

    def _in_place(self, view: View, now: float) -> list[Sighting]:
        """Those that are where they must be, where nothing came or went by other ways; else nothing is trusted."""
        kept = []
        for sighting in self.seen:
            index = self._index(sighting.number, view)
            if 0 <= index < view.depth:
                if is_at(view.container, index, sighting):
                    kept.append(sighting)
                elif not self.stacked or sighting.number == 1:
                    self.trusted_from = now
        return kept

    def _is_at(self, number: int, view: View, sighting: Sighting) -> bool:
        index = number - 1 if self.stacked else view.depth - 1 - (view.puts - number)  # `_index`, without the call
        return 0 <= index < view.depth and is_at(view.container, index, sighting)

    def _new(self, view: View, now: float, since: float) -> list[Sighting]:
        places = {view.depth // 2: now, view.depth - 1: now, 0: since}
        seen = (self._see(view, index, known) for index, known in places.items())
        return [sighting for sighting in seen if sighting is not None]

    def _see(self, view: View, index: int, since: float) -> Sighting | None:
        try:
            item = view.container[index]
        except IndexError:  # taken in this moment
            return None
        number = index + 1 if self.stacked else view.puts - (view.depth - 1 - index)
        return Sighting(since, number, id(item), likeness_of(item))

    def _index(self, number: int, view: View) -> int:
        return number - 1 if self.stacked else view.depth - 1 - (view.puts - number)


class Counted:
    """Of a queue that cannot be looked into: an item waits still while fewer went than were there.

    Whatever was put and is not there has gone, by a get or otherwise; a put that was dropped counts as one more.
    """

    __slots__ = ("seen", "unaccounted")

    def __init__(self) -> None:
        self.seen: tuple[tuple[float, float], ...] = ()  # since when, and how many are gone when all of them may be
        self.unaccounted = 0.0

    def look(self, view: View, now: float) -> float:
        """Returns since when the oldest known item waits."""
        gone = view.puts - view.depth
        if view.unaccounted < self.unaccounted:  # some came that nobody put: they hide as many that went
            self.seen = ()
        self.unaccounted = view.unaccounted
        kept = [(since, until) for since, until in self.seen if gone < until]
        if not kept or kept[-1][1] != gone + view.depth:
            kept.append((now, gone + view.depth))
        self.seen = tuple(kept if len(kept) <= MOST_SEEN else kept[::2])
        return self.seen[0][0]


def is_at(container: Any, index: int, sighting: Sighting) -> bool:
    """Returns whether the item of `sighting` lies at `index`."""
    try:
        item = container[index]
    except IndexError:
        return False
    return id(item) == sighting.key and is_alike(sighting.likeness, item)
