"""Recording rules: the shares and quantiles that alerts judge by and that long ranges are drawn from.

Names are level:metric:operations, as the Prometheus documentation proposes. Each keeps the target's labels.
"""

from __future__ import annotations

from typing import NamedTuple

from grafana.source.queries import anywhere, expand
from grafana.source.thresholds import RATE


class Recording(NamedTuple):
    """One recorded series."""

    record: str
    template: str

    def rule(self) -> dict[str, object]:
        """The rule as Prometheus reads it."""
        return {"record": self.record, "expr": expand(self.template, anywhere)}


def stalled(subject: str) -> Recording:
    """The share of the time with somebody blocked, as the `some` line of Linux PSI."""
    name = f"instance_{subject}:backpressure_{subject}_stalled:ratio_rate{RATE}"
    return Recording(name, f"rate({{{subject}.stalled_seconds_total}}[{RATE}])")


def refused(subject: str, refusals: str, done: str) -> Recording:
    """The share of the calls that were refused or given up; absent where there were no calls."""
    given_up = f"sum without (reason) (rate({{{subject}.{refusals}}}[{RATE}]))"
    calls = f"({given_up} + rate({{{subject}.{done}}}[{RATE}]))"
    name = f"instance_{subject}:backpressure_{subject}_refused:ratio_rate{RATE}"
    return Recording(name, f"{given_up}\n/\n({calls} > 0)")


def p99(subject: str, histogram: str) -> Recording:
    """The 99th percentile of a histogram."""
    name = f"instance_{subject}:backpressure_{subject}_{histogram}:p99_rate{RATE}"
    return Recording(name, f"histogram_quantile(0.99, rate({{{subject}.{histogram}.bucket}}[{RATE}]))")


QUEUE_STALLED, STREAM_STALLED, LIMITER_STALLED, LOOP_STALLED = map(stalled, ("queue", "stream", "limiter", "loop"))
QUEUE_REFUSED = refused("queue", 'refused_puts_total|reason=~"full|cancelled"', "puts_total")
LIMITER_REFUSED = refused("limiter", "refused_acquires_total", "acquire_wait_seconds.count")
QUEUE_SATURATED = Recording(
    f"instance_queue:backpressure_queue_saturated:ratio_rate{RATE}",
    f'sum without (band) (rate({{queue.occupancy_seconds_total|band=~"high|full"}}[{RATE}]))',
)
RECEIVER_LIMITED = Recording(
    f"instance_stream:backpressure_stream_receiver_limited:ratio_rate{RATE}",
    f'sum without (cause) (rate({{stream.tcp_limited_seconds_total|cause="receiver"}}[{RATE}]))\n/\n'
    f"(rate({{stream.tcp_busy_seconds_total}}[{RATE}]) > 0)",
)

RECORDINGS = (
    QUEUE_STALLED,
    QUEUE_SATURATED,
    QUEUE_REFUSED,
    p99("queue", "put_wait_seconds"),
    p99("queue", "residence_seconds"),
    STREAM_STALLED,
    RECEIVER_LIMITED,
    p99("stream", "drain_seconds"),
    LIMITER_STALLED,
    LIMITER_REFUSED,
    p99("limiter", "acquire_wait_seconds"),
    LOOP_STALLED,
    p99("loop", "lag_seconds"),
)
