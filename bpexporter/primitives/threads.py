"""Threads of our own: what runs there is not the application's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Threads of our own, by their ident: what runs there is not the application's.
OWN_THREADS: set[int] = set()


@contextmanager
def own_thread() -> Iterator[None]:
    """Counts the present thread among our own while the block runs.

    No longer: the system gives the ident of a thread that has ended to the next one, which may be the application's.
    """
    ident = threading.get_ident()
    OWN_THREADS.add(ident)
    try:
        yield
    finally:
        OWN_THREADS.discard(ident)
