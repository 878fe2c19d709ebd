"""What it costs to watch a loop that has nothing to do, which is when a timer costs most."""

import asyncio
import time

import bpexporter

from .scale import Scale
from .tables import Figures, over

BUDGET = 0.1


async def idle(seconds: float) -> float:
    """CPU of the process, as a share of a core in percent."""
    begun = time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - begun) / seconds * 100


async def watched(seconds: float) -> float:
    """The same with the loop watched."""
    bpexporter.watch(asyncio.get_running_loop(), "idle", hub=bpexporter.Hub())
    return await idle(seconds)


def idling(scale: Scale) -> Figures:
    """One line."""
    bare, ours = asyncio.run(idle(scale.idle)), asyncio.run(watched(scale.idle))
    cost = ours - bare
    yield (
        "watching an idle loop, of a core",
        over(f"{cost:.3f} %", cost, BUDGET),
        f"bare {bare:.3f} %",
        f"<= {BUDGET} %",
    )
