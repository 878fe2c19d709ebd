"""The catalogue and a hub's readings as families of prometheus_client, in a registry of the application's."""

import asyncio
import subprocess
import sys

import pytest
from fake_clock import Clock
from hypothesis import given, settings
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from readings import snapshots

from bpexporter import Collector, Hub, unwatch, watch
from bpexporter.catalogue.metrics import METRICS
from bpexporter.export.collector import families

KINDS = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


@pytest.fixture
def registry(hub):
    """A registry of the application's with a collector of that hub."""
    registry = CollectorRegistry()
    registry.register(Collector(hub))
    return registry


def samples(registry):
    """All samples of a registry, by name."""
    found = {}
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_one_family_for_each_declaration_in_its_order(hub):
    """Each has the declared name without `_total`, kind, class and help; what is not known is described alone."""
    watched = watch(asyncio.Queue(1), "q", hub=hub)
    wanted = [(metric.family, metric.kind, metric.help, KINDS[metric.kind]) for metric in METRICS]

    def told(made):
        return [(one.name, one.type, one.documentation, type(one)) for one in made]

    assert told(Collector(hub).describe()) == wanted
    collected = list(Collector(hub).collect())
    assert told(collected) == [one for one in wanted if one[0] in {family.name for family in collected}]
    kinds = hub.snapshot().kinds
    known = {metric.family for metric in METRICS if not kinds[metric.subject]}
    assert {family.name for family in collected} == known | {one.name for one in collected if one.samples}
    assert {metric.family for metric in METRICS if metric.subject == "queue"} <= {family.name for family in collected}
    assert watched.qsize() == 0


def test_describe_and_register_read_nothing(hub, monkeypatch):
    """A registry that is given the collector learns the names and collects nothing yet."""

    def fails():
        raise AssertionError("collected")

    monkeypatch.setattr(hub, "snapshot", fails)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(Collector(hub))
    assert [family.samples for family in Collector(hub).describe()] == [[]] * len(METRICS)


def test_two_collectors_are_refused_by_one_registry(hub, registry):
    """The names are known to the registry, so the same metrics twice are an error at once, and not at the scrape."""
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(Collector(Hub()))
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Counter("backpressure_queue_puts", "mine", registry=registry)


def test_a_choice_of_names_collects_the_family(hub, registry):
    """`name[]` finds our families, which describe() has told of."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    queue.put_nowait(1)
    chosen = registry.restricted_registry(["backpressure_queue_puts_total"])
    assert samples(chosen) == {"backpressure_queue_puts_total": [({"queue": "q"}, 1)]}


def test_the_registry_of_the_process_takes_it():
    """A collector goes into the default registry, and out again."""
    collector = Collector()
    REGISTRY.register(collector)
    try:
        assert REGISTRY.get_sample_value("bpexporter_collect_errors_total") is not None
    finally:
        REGISTRY.unregister(collector)
    assert REGISTRY.get_sample_value("bpexporter_collect_errors_total") is None


def test_zero_from_the_moment_of_watching(hub, registry):
    """Before the first event there is a series for each metric, and for each value of a second label."""
    queues = [watch(asyncio.Queue(2), "q", hub=hub), watch(asyncio.Semaphore(3), "s", hub=hub)]
    found = samples(registry)
    assert found["backpressure_queue_puts_total"] == [({"queue": "q"}, 0)]
    assert found["backpressure_queue_put_wait_seconds_count"] == [({"queue": "q"}, 0)]
    reasons = found["backpressure_queue_refused_puts_total"]
    assert reasons == [({"queue": "q", "reason": reason}, 0) for reason in ("full", "cancelled", "shutdown")]
    assert found["backpressure_limiter_acquire_blocked_seconds_total"] == [({"limiter": "s"}, 0)]
    assert len(queues) == 2


def test_nothing_is_shown_of_what_is_not_watched(registry):
    """An empty hub shows the exporter itself, and no series of any resource."""
    assert {name for name in samples(registry) if not name.startswith("bpexporter_")} == set()


def test_absent_rather_than_zero(hub, registry):
    """Without a bounded member there is no capacity and no utilisation; the other series are there."""
    free = watch(asyncio.Queue(), "free", hub=hub)
    found = samples(registry)
    for name in ("capacity_items", "utilization_ratio", "peak_utilization_ratio"):
        assert f"backpressure_queue_{name}" not in found
    bound = watch(asyncio.Queue(4), "free", hub=hub)
    bound.put_nowait(0)
    found = samples(registry)
    assert found["backpressure_queue_capacity_items"] == [({"queue": "free"}, 4)]
    assert found["backpressure_queue_utilization_ratio"] == [({"queue": "free"}, 0.25)]
    assert found["backpressure_queue_unbounded_members"] == [({"queue": "free"}, 1)]
    unwatch(bound)
    assert "backpressure_queue_capacity_items" not in samples(registry)
    assert free.empty()


def test_no_created_series(hub, registry):
    """Whatever prometheus_client does for its own metrics, ours have no `_created`, in text and OpenMetrics."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(0)
    assert b"_created" not in generate_latest(registry)
    assert [name for name in samples(registry) if name.endswith("_created")] == []


