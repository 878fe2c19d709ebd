"""Totals of processes that are gone: one file, replaced whole, that says whom it holds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bpexporter.publishing.format import (
    HEAD,
    HEADER_BYTES,
    Header,
    Unreadable,
    doubles_of,
    headers,
    names_of,
    read_slot,
    rows_in,
    table_of,
    write_slot,
)
from bpexporter.publishing.merging import Merging, Names, Part
from bpexporter.publishing.own_file import allocate
from bpexporter.publishing.reading import is_id, opened
from bpexporter.publishing.rows import Rows, counted, row_of

FILE, NEW, STRANGE = "totals", "totals.new", "totals.unreadable"
OWN_ID = "0" * 16
# A copy of a file that was folded may come back under the same inode; so many of the last are remembered.
REMEMBERED = 512


class Totals(NamedTuple):
    """The sums of those that are gone. A new one is made for each change, with the next generation."""

    generation: int = 0
    rows: Rows = {}
    folded: tuple[str, ...] = ()
    """IDs whose files are still there, or were lately: they count here."""
    ended: int = 0
    killed: int = 0
    names: Mapping[str, Iterable[str]] = {}
    """By kind that has no room for further names, those that have series of their own."""

    def with_folded(self, dead: Mapping[str, Rows], *, ended: int, there: Iterable[str], names: Names) -> Totals:
        """These totals and what the `dead` have counted, by ID; `there` are the IDs that have a file."""
        merging = Merging(names)
        for rows in (self.rows, *dead.values()):
            merging.add(Part({key: counted(row) for key, row in rows.items()}))
        rows = {key: counted(row_of(key[0], reading)) for key, reading in merging.readings().items()}
        known = set(there) | set(dead)
        gone = [one for one in self.folded if one not in known][-REMEMBERED:]
        kept = [one for one in self.folded if one in known]
        return Totals(
            generation=self.generation + 1,
            rows=rows,
            folded=(*gone, *kept, *dead),
            ended=self.ended + ended,
            killed=self.killed + len(dead) - ended,
            names=names.full(),
        )


def signature(folder: Path) -> tuple[int, int, int]:
    """Returns a mark that differs when the totals of `folder` were replaced."""
    try:
        found = (folder / FILE).stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_totals(folder: Path) -> Totals:
    """The totals of `folder`; empty where there are none. Raises `Unreadable`."""
    try:
        fd = opened(folder / FILE)
    except FileNotFoundError:
        return Totals()
    try:
        size = os.fstat(fd).st_size
        header = headers(fd, size)[0]
        names, doubles = read_slot(fd, size, header)
        table = table_of(names)
        return _understood(header.sequence, table.about, rows_in(table, doubles))
    finally:
        os.close(fd)


def _understood(generation: int, about: dict[str, Any], rows: Rows) -> Totals:
    try:
        names = {str(kind): list(map(str, names)) for kind, names in about["names"].items()}
        folded = tuple(one for one in about["folded"] if is_id(one))
        return Totals(generation, rows, folded, int(about["ended"]), int(about["killed"]), names)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable("names") from error


def write_totals(folder: Path, totals: Totals) -> None:
    """Put `totals` in the place of those before, in one step."""
    about = {"folded": totals.folded, "ended": totals.ended, "killed": totals.killed, "names": totals.names}
    names, doubles = names_of(totals.rows, about), doubles_of(totals.rows)
    size = HEAD + 2 * (len(names) + len(doubles) + HEADER_BYTES)
    fd = os.open(folder / NEW, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        allocate(fd, size)
        inode = os.fstat(fd).st_ino
        header = Header(OWN_ID, inode, totals.generation, 0.0, False, len(names), len(doubles) // 8, 0)
        write_slot(fd, size, header, names, doubles)
    finally:
        os.close(fd)
    (folder / NEW).rename(folder / FILE)


def set_aside(folder: Path) -> None:
    """Move totals that cannot be read out of the way, where somebody can look at them."""
    with contextlib.suppress(OSError):
        (folder / FILE).rename(folder / STRANGE)
