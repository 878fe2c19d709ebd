"""What must not grow: memory, while objects are watched and dropped again and again.

Run a million of each by ``BPEXPORTER_SOAK=1000000 pytest -m soak``; that takes some minutes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("BPEXPORTER_SOAK", "20000"))
# Blocks of memory that a warm process may have more or less of afterwards: entries of interned and free lists.
BLOCKS = 500
BYTES = 2 << 20

# Names, and what is done with a queue that is watched.
WAYS = {
    "one name": ("'q'", "queue.put_nowait(number)"),
    "a hundred names": ("f'q{number % 100}'", "queue.put_nowait(number)"),
    "names without end": ("f'q{number}'", "queue.put_nowait(number)"),
    "unwatched": ("'q'", "unwatch(queue)"),
    "moved to another name": ("'q'", "watch(queue, f'other {number % 10}', hub=hub)"),
    "in cycles": ("'q'", "queue.put_nowait(queue)"),
    "with a caller blocked": ("'q'", "queue.put_nowait(0); loop.run_until_complete(blocked(queue))"),
    "read now and then": ("'q'", "queue.put_nowait(0); number % 100 or hub.snapshot()"),
}

PROGRAM = """
import asyncio, gc, json, logging, os, sys, time
from bpexporter import Hub, unwatch, watch

logging.disable()
skipped, loop = [0.0], asyncio.new_event_loop()
hub = Hub(clock=lambda: time.monotonic() + skipped[0])

async def blocked(queue):
    putter = asyncio.ensure_future(queue.put(1))
    await asyncio.sleep(0)
    await queue.get()
    await putter

def churn(numbers):
    for number in numbers:
        queue = watch(asyncio.Queue(1), NAME, hub=hub)
        USE
        if number == numbers[-1]:
            del queue

def memory():
    gc.collect()
    for _ in range(3):  # verdicts compare with two readings that are some seconds apart: both are there from now on
        skipped[0] += 10
        readings = hub.snapshot().queues.values()
    assert sum(reading.members for reading in readings) == 0
    puts = sum(reading.puts for reading in readings)
    del readings
    with open("/proc/self/statm") as file:
        return sys.getallocatedblocks(), int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE"), puts

count = int(sys.argv[1])
warm = max(2_000, count // 10)
for _ in range(2):
    churn(range(warm))
before = memory()
churn(range(warm, warm + count))
print(json.dumps([before, memory()]))
loop.close()
"""


def churned(name: str, use: str, count: int = COUNT) -> tuple[list[int], list[int]]:
    """Blocks, bytes and puts of a process of its own, before and after it watched and dropped `count` queues."""
    program = PROGRAM.replace("NAME", name).replace("USE", use)
    command = [sys.executable, "-c", program, str(count)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    before, after = json.loads(done.stdout)
    return before, after


@pytest.mark.timeout(max(120, COUNT // 2_000))
@pytest.mark.parametrize(("name", "use"), WAYS.values(), ids=WAYS.keys())
def test_memory_is_where_it_was(name, use):
    """Queues that were watched and dropped leave their counts with their names, and no memory."""
    before, after = churned(name, use)
    assert after[0] - before[0] <= BLOCKS
    assert after[1] - before[1] <= BYTES
    counted = 0 if use == "unwatch(queue)" or use.startswith("watch") else 2 if "blocked" in use else 1
    assert after[2] - before[2] == counted * COUNT


def test_what_grows_is_found():
    """The comparison is no formality: queues that somebody keeps are told."""
    before, after = churned("'q'", "asyncio.kept = [getattr(asyncio, 'kept', None), queue.__class__]")
    assert after[0] - before[0] > BLOCKS
