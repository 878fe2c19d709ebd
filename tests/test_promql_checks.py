"""The checker of queries finds what is wrong, and lets through what is right."""

import pytest
from promql_checks import complaints

DEPTH, PUTS, WAIT = (
    "backpressure_queue_depth_items",
    "backpressure_queue_puts_total",
    "backpressure_queue_put_wait_seconds",
)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sum(", "does not parse"),
        ("backpressure_queue_size", "backpressure_queue_size is not in the catalogue"),
        ("http_requests_total", "http_requests_total is not in the catalogue"),
        (PUTS, "is a counter and not under rate"),
        (f"sum(rate({DEPTH}[5m])) + {PUTS}", "is a counter and not under rate"),
        (f"max_over_time({PUTS}[5m])", "is a counter and not under rate"),
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
        (f"{DEPTH} / on (pod) {DEPTH}", "grouped by pod, which nothing has"),
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
        f'label_replace({DEPTH}, "resource", "$1", "queue", "(.*)") and on (resource) vector(1)',
        f"({DEPTH}) and topk(5, max_over_time(({DEPTH})[1h:15s] @ end()))",
        "# why\nup == 0",
    ],
)
def test_a_good_query_is_let_through(query):
    """What is right gives no complaint."""
    assert complaints(query) == []


def test_recorded_names_may_be_used():
    """A recorded series is known where it is said to be recorded."""
    assert complaints("a:b:c > 1", {"a:b:c"}) == []
    assert complaints("a:b:c > 1") == ["a:b:c is not in the catalogue"]
