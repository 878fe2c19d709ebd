"""Times the variants of a work in turn, so that what drifts on the machine meets all of them."""

import asyncio
import gc
import random
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import thread_time

from .scale import Scale
from .tables import over, times
from .variants import Variant, variants
from .works import Row

HEADER = ("work", "bare ns", "watched ns", "ratio", "naive wrapper ratio", "unwatched ratio", "target")
# Enough to have every instruction of a variant specialised before it is timed.
WARM = 2_000

Rounds = dict[str, list[float]]


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection inside."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _timed(variant: Variant, count: int) -> float:
    # No work ever sleeps, so that CPU time is wall time, less what other processes take of the machine.
    begun = thread_time()
    await variant.work(variant.subject, count)
    return (thread_time() - begun) / count


def nanoseconds(runner: asyncio.Runner, variant: Variant, count: int) -> float:
    """What one operation takes."""
    count = max(8, int(count * variant.share) // 8 * 8)
    with no_collection():
        return runner.run(_timed(variant, count)) * 1e9


def rounds_of(row: Row, scale: Scale) -> Rounds:
    """Nanoseconds of each variant in each round, in an order that keeps step with nothing on the machine."""
    order = random.Random(row.title)
    compared = variants(row.kind, maxsize=row.maxsize, fill=row.fill, work=row.work)
    found: Rounds = {name: [] for name in compared}
    with asyncio.Runner() as runner:
        for variant in compared.values():
            nanoseconds(runner, variant, WARM)
        count = int(scale.seconds * 1e9 / nanoseconds(runner, compared["bare"], WARM))
        for _ in range(scale.rounds):
            gc.collect()
            for name in order.sample(list(compared), len(compared)):
                found[name].append(nanoseconds(runner, compared[name], count))
    return found


def ratio(rounds: Rounds, name: str) -> float | None:
    """Median over the rounds of a variant's time to the bare one's; ``None`` where it was not measured."""
    if name not in rounds:
        return None
    return median(ours / bare for ours, bare in zip(rounds[name], rounds["bare"], strict=True))


def measure(row: Row, scale: Scale) -> list[tuple[str, ...]]:
    """The row's line of the table; what is over its target is bold."""
    rounds = rounds_of(row, scale)
    unwatched = row.unwatched_target
    target = f"<= {row.target:.2f}x" + (f", unwatched <= {unwatched:.2f}x" if unwatched else "")
    line = (
        row.title,
        f"{min(rounds['bare']):.0f}",
        f"{min(rounds['watched']):.0f}",
        over(times(ratio(rounds, "watched")), ratio(rounds, "watched"), row.target),
        times(ratio(rounds, "naive")),
        over(times(ratio(rounds, "unwatched")), ratio(rounds, "unwatched"), unwatched),
        target,
    )
    return [line]
