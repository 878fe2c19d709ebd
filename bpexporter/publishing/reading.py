"""Reads what others have published. Whatever else lies in the folder says nothing, and why is told."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from bpexporter.publishing.format import (
    ID_LENGTH,
    Header,
    Publication,
    Table,
    Unreadable,
    headers,
    read_slot,
    rows_in,
    table_of,
)

# A slot may be written while it is read: then the other one is whole, and a moment later both are.
ATTEMPTS = 3
FAILURES = {errno.ELOOP: "link", errno.EMLINK: "link", errno.EACCES: "owner", errno.ENXIO: "no file"}


def is_id(name: str) -> bool:
    """Returns whether `name` is one that a process gives its file."""
    return len(name) == ID_LENGTH and not set(name) - set("0123456789abcdef")


def opened(path: Path) -> int:
    """A descriptor of the file at `path`. Raises `Unreadable` where that is no file of this user's."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(FAILURES.get(error.errno or 0, "no file")) from error
    found = os.fstat(fd)
    why = "" if stat.S_ISREG(found.st_mode) else "no file"
    why = why or ("" if found.st_uid == os.geteuid() else "owner")
    if why:
        os.close(fd)
        raise Unreadable(why)
    return fd


def is_locked(fd: int) -> bool:
    """Returns whether somebody holds the lock on this file; if nobody does, we hold it until `fd` is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def is_still(fd: int, path: Path) -> bool:
    """Returns whether `path` is still the file that `fd` is."""
    try:
        return path.lstat().st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


class Reader:
    """Reads one file again and again; what has not changed is not understood anew."""

    __slots__ = ("last", "names", "path", "table")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: Publication | None = None
        self.names = b""
        self.table: Table | None = None

    def read(self, fd: int) -> Publication:
        """Returns the last publication. Raises `Unreadable`."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read(fd)
            except Unreadable as error:
                if attempt == ATTEMPTS or str(error) != "checksum":
                    raise
        raise AssertionError

    def _read(self, fd: int) -> Publication:
        size = os.fstat(fd).st_size
        found = headers(fd, size)
        for number, header in enumerate(found, 1):
            self.check_own(fd, header)
            if self.last is not None and header.sequence == self.last.sequence:
                return self.last
            try:
                self.last = self.understood(fd, size, header)
            except Unreadable:
                if number == len(found):
                    raise
            else:
                return self.last
        raise AssertionError

    def check_own(self, fd: int, header: Header) -> None:
        """Raises `Unreadable` where the header is not of this file."""
        if header.id != self.path.name or header.inode != os.fstat(fd).st_ino:
            raise Unreadable("copy")

    def understood(self, fd: int, size: int, header: Header) -> Publication:
        """Returns the content of the slot with this header. Raises `Unreadable`."""
        names, doubles = read_slot(fd, size, header)
        if self.table is None or names != self.names:
            self.names, self.table = names, table_of(names)
        rows = rows_in(self.table, doubles)
        return Publication(header.id, header.sequence, header.at, header.ended, self.table.about, rows)


def read_earlier(path: Path) -> Publication | None:
    """Returns the last publication but one in the file at `path`; ``None`` where that is not there any more."""
    fd = opened(path)
    try:
        size = os.fstat(fd).st_size
        reader = Reader(path)
        for header in headers(fd, size)[1:]:
            reader.check_own(fd, header)
            return reader.understood(fd, size, header)
        return None
    finally:
        os.close(fd)


def read_file(path: Path) -> Publication:
    """Returns the publication in the file at `path`. Raises `Unreadable`, and ``FileNotFoundError``."""
    fd = opened(path)
    try:
        return Reader(path).read(fd)
    finally:
        os.close(fd)
