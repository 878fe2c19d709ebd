"""The bytes of a publication: table of names, flat doubles, header; two slots in a file, written in turn.

No pickle and no marshal: names are JSON, numbers are doubles, and sizes are checked before memory is taken. The
header comes last and has a checksum of all, so that a slot which is written is never taken for one that is whole.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

from bpexporter.hub.names import checked_name
from bpexporter.primitives.histogram import checked_buckets
from bpexporter.publishing.layouts import DECLARED, Layout, Shape, layout_of
from bpexporter.publishing.rows import INFINITY, Rows
from bpexporter.resources.declaration import Metric

MAGIC, VERSION = b"bpxp", 1
# Magic, version, flags; ID, inode; sequence, time; bytes of names, number of doubles; checksum of header and data.
HEADER = struct.Struct("<4sHH16sQQdQQI")
HEADER_BYTES = 128
HEAD = 2 * HEADER_BYTES
ENDED = 1  # the flag of a process that published at its end
SMALLEST = 1 << 16  # bytes of a slot
MOST_BYTES = 1 << 26  # of a file; a thousand names of each kind take a tenth
MOST_NAMES = 1 << 24
ID_LENGTH = 16
# The bytes with the signs of doubles: with ASCII characters alone there, none is below 0.
SIGNS = slice(7, None, 8) if sys.byteorder == "little" else slice(0, None, 8)


class Unreadable(Exception):
    """A file that says nothing, and why, in one word or two."""


class Header(NamedTuple):
    """The header of a slot."""

    id: str
    inode: int
    sequence: int
    at: float
    ended: bool
    names: int
    doubles: int
    checksum: int

    @property
    def length(self) -> int:
        """Bytes of the slot."""
        return self.names + 8 * self.doubles


class Publication(NamedTuple):
    """A publication: what a process has published."""

    id: str
    sequence: int
    at: float
    """Monotonic seconds."""
    ended: bool
    """It was the last one, made at the end of the process."""
    process: dict[str, Any]
    """The process by its own account: pid, program, since when."""
    rows: Rows


# Writing ------------------------------------------------------------------------------------------------------


def names_of(rows: Rows, about: dict[str, Any]) -> bytes:
    """The table of names of `rows`."""
    places: dict[int, int] = {}
    layouts: list[Any] = []
    table = []
    for (kind, name), (layout, _numbers) in rows.items():
        if id(layout) not in places:
            places[id(layout)] = len(layouts)
            layouts.append([kind, layout.fields])
        table.append([places[id(layout)], name])
    text = json.dumps({"about": about, "layouts": layouts, "rows": table}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def doubles_of(rows: Rows) -> bytes:
    """The numbers of `rows`, one row after the other."""
    numbers = list(chain.from_iterable(numbers for _layout, numbers in rows.values()))
    return struct.pack(f"{len(numbers)}d", *numbers)  # twice as fast as an array


def slot_bytes(size: int) -> int:
    """Bytes of each slot in a file of `size`."""
    return (size - HEAD) // 2


def write_slot(fd: int, size: int, header: Header, names: bytes, doubles: bytes) -> None:
    """Write a publication into the slot that comes next; the header comes last."""
    slot = header.sequence % 2
    start = HEAD + slot * slot_bytes(size)
    head = _packed(header)
    checksum = zlib.crc32(doubles, zlib.crc32(names, zlib.crc32(head)))
    _write(fd, names + doubles, start)
    _write(fd, head + struct.pack("<I", checksum), slot * HEADER_BYTES)


def _packed(header: Header) -> bytes:
    flags = ENDED if header.ended else 0
    id_bytes = header.id.encode("ascii")
    counts = header.sequence, header.at, header.names, header.doubles, 0
    return HEADER.pack(MAGIC, VERSION, flags, id_bytes, header.inode, *counts)[:-4]


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


# Reading ------------------------------------------------------------------------------------------------------


def headers(fd: int, size: int) -> list[Header]:
    """The headers of a file that can be right, the newest first. Raises `Unreadable`."""
    if not HEAD < size <= MOST_BYTES:
        raise Unreadable("size")
    head = os.pread(fd, HEAD, 0)
    found = [_unpacked(head[at : at + HEADER.size]) for at in (0, HEADER_BYTES) if len(head) == HEAD]
    fitting = [one for one in found if one is not None and _fits(one, slot_bytes(size))]
    if not fitting:
        strange = head[:4] == MAGIC and int.from_bytes(head[4:6], "little") != VERSION
        raise Unreadable("version" if strange else "garbage")
    return sorted(fitting, key=lambda one: -one.sequence)


def _unpacked(data: bytes) -> Header | None:
    magic, version, flags, id_bytes, inode, sequence, at, names, doubles, checksum = HEADER.unpack(data)
    if magic != MAGIC or version != VERSION or not id_bytes.isalnum() or not 0 <= at < INFINITY:
        return None
    return Header(id_bytes.decode("ascii"), inode, sequence, at, bool(flags & ENDED), names, doubles, checksum)


def _fits(header: Header, room: int) -> bool:
    return header.names <= MOST_NAMES and header.length <= room


def read_slot(fd: int, size: int, header: Header) -> tuple[bytes, bytes]:
    """The names and doubles of the slot with this header. Raises `Unreadable` where they are not what was written."""
    start = HEAD + header.sequence % 2 * slot_bytes(size)
    data = os.pread(fd, header.length, start)
    if zlib.crc32(data, zlib.crc32(_packed(header))) != header.checksum or len(data) != header.length:
        raise Unreadable("checksum")
    return data[: header.names], data[header.names :]


# Of these there is one reading in each process, which has no name.
NAMELESS = {kind for kind, declared in DECLARED.items() if not any(metric.label for metric in declared.values())}


class Table(NamedTuple):
    """A table of names, understood."""

    about: dict[str, Any]
    rows: list[tuple[tuple[str, str], Layout]]
    width: int


def table_of(names: bytes) -> Table:
    """Returns the content of a table of names. Raises `Unreadable` for one that is none of ours."""
    try:
        text = json.loads(names)
        json.dumps(text, ensure_ascii=False).encode()  # a lone surrogate would fail every scrape
        layouts = [_layout(*one) for one in text["layouts"]]
        rows = [_named(layouts, *row) for row in text["rows"]]
        about = dict(text["about"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise Unreadable("names") from error
    if len({key for key, _ in rows}) != len(rows):
        raise Unreadable("names")
    return Table(about, rows, sum(layout.width for _, layout in rows))


def _layout(kind: str, fields: list[Any]) -> Layout:
    return layout_of(str(kind), tuple(_field(DECLARED.get(kind, {}), str(field), shape) for field, shape in fields))


def _field(declared: Mapping[str, Metric], name: str, given: list[Any]) -> tuple[str, Shape]:
    """A field and its form; one whose form is not as we declare it is somebody else's, and has no name."""
    shape = _shape(*given)
    metric = declared.get(name)
    return (name if metric is None or _is_declared(metric, shape) else "", shape)