async def test_buckets_are_cumulative_and_inclusive(clock):
    """`le` counts all that waited as long or less, `+Inf` all, and `_sum` their seconds."""
    hub = Hub(clock=clock, buckets=(1, 2, 5))
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    registry = CollectorRegistry()
    registry.register(Collector(hub))
    for waited in (0, 1, 2, 3, 50):
        queue.put_nowait(0)
        put = asyncio.create_task(queue.put(1))
        await asyncio.sleep(0)
        clock.now += waited
        queue.get_nowait()
        await put
        queue.get_nowait()
    found = samples(registry)
    buckets = {labels["le"]: value for labels, value in found["backpressure_queue_put_wait_seconds_bucket"]}
    # five puts found room besides, and waited 0
    assert buckets == {"1.0": 7, "2.0": 8, "5.0": 9, "+Inf": 10}
    assert found["backpressure_queue_put_wait_seconds_count"] == [({"queue": "q"}, 10)]
    assert found["backpressure_queue_put_wait_seconds_sum"] == [({"queue": "q"}, 56)]
    assert found["backpressure_queue_puts_total"] == [({"queue": "q"}, 10)]


def test_hubs_are_kept_apart():
    """Each collector shows its own hub, and none by default that is not the process-wide one."""
    one, other = Hub(), Hub()
    queue = watch(asyncio.Queue(), "only-here", hub=one)
    shown = [
        any("only-here" in sample.labels.values() for family in Collector(hub).collect() for sample in family.samples)
        for hub in (one, other, None)
    ]
    assert shown == [True, False, False]
    assert queue.empty()


@pytest.mark.parametrize("hub", [object(), "hub", 1, Hub])
def test_what_is_no_hub_is_refused_at_once(hub):
    """A wrong argument fails where it is given."""
    with pytest.raises(TypeError, match=r"hub must be a bpexporter\.Hub"):
        Collector(hub)


@given(snapshots())
@settings(max_examples=40)
def test_every_sample_has_the_declared_labels_as_text(snapshot):
    """Whatever is read: each sample has exactly the labels of its declaration (and `le`), and all are `str`."""
    declared = {metric.family: set(metric.labels) for metric in METRICS}
    for family in families(snapshot):
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == declared[family.name]
            assert all(type(value) is str for value in sample.labels.values())


def test_other_collectors_are_not_touched():
    """Importing the collector leaves prometheus_client's process-wide switches and registry as they were."""
    program = (
        "import prometheus_client as client\n"
        "before = (client.metrics._use_created, len(client.REGISTRY._collector_to_names))\n"
        "import bpexporter.export.collector, bpexporter.export.text\n"
        "bpexporter.Collector()\n"
        "assert (client.metrics._use_created, len(client.REGISTRY._collector_to_names)) == before, before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
