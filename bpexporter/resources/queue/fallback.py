"""The methods that replace those of `asyncio.Queue` where its source is not one that we know.

They call the originals and record around them. A put that waits is timed from outside, so that it costs a
second coroutine; what is counted is the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import ATTRIBUTE, guarded
from bpexporter.resources.queue.ledger import QueueLedger


def calling(originals: dict[str, Any], record_put: Any, record_get: Any) -> dict[str, Any]:
    """Replacements that call `originals`, and record with the two functions given."""

    def put_nowait(self: Any, item: Any) -> None:
        ledger = getattr(self, ATTRIBUTE, None)
        try:
            originals["put_nowait"](self, item)
        except Exception as error:
            if ledger is not None:
                _refused(ledger, error)
            raise
        if ledger is not None:
            guarded(record_put, self, item, ledger)

    def get_nowait(self: Any) -> Any:
        item = originals["get_nowait"](self)
        ledger = getattr(self, ATTRIBUTE, None)
        if ledger is not None:
            guarded(record_get, self, item, ledger)
        return item

    async def put(self: Any, item: Any) -> None:
        ledger = getattr(self, ATTRIBUTE, None)
        if ledger is None or not self.full():
            await originals["put"](self, item)
            return
        token = waiting_token(ledger.producers)
        guarded(ledger.begin_wait, ledger.producers, token)
        refused = ledger.refused_shutdown
        try:
            await originals["put"](self, item)
        except BaseException as error:
            _wait_ended(ledger.producers, token, ledger)
            if ledger.refused_shutdown == refused:
                _refused(ledger, error, otherwise="refused_cancelled")
            raise
        guarded(ledger.landed_put, _wait_ended(ledger.producers, token, ledger))

    async def get(self: Any) -> Any:
        ledger = getattr(self, ATTRIBUTE, None)
        if ledger is None or not self.empty():
            return await originals["get"](self)
        token = waiting_token(ledger.idle)
        guarded(ledger.begin_wait, ledger.idle, token)
        try:
            item = await originals["get"](self)
        except BaseException:
            _wait_ended(ledger.idle, token, ledger)
            raise
        guarded(ledger.landed_get, _wait_ended(ledger.idle, token, ledger))
        return item

    return {"put": put, "get": get, "put_nowait": put_nowait, "get_nowait": get_nowait}


def _wait_ended(clock: StallClock, token: object, ledger: QueueLedger) -> float:
    try:
        return ledger.end_wait(clock, token)
    except Exception as error:
        faults.swallow(error, "a wait")
        return 0.0


def _refused(ledger: QueueLedger, error: BaseException, *, otherwise: str = "") -> None:
    count = REFUSALS.get(type(error), otherwise)
    if count:
        setattr(ledger, count, getattr(ledger, count) + 1)


REFUSALS: dict[type[BaseException], str] = {asyncio.QueueFull: "refused_full"}
if hasattr(asyncio, "QueueShutDown"):
    REFUSALS[asyncio.QueueShutDown] = "refused_shutdown"
