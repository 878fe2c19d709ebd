"""The stall of a loop that runs nothing any more is seen by whoever scrapes."""

import asyncio
import threading
import time
import urllib.request

import pytest
from threads_at_work import PATIENCE

from bpexporter import start, watch


def series(url: str) -> dict[str, float]:
    """The samples of a scrape over HTTP."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        page = answer.read().decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page.splitlines() if line[:1] != "#"}


@pytest.mark.parametrize("way", ["event", "sleep"])
def test_a_stuck_loop_shows_its_stall_over_http(hub, way):
    """While the loop runs no callback, a scrape answers, and the stall goes on in it from reading to reading."""
    stuck, freed = threading.Event(), threading.Event()

    def block() -> None:
        stuck.set()
        if way == "event":
            freed.wait(PATIENCE)
        while not freed.is_set():
            time.sleep(0.01)

    async def main() -> None:
        queue = watch(asyncio.Queue(1), "q", hub=hub)
        putters = [asyncio.create_task(queue.put(number)) for number in range(3)]
        await asyncio.sleep(0)
        block()
        assert [await queue.get() for _ in range(3)] == [0, 1, 2]
        await asyncio.wait(putters)

    application = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    with start(port=0, hub=hub) as exporter:
        application.start()
        assert stuck.wait(PATIENCE)
        first, second = series(exporter.url), series(exporter.url)
        freed.set()
        application.join(PATIENCE)
        after = series(exporter.url)
    name = 'backpressure_queue_{}{{queue="q"}}'.format
    for reading in (first, second):
        assert reading[name("blocked_producers")] == reading[name("blocked_puts_total")] == 2
        assert reading[name("depth_items")] == reading[name("utilization_ratio")] == 1
        assert reading[name("puts_total")] == 1
    for running in ("stalled_seconds_total", "put_blocked_seconds_total", "longest_block_seconds"):
        assert 0 < first[name(running)] < second[name(running)]
    assert second[name("put_blocked_seconds_total")] <= after[name("put_blocked_seconds_total")]
    assert (after[name("blocked_producers")], after[name("puts_total")], after[name("gets_total")]) == (0, 3, 3)
