"""Loops that own something watched, or may own it: they are watched as well, and their end is the end of who waits.

A loop is found when something is watched in it, when it begins to run while something watched belongs to no loop yet,
or all loops are wanted, and at the latest at a reading.
"""

from __future__ import annotations

import threading
from asyncio.events import _get_running_loop
from typing import Any

from bpexporter.faults import faults
from bpexporter.hub import process
from bpexporter.hub.registry import Registry
from bpexporter.hub.rounds import Rounds
from bpexporter.primitives.threads import OWN_THREADS
from bpexporter.resources.kinds import BOUND_LATER, LOOP, instrument_of
from bpexporter.resources.patching import held, own


def find_loop(ledger: Any, registry: Registry) -> None:
    """Watch the loop that runs, to which the object of `ledger` belongs; where none runs, look for it later."""
    try:
        loop = _get_running_loop()
        if loop is None and ledger.instrument.kind in BOUND_LATER:
            ledger.loopless = True
        elif loop is not None:
            known = held(loop)
            if known is None or known.retired:
                with process.lock:
                    known = watch_loop(loop, threading.get_ident(), registry)
            ledger.loop_ledger = known
    except Exception as error:
        faults.swallow(error, "finding a loop")


def find_loops(registry: Registry) -> None:
    """Watch the loops to which objects of `registry` that were made outside every loop have been bound since."""
    for ledger in [one for kind in BOUND_LATER for one in registry.members(kind) if one.loopless]:
        with process.lock:
            loop = own(ledger.owner() if ledger.owner is not None else None, "_loop")
            if loop is not None and not ledger.retired:
                ledger.loopless = False
                _bound(ledger, loop, registry)


def _bound(ledger: Any, loop: Any, registry: Registry) -> None:
    try:
        ledger.loop_ledger = watch_loop(loop, getattr(loop, "_thread_id", None), registry)
    except Exception as error:
        faults.swallow(error, "finding a loop")


def follow_loops() -> None:
    """Hear of the loops that begin to run, and of those that close."""
    instrument_of(LOOP).follow(_begins, _ends)


def want_every_loop(registry: Registry | None) -> None:
    """Watch in `registry` each loop that runs from now on, whatever it owns; ``None`` where none is wanted any more."""
    for one in process.all_registries():
        one.every_loop = one is registry
    if registry is not None:
        follow_loops()
        loop = _get_running_loop()
        if loop is not None:
            watch_loop(loop, threading.get_ident(), registry)


def _begins(loop: Any) -> None:
    """Watch `loop`, which runs on this thread, where it may be the one of what belongs to none yet."""
    with process.lock:
        for registry in process.all_registries():
            if registry.every_loop or any(one.loopless for kind in BOUND_LATER for one in registry.members(kind)):
                watch_loop(loop, threading.get_ident(), registry)


def _ends(loop: Any) -> None:
    """Let nobody wait any more in what belongs to `loop`, whose tasks will never go on."""
    with process.lock:
        for registry in process.all_registries():
            for ledger in [one for kind in BOUND_LATER for one in registry.members(kind)]:
                if own(ledger.owner() if ledger.owner is not None else None, "_loop") is loop:
                    ledger.instrument.end_waits(ledger, registry.clock())


def watch_loop(loop: Any, ident: int | None, registry: Registry) -> Any:
    """Record `loop`, which runs in the thread `ident`, unless it is recorded, closed, or one of our own.

    Returns its ledger, ``None`` where it is not recorded.
    """
    loops = instrument_of(LOOP)
    ledger = loops.ledger_of(loop)
    if ledger is None and loops.keeps_time(loop) and not loop.is_closed() and ident not in OWN_THREADS:
        ledger = loops.attach(loop, bounds=registry.buckets, clock=registry.clock)
        ledger.attend = Rounds(loop)
        registry.add(loop, loops.name_of(ident), ledger, loops, automatic=True)
    return ledger
