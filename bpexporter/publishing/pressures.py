"""The pressure in each process, and the highest of all: a mean over processes hides one of many."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from bpexporter.publishing.format import Publication
from bpexporter.publishing.layouts import Layout

# Seconds over which pressure is measured, and between two looks that are kept for it.
WINDOW, STEP = 15.0, 5.0
SECONDS = (("stalled_seconds",),)
MEMBERS = (("members",), ("open_writers",))

Looks = deque[tuple[float, dict[tuple[str, str], float]]]


class Pressures:
    """Stalled seconds a second and member, of each process."""

    def __init__(self) -> None:
        self._looks: dict[str, Looks] = {}
        self._now: dict[str, Publication] = {}

    def note(self, alive: Mapping[str, Publication]) -> None:
        """These are the publications of those that live."""
        self._now = dict(alive)
        self._looks = {name: self._looks.get(name, deque()) for name in alive}
        for name, publication in alive.items():
            looks = self._looks[name]
            if not looks or publication.at - looks[-1][0] >= STEP:
                looks.append((publication.at, dict(_stalled(publication))))
            while len(looks) > 1 and publication.at - looks[1][0] >= WINDOW:
                looks.popleft()

    def worst(self) -> dict[tuple[str, str], float]:
        """By kind and name, the pressure of the process where it is highest, 0 to 1."""
        worst: dict[tuple[str, str], float] = {}
        for name, publication in self._now.items():
            at, before = self._looks[name][0]
            elapsed = publication.at - at
            if elapsed <= 0:
                continue
            for key, seconds in _stalled(publication):
                pressure = min(1.0, max(0.0, seconds - before.get(key, 0.0)) / elapsed)
                worst[key] = max(pressure, worst.get(key, 0.0))
        return worst


def _stalled(publication: Publication) -> Iterator[tuple[tuple[str, str], float]]:
    """Stalled seconds of each name, by member."""
    for key, (layout, row) in publication.rows.items():
        seconds, members = _columns(layout)
        if seconds >= 0 and row[seconds] == row[seconds]:
            yield key, row[seconds] / max(1.0, row[members] if members >= 0 else 1.0)


_known: dict[Layout, tuple[int, int]] = {}


def _columns(layout: Layout) -> tuple[int, int]:
    if layout not in _known:
        if len(_known) > 10_000:
            _known.clear()
        _known[layout] = _first(layout, SECONDS), _first(layout, MEMBERS)
    return _known[layout]


def _first(layout: Layout, places: tuple[tuple[str], ...]) -> int:
    return next((layout.places.index(place) for place in places if place in layout.places), -1)
