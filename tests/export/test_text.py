"""Our own exposition equals prometheus_client's, byte for byte."""

import asyncio
import re
import sys

import pytest
from fake_clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, exposition, parser
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.utils import floatToGoString
from readings import NAMES, NUMBERS, snapshots

from bpexporter import Hub, watch
from bpexporter.catalogue.metrics import METRICS, metrics_of
from bpexporter.export.collector import empty_family, families
from bpexporter.export.text import number_text, render, render_snapshot

HOSTILE = ["plain", 'quo"te', "new\nline", "back\\slash", "percent %s {} %(x)s", "ünïcode ☃", "x" * 1_000]
GENERATE = {False: exposition.generate_latest, True: openmetrics_exposition.generate_latest}
PARSE = {
    False: parser.text_string_to_metric_families,
    True: openmetrics_parser.text_string_to_metric_families,
}
SAMPLES = sorted(
    metric.name + suffix
    for metric in METRICS
    for suffix in (("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",))
)


@pytest.fixture
def hub():
    """A hub whose queues have hostile names, and have seen traffic that blocked and was refused."""
    hub = Hub()
    kept = [watch(asyncio.Queue(size), name, hub=hub) for size, name in enumerate(HOSTILE)]

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


def of_client(snapshot, *, openmetrics, names=()):
    """What prometheus_client makes of `snapshot`, without the end of the page."""
    registry = CollectorRegistry()
    registry.register(Frozen(snapshot))
    page = GENERATE[openmetrics](registry.restricted_registry(names) if names else registry)
    assert not openmetrics or page.endswith(b"# EOF\n")
    return page.removesuffix(b"# EOF\n")


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("names", [(), ("backpressure_queue_puts_total", "backpressure_queue_put_wait_seconds_sum")])
def test_equals_prometheus_client(hub, openmetrics, names):
    """The same snapshot gives the same bytes, text and OpenMetrics, whole and filtered by name[]."""
    snapshot = hub.snapshot()
    ours = render_snapshot(snapshot, openmetrics=openmetrics, names=frozenset(names))
    assert ours == of_client(snapshot, openmetrics=openmetrics, names=names)
    assert ours.count(b"\n") > (10 if names else 500)


@given(snapshots(), st.booleans())
@settings(max_examples=60)
def test_equals_prometheus_client_whatever_it_holds(snapshot, openmetrics):
    """Any names, any numbers, any buckets, anything absent: the same bytes."""
    assert render_snapshot(snapshot, openmetrics=openmetrics) == of_client(snapshot, openmetrics=openmetrics)


@given(snapshots(), st.booleans(), st.sets(st.sampled_from([*SAMPLES, "unknown"]), min_size=1, max_size=20))
@settings(max_examples=60)
def test_a_choice_of_names_equals_prometheus_clients(snapshot, openmetrics, names):
    """name[] keeps the same samples, and no family of which none is left."""
    ours = render_snapshot(snapshot, openmetrics=openmetrics, names=names)
    assert ours == of_client(snapshot, openmetrics=openmetrics, names=names)


@given(NUMBERS)
@settings(max_examples=1_000)
def test_any_number_is_written_as_prometheus_client_does(number):
    """Integers and floats of any size, negative zero, infinities and what is no number."""
    assert number_text(number) == floatToGoString(number)


@given(NAMES.filter(bool))
def test_a_name_is_read_back_as_it_was_given(name):
    """Text that watch() takes for a name comes back out of the page unchanged."""
    hub = Hub(clock=Clock())
    queue = watch(asyncio.Queue(1), name, hub=hub)
    for openmetrics in (False, True):
        page = render(hub, openmetrics=openmetrics).decode()
        found = {sample.labels["queue"] for family in PARSE[openmetrics](page) for sample in family.samples
                 if "queue" in sample.labels}  # fmt: skip
        assert found == {name}
    queue.put_nowait(0)


@given(snapshots())
@settings(max_examples=30)
def test_what_is_not_known_is_absent(snapshot):
    """A family whose values are all unknown has neither sample nor header; where there is nothing it has its header."""
    blank = {
        subject: {name: type(one)(*[None] * len(one)) for name, one in named.items()}
        for subject, named in snapshot.kinds.items()
    }
    page = render_snapshot(type(snapshot)(blank)).decode()
    assert re.findall("# TYPE ([a-z_]+)", page) == [one.name for one in METRICS if not blank[one.subject]]
    assert all(line.startswith("# ") for line in page.splitlines())


def test_every_sample_of_the_catalogue_can_be_chosen(hub):
    """Each name of a sample gives that sample alone; the name of a family that has none of its own gives nothing."""
    snapshot = hub.snapshot()
    for name in SAMPLES:
        page = render_snapshot(snapshot, names={name}).decode()
        assert {line.split("{")[0].split(" ")[0] for line in page.splitlines() if line[0] != "#"} <= {name}
    assert render_snapshot(snapshot, names={"backpressure_queue_put_wait_seconds"}) == b""


def test_the_page_gives_way_to_other_threads(hub, monkeypatch):
    """Between many samples rendering lets go of the interpreter."""
    gave = []
    monkeypatch.setattr("bpexporter.export.text.GIVE_WAY", 2)
    monkeypatch.setattr("bpexporter.export.text.time.sleep", gave.append)
    render(hub)
    assert len(gave) > len(metrics_of("queue"))


def test_numbers_that_no_float_holds_fail_as_there():
    """An integer beyond every float is refused by both, with the same error."""
    beyond = int(sys.float_info.max) * 10
    with pytest.raises(OverflowError):
        floatToGoString(beyond)
    with pytest.raises(OverflowError):
        number_text(beyond)
