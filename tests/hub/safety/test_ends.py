"""Programs end as they would without us: at once, and without a complaint."""

import re
from collections import Counter

import pytest
from own_programs import run

BLOCKED = {
    "cancelled by asyncio.run": """
async def main():
    queue = watch(asyncio.Queue(1), "q")
    callers = [asyncio.create_task(queue.put(number)) for number in range(4)]
    callers.append(asyncio.create_task(watch(asyncio.Queue(), "idle").get()))
    await asyncio.sleep(0)
    assert snapshot().queues["q"].blocked_producers == 3
    globals().update(queue=queue)
asyncio.run(main())
reading = snapshot().queues["q"]
print(reading.blocked_producers, reading.blocked_puts, reading.refused_puts, reading.puts)
""",
    "left behind in a closed loop": """
import logging
logging.disable()  # asyncio says of each task that it was destroyed
loop = asyncio.new_event_loop()
queue = watch(asyncio.Queue(1), "q")
callers = [loop.create_task(queue.put(number)) for number in range(4)]
loop.run_until_complete(asyncio.sleep(0))
loop.close()
reading = snapshot().queues["q"]
print(reading.blocked_producers, reading.blocked_puts, reading.refused_puts, reading.puts)
""",
    "left behind in a loop that is never closed": """
import logging
logging.disable()
queue = watch(asyncio.Queue(1), "q")
loop = asyncio.new_event_loop()
callers = [loop.create_task(queue.put(number)) for number in range(4)]
loop.run_until_complete(asyncio.sleep(0))
reading = snapshot().queues["q"]
print(reading.blocked_producers, reading.blocked_puts, reading.refused_puts, reading.puts)
""",
}
EXPECTED = {
    "cancelled by asyncio.run": "0 3 (0, 3, 0) 1\n",
    "left behind in a closed loop": "0 3 (0, 0, 0) 1\n",
    "left behind in a loop that is never closed": "3 3 (0, 0, 0) 1\n",
}


def complaints(errors: str) -> Counter[str]:
    """What an interpreter complains of at its end, whatever the frames and addresses."""
    lines = (re.sub("0x[0-9a-f]+", "", line) for line in errors.splitlines() if not line.startswith(" "))
    return Counter(line for line in lines if not line.startswith("sys:1"))


@pytest.mark.parametrize("serving", ["", "scraped(start(port=0))"], ids=["alone", "scraped"])
@pytest.mark.parametrize("how", BLOCKED)
def test_an_end_with_blocked_callers_is_clean(how, serving):
    """The process ends at once, complains of nothing that bare queues spare it, and told the truth before."""
    out, errors, code = run(serving + BLOCKED[how])
    assert (out, code) == (EXPECTED[how], 0)
    ours = ("reading", "print", "    assert")
    bare = "\n".join(line for line in BLOCKED[how].splitlines() if not line.startswith(ours))
    _, alone, code = run("def watch(queue, name): return queue\n" + bare)
    assert (complaints(errors) <= complaints(alone), code) == (True, 0), errors


def test_an_end_in_another_thread_with_a_blocked_put_is_clean():
    """A daemon thread whose loop still has a blocked put does not hold the interpreter up."""
    program = """
exporter = start(port=0)
blocked = threading.Event()
async def main():
    queue = watch(asyncio.Queue(1), "q")
    await queue.put(1)
    asyncio.get_running_loop().call_soon(blocked.set)
    await queue.put(2)
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
blocked.wait()
scraped(exporter)
page = scrape(exporter)
print(value(page, "blocked_producers"), value(page, "stalled_seconds_total") > 0)
"""
    assert run(program) == ("1.0 True\n", "", 0)


def test_a_queue_of_a_closed_loop_is_read_and_used_on():
    """After its loop is closed a queue is still read, counts puts that need no loop, and can be unwatched."""
    program = """
queue = watch(asyncio.Queue(3), "q")
asyncio.run(queue.put(1))
exporter = start(port=0)
queue.put_nowait(2)
print(value(scrape(exporter), "puts_total"), value(scrape(exporter), "depth_items"))
asyncio.run(queue.get())
unwatch(queue)
del queue
print(value(scrape(exporter), "gets_total"), value(scrape(exporter), "members"))
exporter.stop()
"""
    assert run(program, "-X", "dev") == ("2.0 2.0\n1.0 0.0\n", "", 0)


def test_queues_and_hubs_may_end_with_the_interpreter():
    """Queues in globals, in cycles, in thread locals and in a finalizer that runs last: not a word."""
    program = """
class Last:
    def __init__(self): self.queue = watch(asyncio.Queue(), "q"); self.itself = self
    def __del__(self): self.queue.put_nowait(1)
last, local, hub = Last(), threading.local(), Hub()
local.queue = watch(asyncio.Queue(), "q", hub=hub)
sys.queue = watch(asyncio.Queue(), "q")
sys.modules["kept"] = last
scraped(start(port=0))
"""
    assert run(program) == ("", "", 0)
