"""A queue that somebody looks at while it runs.

The class that timed each put and the arithmetic of its monitor are gone: a plain queue is watched, and the monitor
reads what bpexporter knows. It also sees a put that is still waiting, which a timer around `put()` cannot.
"""

import asyncio
from collections.abc import Callable

import bpexporter


def describe(name: str) -> str:
    """How the queue of this name is now."""
    reading = bpexporter.snapshot().queues[name]
    return (
        f"{name}: {reading.utilization_ratio:.0%} full, {reading.blocked_producers} blocked "
        f"for {reading.longest_block_seconds:.1f} s, {reading.put_blocked_seconds:.1f} s in all"
    )


async def monitor(name: str, *, every: float, show: Callable[[str], None]) -> None:
    """Show the queue now and then."""
    while True:
        await asyncio.sleep(every)
        show(describe(name))


async def produce(jobs: asyncio.Queue[int], *, count: int, pause: float) -> None:
    """Put a job each `pause` seconds."""
    for number in range(count):
        await jobs.put(number)
        await asyncio.sleep(pause)


async def consume(jobs: asyncio.Queue[int], *, count: int, work: float) -> None:
    """Spend `work` seconds on each job."""
    for _ in range(count):
        await jobs.get()
        await asyncio.sleep(work)


async def main(
    *,
    count: int = 10,
    pause: float = 0.2,
    work: float = 0.5,
    every: float = 0.5,
    show: Callable[[str], None] = print,
) -> None:
    """Run until the last job is done, and watch it meanwhile."""
    jobs: asyncio.Queue[int] = asyncio.Queue(maxsize=5)
    bpexporter.watch(jobs, "jobs")  # the line that was added
    monitoring = asyncio.create_task(monitor("jobs", every=every, show=show))
    await asyncio.gather(produce(jobs, count=count, pause=pause), consume(jobs, count=count, work=work))
    monitoring.cancel()


if __name__ == "__main__":
    asyncio.run(main())
