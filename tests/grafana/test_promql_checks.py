"""The checker of queries finds what is wrong, and lets through what is right."""

import pytest
from promql_checks import complaints, unfiltered
from promql_labels import labels_of

DEPTH, PUTS, WAIT, REFUSED = (
    "backpressure_queue_depth_items",
    "backpressure_queue_puts_total",
    "backpressure_queue_put_wait_seconds",
    "backpressure_queue_refused_puts_total",
)
BUFFERED = "backpressure_stream_buffered_bytes"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sum(", "does not parse"),
        ("backpressure_queue_size", "backpressure_queue_size is not in the catalogue"),
        ("http_requests_total", "http_requests_total is not in the catalogue"),
        (PUTS, "is a counter and not under rate"),
        (f"sum(rate({DEPTH}[5m])) + {PUTS}", "is a counter and not under rate"),
        (f"max_over_time({PUTS}[5m])", "is a counter and not under rate"),
        (f"max_over_time({PUTS}[5m]) > 1000", "is a counter and not under rate"),
        (f"max_over_time({PUTS}[5m]) > {DEPTH}", "is a counter and not under rate"),
        (f"rate(sum({PUTS})[5m:])", "is a counter and not under rate"),
        (f"rate({DEPTH}[5m])", f"{DEPTH} is a gauge and under rate"),
        (f"rate({WAIT}[5m])", f"{WAIT} is a histogram and was asked for as a whole"),
        (f"histogram_quantile(0.9, {WAIT}_bucket)", "is a counter and not under rate"),
        (f"{DEPTH}_bucket", f"{DEPTH} is a gauge and was asked for bucket"),
        (f'{DEPTH}{{stream="a"}}', f"{DEPTH} has no label stream"),
        (f'rate({WAIT}_sum{{le="1"}}[5m])', f"{WAIT} has no label le"),
        ('rate(backpressure_queue_occupancy_seconds_total{band="ful"}[5m])', "band is never ful"),
        ('rate(backpressure_queue_refused_puts_total{reason=~"full|lost"}[5m])', "reason is never lost"),
        (f"sum by (queues) ({DEPTH})", "grouped by queues, which nothing has"),
        (f"sum by (queue) ({BUFFERED}) / sum by (queue) ({DEPTH})", "grouped by queue, which nothing has"),
        (f"sum without (band) ({DEPTH})", "grouped by band, which nothing has"),
        (f"rate(({DEPTH})[5m:])", f"{DEPTH} is a gauge and under rate"),
        (f"rate(sum({DEPTH})[5m:])", f"{DEPTH} is a gauge and under rate"),
        (f"irate({DEPTH}[5m])", f"{DEPTH} is a gauge and under irate"),
        (f"histogram_quantile(0.9, sum by (queue) (rate({WAIT}_bucket[5m])))", "histogram_quantile needs le"),
        (f"histogram_quantile(0.9, rate({WAIT}_sum[5m]))", "histogram_quantile needs le"),
        (f"sum(rate({WAIT}_bucket[5m]))", "are added up over le"),
        (f"{DEPTH} / on (pod) {DEPTH}", "joined on pod, which nothing has"),
        (f"{DEPTH} / on (queue) {DEPTH}", "many match: joined without instance, job"),
        (f"{DEPTH} / on (job, queue) group_left {DEPTH}", "many match: joined without instance"),
        (f"rate({REFUSED}[5m]) / rate({PUTS}[5m])", "never match: reason"),
        (f"{DEPTH} and {BUFFERED} > 0", "never match: queue, stream"),
        (f"{DEPTH} and on (stream) {BUFFERED}", "joined on stream, which nothing has"),
        (f'label_replace({DEPTH}, "resource", "$1", "stream", "(.*)")', "label_replace takes stream"),
    ],
)
def test_a_bad_query_is_found(query, told):
    """Each kind of mistake is told."""
    assert told in " ".join(complaints(query))


@pytest.mark.parametrize(
    "query",
    [
        DEPTH,
        f'sum by (job, queue) (rate({PUTS}{{queue=~"$queue"}}[$__rate_interval]))',
        f"histogram_quantile(0.9, sum by (le) (rate({WAIT}_bucket[5m])))",
        f"rate({WAIT}_sum[5m]) / rate({WAIT}_count[5m])",
        f'sum by (kind) (label_replace({DEPTH}, "kind", "queue", "", ""))',
        f"rate({REFUSED}[5m]) / ignoring (reason) group_left rate({PUTS}[5m])",
        f"{DEPTH} > 1 and on (job, instance) up == 1",
        f"max({DEPTH} or {BUFFERED}) or vector(0)",
        f"({DEPTH}) and topk(5, max_over_time(({DEPTH})[1h:15s] @ end()))",
        "# why\nup == 0",
        f"max_over_time({PUTS}[5m]) == 0",
        f"sum without (reason) (max_over_time({REFUSED}[5m])) > 0",
        f"resets({PUTS}[30m]) < 2",
        f"sum by (cluster, job) ({DEPTH})",
    ],
)
def test_a_good_query_is_let_through(query):
    """What is right gives no complaint."""
    assert complaints(query) == []


def test_recorded_names_may_be_used():
    """A recorded series is known, with its labels, where it is said to be recorded."""
    recorded = {"a:b:c": {"job", "instance", "queue"}}
    assert complaints(f"a:b:c > 1 and {DEPTH} > 1", recorded) == []
    assert complaints("a:b:c > 1") == ["a:b:c is not in the catalogue"]
    assert complaints('a:b:c{stream="x"}', recorded) == ["a:b:c has no label stream"]
    assert complaints("rate(a:b:c[5m])", recorded) == ["a:b:c is a gauge and under rate"]
    assert complaints("sum by (stream) (a:b:c)", recorded) == ["grouped by stream, which nothing has"]


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        (DEPTH, {"job", "instance", "queue"}),
        (f"histogram_quantile(0.9, rate({WAIT}_bucket[5m]))", {"job", "instance", "queue"}),
        (f"max by (kind) (label_replace({DEPTH}, 'kind', 'queue', '', ''))", {"kind"}),
        (f"sum without (reason) (rate({REFUSED}[5m]))", {"job", "instance", "queue"}),
        ("1 + 1", None),
    ],
)
def test_labels_are_found(query, labels):
    """The labels of what a query gives are known without data."""
    assert labels_of(query) == labels


@pytest.mark.parametrize(
    ("filters", "lacking"),
    [
        ('job=~"$job", instance=~"$instance", queue=~"$queue"', []),
        ('job=~"$job", queue=~"$queue"', ["instance"]),
        ('job="shop", instance=~"$instance", queue=~"$queue"', ["job"]),
        ('job="$job", instance=~"$instance", queue=~"$queue"', ["job"]),
        ('job!~"$job", instance=~"$instance", queue=~"$queue"', ["job"]),
        ('job=~"$job", job="shop", instance=~"$instance", queue=~"$queue"', ["job"]),
        ('job=~"$job", instance=~"$instance"', ["queue"]),
    ],
)
def test_a_lacking_filter_is_found(filters, lacking):
    """Every selector must have exactly the filters of the dashboard."""
    told = unfiltered(f"sum({DEPTH}{{{filters}}})", ["job", "instance", "queue", "stream"])
    assert told == [f"{DEPTH} is not filtered by {label}" for label in lacking]
