"""A forked child counts from zero, with locks of its own."""

from __future__ import annotations

import os
import threading

from bpexporter.faults import faults
from bpexporter.hub import process
from bpexporter.primitives.threads import OWN_THREADS
from bpexporter.resources.kinds import LOOP


def _after_fork() -> None:
    process.lock = threading.RLock()
    OWN_THREADS.clear()
    faults.reset()
    for registry in process.all_registries():
        registry.restart()
        for ledger in registry.members(LOOP):
            loop = ledger.owner() if ledger.owner is not None else None
            if loop is not None and loop.is_running():  # on the thread that has forked, which is the parent's
                registry.release(loop, ledger)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
