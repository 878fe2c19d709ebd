"""What a watched queue weighs, and what is left when a million of them have come and gone."""

import asyncio
import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpexporter

from .scale import Scale
from .tables import Figures, over
from .traffic import traffic

BUDGET = 2_048
# More names than a hub takes, so that folding is part of the churn.
NAMES = 1_500


def traced() -> int:
    """Bytes that are allocated now."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def remembering(scale: Scale) -> Figures:
    """Bytes of a watched queue with a name of its own, those of the queue itself subtracted."""
    tracemalloc.start()
    hub = bpexporter.Hub(max_names=scale.remembered)
    nothing = traced()
    queues: list[Any] = [asyncio.Queue(1) for _ in range(scale.remembered)]
    bare = traced()
    for index, queue in enumerate(queues):
        bpexporter.watch(queue, f"queue-{index}", hub=hub)
    steps: dict[str, Callable[[], Any]] = {
        "as watched": lambda: None,
        "after a snapshot": hub.snapshot,
        "after traffic that blocked": lambda: asyncio.run(traffic(queues)),
        "after that and a snapshot": hub.snapshot,
    }
    target = f"<= {BUDGET:,} B"
    beside = f"the queue itself {(bare - nothing) / scale.remembered:,.0f} B"
    for name, step in steps.items():
        step()
        each = (traced() - bare) / scale.remembered
        yield f"memory of a watched queue, {name}", over(f"{each:,.0f} B", each, BUDGET), beside, target
    tracemalloc.stop()


def resident() -> int | None:
    """Bytes of the process in memory; ``None`` where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else None


def churn(hub: Any, count: int) -> None:
    """Watch and drop `count` queues."""
    for index in range(count):
        queue = bpexporter.watch(asyncio.Queue(1), f"queue-{index % NAMES}", hub=hub)
        queue.put_nowait(1)
    hub.snapshot()


def grown(measure: Callable[[], int | None], hub: Any, count: int) -> tuple[float, float] | None:
    """MiB before the churn and after it."""
    before = measure()
    churn(hub, count)
    gc.collect()
    after = measure()
    return None if before is None or after is None else (before / 2**20, after / 2**20)


def churning(scale: Scale) -> Figures:
    """Memory before and after queues are watched and dropped, when every name has been there once."""
    hub = bpexporter.Hub()
    churn(hub, 2 * NAMES)
    gc.collect()
    blocks = sys.getallocatedblocks()
    found = grown(resident, hub, scale.churned)
    more = sys.getallocatedblocks() - blocks
    what = f"watch and drop {scale.churned:,} queues"
    # A block is 16 bytes or more: one that each queue left behind would show as a growth of 16 MB.
    if found is not None:
        yield f"{what}, RSS", f"{found[1]:.1f} MiB", f"before {found[0]:.1f} MiB", "where it was"
    yield f"{what}, allocated blocks", f"{more:+,}", f"before {blocks:,}", "where it was"
    yield from _traced_churn(hub, scale.churned // 10)


def _traced_churn(hub: Any, count: int) -> Figures:
    """A tenth of the queues, for tracemalloc makes everything several times slower."""
    tracemalloc.start()
    churn(hub, 2 * NAMES)
    before, after = grown(traced, hub, count) or (0, 0)
    tracemalloc.stop()
    what = f"watch and drop {count:,} queues, tracemalloc"
    yield what, f"{after:.3f} MiB", f"before {before:.3f} MiB", "where it was"
