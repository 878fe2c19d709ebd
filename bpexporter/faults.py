"""Errors of our own: counted and swallowed, so that no application ever sees one.

With ``BPEXPORTER_RAISE=1`` they are raised instead; tests and CI run so.
"""

from __future__ import annotations

import logging
import os

logger = logging.getLogger("bpexporter")


class Faults:
    """The number of errors of ours that were swallowed in this process.

    ``count`` only grows. The first error of each kind is logged, the others are only counted, so that a
    fault on the hot path cannot flood the log of an application.
    """

    __slots__ = ("_seen", "count")

    def __init__(self) -> None:
        self.count = 0
        self._seen: set[str] = set()

    def swallow(self, error: BaseException, where: str) -> None:
        """Count `error`, or raise it again where ``BPEXPORTER_RAISE=1`` asks for that."""
        self.count += 1
        if os.environ.get("BPEXPORTER_RAISE") == "1":
            raise error
        key = f"{where}: {type(error).__name__}"
        if self._is_new(key):
            self.warn("bpexporter could not record (%s): %r", where, error)

    def tell(self, key: str, text: str, *values: object) -> None:
        """Count what is no error of ours: a full disk, a strange file. The first with this `key` is logged."""
        self.count += 1
        if self._is_new(key):
            self.warn(text, *values)

    def _is_new(self, key: str) -> bool:
        if key in self._seen or len(self._seen) >= 100:
            return False
        self._seen.add(key)
        return True

    def warn(self, text: str, *values: object) -> None:
        """Write a line to the log; a filter or a handler of the application's that raises is only counted."""
        try:
            logger.warning(text, *values)
        except Exception:
            self.count += 1

    def reset(self) -> None:
        """Begin again at zero, as a forked child does."""
        self.count = 0
        self._seen.clear()


faults = Faults()
