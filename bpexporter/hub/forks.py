"""A forked child counts from zero, with locks of its own, and without what belongs to a loop that its parent runs."""

from __future__ import annotations

import os
import threading
from typing import Any

from bpexporter.faults import faults
from bpexporter.hub import process
from bpexporter.primitives.threads import OWN_THREADS
from bpexporter.resources.kinds import LOOP, RESOURCES


def _after_fork() -> None:
    process.lock = threading.RLock()
    OWN_THREADS.clear()
    faults.reset()
    for registry in process.all_registries():
        registry.restart()
        members = [ledger for kind in RESOURCES for ledger in registry.members(kind)]
        for ledger in [ledger for ledger in members if _is_left_behind(ledger)]:
            owner = ledger.owner() if ledger.owner is not None else None
            if owner is not None:
                registry.release(owner, ledger)


def _is_left_behind(ledger: Any) -> bool:
    """Returns whether it is of a loop that runs: it does so in the parent, and a copy here holds up nobody."""
    of_loop = ledger if ledger.instrument.kind == LOOP else ledger.loop_ledger
    loop = of_loop.owner() if of_loop is not None and of_loop.owner is not None else None
    return loop is not None and loop.is_running()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