def _is_declared(metric: Metric, shape: Shape) -> bool:
    match shape:
        case ("unknown",):
            return True
        case ("histogram", _):
            return metric.kind == "histogram"
        case ("parts", count):
            return bool(count == len(metric.parts))
        case ("table", keys):
            return bool(metric.table) and all(len(key) == len(metric.table) for key in keys)
    return not (metric.kind == "histogram" or metric.split or metric.table)


def _shape(form: str, detail: Any = None) -> Shape:
    match form, detail:
        case "number" | "unknown", None:
            return (form,)
        case "parts", int() if 0 <= detail <= MOST_NAMES:
            return form, detail
        case "histogram", list():
            return form, checked_buckets(detail)
        case "table", list():
            return form, tuple(tuple(map(str, key)) for key in detail)
    raise ValueError(form)


def _named(layouts: list[Layout], at: int, name: str) -> tuple[tuple[str, str], Layout]:
    layout = layouts[at]
    return (layout.kind, name if layout.kind in NAMELESS and name == "" else checked_name(name)), layout


def rows_in(table: Table, doubles: bytes) -> Rows:
    """The rows that a table and its numbers make. Raises `Unreadable` for numbers that cannot be."""
    if len(doubles) != 8 * table.width:
        raise Unreadable("numbers")
    numbers = array("d", doubles).tolist()
    if INFINITY in numbers or not doubles[SIGNS].isascii():
        raise Unreadable("numbers")
    rows, at = {}, 0
    for key, layout in table.rows:
        if layout.kind in DECLARED:
            rows[key] = layout, numbers[at : at + layout.width]
        at += layout.width
    return rows
