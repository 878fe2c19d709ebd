"""The file of this process: made whole before it is seen, locked for life, written by its path."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Any

from bpexporter.publishing.format import HEAD, MOST_BYTES, SMALLEST, Header, slot_bytes, write_slot

# The folder, within the one that is published to, of the files of processes.
PROCESSES = "p"


class Lost(Exception):
    """The file, or the lock on it, is no longer ours: somebody has folded it, or is about to."""


def made_folder(folder: Path) -> Path:
    """The folder of the files of processes in `folder`, made where it is missing and seen by this user alone.

    Raises ``OSError`` where it cannot be made, ``PermissionError`` where it is another user's.
    """
    processes = folder / PROCESSES
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        processes.mkdir(mode=0o700)
    found = processes.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{processes} is not a directory")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{processes} belongs to another user")
    return processes


class OwnFile:
    """The file that this process writes; `id` is random, and its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = os.urandom(8).hex()
        self.sequence = 0
        self._fd = self._new_fd = -1
        self._inode = self._size = 0

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.folder / PROCESSES / self.id

    def write(self, names: bytes, doubles: bytes, *, at: float, ended: bool = False) -> None:
        """Publish. Raises `Lost`, with nothing written, and ``OSError``."""
        needed = len(names) + len(doubles)
        if self.sequence and not self.holds():
            raise Lost
        if not self.sequence or needed > slot_bytes(self._size):
            self._begin(names, doubles, needed, at=at, ended=ended)
            return
        fd = self._opened()
        try:
            self._write(fd, names, doubles, at=at, ended=ended)
        finally:
            os.close(fd)

    def _write(self, fd: int, names: bytes, doubles: bytes, *, at: float, ended: bool) -> None:
        header = Header(self.id, self._inode, self.sequence + 1, at, ended, len(names), len(doubles) // 8, 0)
        write_slot(fd, self._size, header, names, doubles)
        self.sequence += 1

    def holds(self) -> bool:
        """Returns whether the lock is still ours. A host that closes all descriptors may have given our number to
        a file of its own, which is then left alone.
        """
        try:
            if os.fstat(self._fd).st_ino != self._inode:
                return False
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _opened(self) -> int:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Lost from None
        if os.fstat(fd).st_ino != self._inode:
            os.close(fd)
            raise Lost
        return fd

    # A file, or a larger one in its place -----------------------------------------------------------------

    def _begin(self, names: bytes, doubles: bytes, needed: int, *, at: float, ended: bool) -> None:
        """Make the file whole under a name that nobody looks at, and give it its own in one step."""
        room = max(SMALLEST, 1 << (needed + needed // 4).bit_length())
        if 2 * room + HEAD > MOST_BYTES:
            raise OSError(f"{needed} bytes are more than a process may publish")
        made_folder(self.folder)
        hidden = self.path.with_name(f".{self.id}")
        before: Any = self._fd, self._inode, self._size
        self._new_fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._inode, self._size = os.fstat(self._new_fd).st_ino, 2 * room + HEAD
            fcntl.flock(self._new_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            allocate(self._new_fd, self._size)
            self._write(self._new_fd, names, doubles, at=at, ended=ended)
            hidden.rename(self.path)
        except BaseException as error:
            os.close(self._new_fd)
            self._fd, self._inode, self._size = before
            hidden.unlink(missing_ok=True)
            if isinstance(error, (BlockingIOError, FileNotFoundError)):  # taken for one that was never finished
                raise Lost from error
            raise
        finally:
            new, self._new_fd = self._new_fd, -1
        if before[0] >= 0:
            _close(*before[:2])
        self._fd = new

    def close(self) -> None:
        """Let go of the lock. In a forked child: of the child's copies, which would keep the parent's."""
        for fd in (self._fd, self._new_fd):
            _close(fd, self._inode)
        self._fd = self._new_fd = -1

    def keep_through_exec(self) -> None:
        """Hold the lock also when another program is executed in this process."""
        os.set_inheritable(self._fd, True)


def _close(fd: int, inode: int) -> None:
    """Close `fd` where it is still the file with this inode."""
    with contextlib.suppress(OSError):
        if fd >= 0 and os.fstat(fd).st_ino == inode:
            os.close(fd)


def allocate(fd: int, size: int) -> None:
    """Take the room on the disk now, so that no later write meets a full one."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    zeros, left = bytes(1 << 16), size
    while left > 0:
        left -= os.write(fd, zeros[:left])
