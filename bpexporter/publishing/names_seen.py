"""Counts of the names in a folder, made in a moment, for a line at the end of a program."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from bpexporter.publishing.format import Unreadable
from bpexporter.publishing.own_file import PROCESSES
from bpexporter.publishing.reading import read_file
from bpexporter.publishing.totals import Totals, read_totals
from bpexporter.resources.kinds import RESOURCES


class Seen(NamedTuple):
    """The counts of what was seen."""

    names: dict[str, int]
    """Names by kind."""
    processes: int
    """Processes that have published."""
    killed: int
    """Those that ended without a word, as far as it is known."""


def seen_in(folder: Path) -> Seen:
    """Returns the counts of what the processes that published in `folder` have seen."""
    totals = Totals()
    with contextlib.suppress(Unreadable, OSError):
        totals = read_totals(folder)
    found, count = set(totals.rows), totals.ended + totals.killed
    with contextlib.suppress(OSError):
        for path in (folder / PROCESSES).iterdir():
            with contextlib.suppress(OSError, Unreadable):
                publication = read_file(path)
                count += publication.id not in totals.folded
                found |= set(publication.rows)
    names = {kind: sum(one == kind for one, _name in found) for kind in RESOURCES}
    return Seen(names, count, totals.killed)
