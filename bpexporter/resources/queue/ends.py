"""Callers of a loop that is closed: none of them will ever run, so their waits have ended when the loop did."""

from __future__ import annotations

from typing import Any

from bpexporter.resources.ledger import MemberLedger
from bpexporter.resources.patching import held, own
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.waits import NOBODY


def end_waits_of_closed_loop(ledger: QueueLedger, queue: Any, now: float, *, open_loops: set[int]) -> None:
    """Ends the waits in a loop that is closed, as of its end; `queue` is ``None`` once it is gone.

    `open_loops` are the identities of loops that were found open a moment ago; this one may be added.
    """
    if not (ledger.producers.waiting or ledger.idle.waiting):
        return
    loop = None if queue is None else queue._loop if ledger.exact else own(queue, "_loop")
    if id(loop) in open_loops:
        ledger.seen_waiting_at = now
        return
    loop_ledger = ledger.loop_ledger if loop is None else held(loop)
    ended_at = loop_ledger.ended_at if isinstance(loop_ledger, MemberLedger) else None
    if ended_at is None and (loop is None or not loop.is_closed()):
        ledger.seen_waiting_at = now
        if loop is not None:
            open_loops.add(id(loop))
        return
    if ended_at is None or loop_ledger is None or loop_ledger.clock is not ledger.clock:
        ended_at = ledger.seen_waiting_at  # the last that was seen of it
    for stall in (ledger.producers, ledger.idle):
        stall.end_all(min(now, max((ended_at, *stall.waiting.copy().values()))))
    ledger.adopted = NOBODY
