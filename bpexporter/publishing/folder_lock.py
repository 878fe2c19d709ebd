"""The lock of a folder: who holds it folds the dead."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bpexporter.publishing.reading import is_locked, is_still

FILE = "lock"


class FolderLock:
    """Held from the moment on at which nobody else holds it, until the process ends or `close` is called."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._fd = -1
        self.held = self.held_before = False

    def holds(self) -> bool:
        """Returns whether the lock is ours, by now; where its file was removed, there is a new one to be had."""
        self.held_before = self.held
        if self._fd >= 0 and not is_still(self._fd, self._path):
            self.close()
        if not self.held:
            with contextlib.suppress(OSError):
                self._take()
        return self.held

    def _take(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if is_locked(fd) or not is_still(fd, self._path):
            os.close(fd)
        else:
            self._fd, self.held = fd, True

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self.held = -1, False
