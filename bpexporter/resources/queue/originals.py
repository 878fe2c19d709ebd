"""The standard library's methods of `asyncio.Queue`, and whether they are ones that we know."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from bpexporter.resources.fingerprints import is_known
from bpexporter.resources.patching import held
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import FIFO, HEAP, LIFO

ORDERS = {asyncio.Queue: FIFO, asyncio.PriorityQueue: HEAP, asyncio.LifoQueue: LIFO}
HAS_SHUTDOWN = sys.version_info >= (3, 13)

# Before 3.13 no queue shuts down, and nothing raises this.
QueueShutDown: type[Exception] = getattr(asyncio, "QueueShutDown", asyncio.QueueEmpty)

ORIGINALS: dict[str, Any] = {name: vars(asyncio.Queue)[name] for name in ("put", "get", "put_nowait", "get_nowait")}
if HAS_SHUTDOWN:
    ORIGINALS["shutdown"] = vars(asyncio.Queue)["shutdown"]

# The methods above, with all that ours, which stand in for them, rely on.
RELIED_ON = (
    *ORIGINALS.values(),
    *(vars(asyncio.Queue)[name] for name in ("full", "empty", "qsize", "_put", "_get", "_wakeup_next")),
    *(vars(kind)[name] for kind in (asyncio.PriorityQueue, asyncio.LifoQueue) for name in ("_put", "_get")),
    asyncio.Event.clear,
)
KNOWN_SOURCES = {
    (3, 11): "b735265632df6cb5",
    (3, 12): "01581bcb2fc94e54",
    (3, 13): "5b9db1d0c38477e2",
    (3, 14): "5c2e54bea449bbdb",
    (3, 15): "3025386de6473582",
}

KNOWN = is_known(RELIED_ON, KNOWN_SOURCES)


def ledger_of(queue: Any) -> QueueLedger | None:
    """The ledger of `queue`, ``None`` where it is not watched; runs none of the host's code."""
    ledger = held(queue)
    if not isinstance(ledger, QueueLedger):
        return None
    # A shallow copy of a watched queue carries its ledger.
    return ledger if ledger.owner is None or ledger.owner() is queue else None
