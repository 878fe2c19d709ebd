"""Our own exposition equals prometheus_client's, byte for byte."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from bpexporter import Collector, Hub, watch
from bpexporter.catalogue import METRICS
from bpexporter.collector import empty_family, families
from bpexporter.exposition import render, render_snapshot

NAMES = ["plain", 'quo"te', "new\nline", "back\\slash", "percent %s {} %(x)s", "ünïcode ☃", "x" * 1_000]
GENERATE = {False: exposition.generate_latest, True: openmetrics_exposition.generate_latest}


@pytest.fixture
def hub():
    """A hub whose queues have hostile names, and have seen traffic that blocked and was refused."""
    hub = Hub()
    kept = [watch(asyncio.Queue(size), name, hub=hub) for size, name in enumerate(NAMES)]

    async def traffic():
        for queue in kept:
            puts = [asyncio.create_task(queue.put(number)) for number in range(5)]
            await asyncio.sleep(0)
            for _ in range(3):
                await queue.get()
            for put in puts:
                put.cancel()
            await asyncio.wait(puts)

    asyncio.run(traffic())
    yield hub
    kept.clear()


class Frozen:
    """A collector of one snapshot."""

    def __init__(self, snapshot):
        self.snapshot = snapshot

    def describe(self):
        """The families without samples, so that name[] finds them."""
        return map(empty_family, METRICS)

    def collect(self):
        """The families of the snapshot."""
        return families(self.snapshot)


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("names", [(), ("backpressure_queue_puts_total", "backpressure_queue_put_wait_seconds_sum")])
def test_equals_prometheus_client(hub, openmetrics, names):
    """The same snapshot gives the same bytes, text and OpenMetrics, whole and filtered by name[]."""
    snapshot = hub.snapshot()
    registry = CollectorRegistry()
    registry.register(Frozen(snapshot))
    chosen = registry.restricted_registry(names) if names else registry
    ours = render_snapshot(snapshot, openmetrics=openmetrics, names=frozenset(names))
    theirs = GENERATE[openmetrics](chosen)
    assert ours + (b"# EOF\n" if openmetrics else b"") == theirs
    assert ours.count(b"\n") > (10 if names else 500)


def test_other_registries_follow(hub):
    """Families of other registries come after ours, and the page ends once."""
    other = CollectorRegistry()
    other.register(Collector(Hub()))
    page = render(hub, openmetrics=True, registries=[other])
    assert page.count(b"# EOF") == 1
    assert page.endswith(b"# EOF\n")


def test_a_registry_that_fails_is_left_out(hub, monkeypatch):
    """A collector of the application's that raises does not fail the page."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")

    class Broken(Frozen):
        def collect(self):
            raise RuntimeError("broken")

    other = CollectorRegistry()
    other.register(Broken(None))
    assert b"backpressure_queue_puts_total" in render(hub, registries=[other])
