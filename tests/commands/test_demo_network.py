"""The demo's streams and limiter: they back up while all is slow, and recover."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import virtual_time

import bpexporter
from bpexporter.commands.demo.network import ENOUGH_BYTES, Network


async def until(holds: Callable) -> Any:
    """The first snapshot for which this holds."""
    while True:
        await asyncio.sleep(0.05)
        if holds(snapshot := bpexporter.snapshot()):
            return snapshot


async def story() -> list:
    """Run the network, slow until it has backed up, then well until it has recovered; the snapshots of both moments."""
    pace = {"slow": True}
    network = Network(lambda: pace["slow"])
    tasks = [asyncio.create_task(task) for task in network.tasks()]
    seen = [await until(backed_up)]
    pace["slow"] = False
    seen.append(await until(well))
    assert [task for task in tasks if task.done()] == []
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


def backed_up(snapshot) -> bool:
    """All three are in trouble."""
    streams = snapshot.streams
    return len(streams) == 2 and (
        streams["upstream"].longest_block_seconds > 0.5
        and streams["telemetry"].unheeded_writes > 0
        and sum(snapshot.limiters["db"].refused_acquires) > 0
        and snapshot.limiters["db"].waiting_tasks > 0
    )


def well(snapshot) -> bool:
    """Nobody is held up."""
    streams = snapshot.streams.values()
    return not any(reading.paused_writers for reading in streams) and not snapshot.limiters["db"].waiting_tasks


@pytest.fixture(scope="module")
def seen() -> list:
    """Snapshots while all is slow, and after it has recovered."""
    found: list = []

    async def tell() -> None:
        found.extend(await story())

    with pytest.MonkeyPatch.context() as patched:
        virtual_time.run(tell(), patched)
    return found


def test_who_waits_is_blocked_and_who_does_not_is_told(seen):
    """The writer that drains writes nothing while paused; the one that does not drain is never blocked."""
    streams = seen[0].streams
    assert streams["upstream"].unheeded_writes == 0
    assert streams["telemetry"].blocked_drains == 0
    assert streams["telemetry"].buffered_bytes < 2 * ENOUGH_BYTES


def test_it_recovers(seen):
    """With a peer that reads again the buffers empty, and no caller waits for a permit."""
    assert seen[1].limiters["db"].utilization_ratio <= 1
    assert seen[1].streams["upstream"].longest_block_seconds == 0
    assert seen[1].streams["upstream"].open_writers == 2
