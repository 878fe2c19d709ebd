"""Recording rules: what alerts judge by, and nothing that none does: a rule that nobody reads costs all the same.

Names are level:metric:operations, as the Prometheus documentation proposes. Each keeps the target's labels.
"""

from __future__ import annotations

from typing import NamedTuple

from grafana.source import thresholds
from grafana.source.queries import anywhere, expand, some
from grafana.source.thresholds import GRACE, LONG, NOW, RATE, REMEMBERED


class Recording(NamedTuple):
    """One recorded series."""

    record: str
    template: str

    def rule(self) -> dict[str, object]:
        """The rule as Prometheus reads it."""
        return {"record": self.record, "expr": expand(self.template, anywhere)}


def pressure(subject: str) -> Recording:
    """Stalled seconds a second and member, over a window that outlasts a restart."""
    return Recording(f"instance_{subject}:backpressure_{subject}_pressure:ratio_rate{LONG}", some(subject, f"[{LONG}]"))


def refused(subject: str, refusals: str, done: str) -> Recording:
    """The share of the calls that were refused or given up; absent where there were no calls."""
    given_up = f"sum without (reason) (rate({{{subject}.{refusals}}}[{RATE}]))"
    calls = f"({given_up} + rate({{{subject}.{done}}}[{RATE}]))"
    name = f"instance_{subject}:backpressure_{subject}_refused:ratio_rate{RATE}"
    return Recording(name, f"{given_up}\n/\n({calls} > 0)")


QUEUE_PRESSURE, STREAM_PRESSURE, LIMITER_PRESSURE, LOOP_PRESSURE = map(pressure, ("queue", "stream", "limiter", "loop"))
LOOP_BUSY = Recording(
    f"instance_loop:backpressure_loop_busy:ratio_rate{NOW}", some("loop", f"[{NOW}]", "busy_seconds_total")
)
QUEUE_REFUSED = refused("queue", 'refused_puts_total|reason=~"full|cancelled"', "puts_total")
LIMITER_REFUSED = refused("limiter", "refused_acquires_total", "acquire_wait_seconds.count")
QUEUE_AT_REST = Recording(
    f"instance_queue:backpressure_queue_at_rest:max_over_time{REMEMBERED}",
    f"""
# Full within the last hour, and nobody has ever waited for room, or was turned away lately: what is handed out and
# given back, as the connections of a pool, for which full means idle.
max_over_time({{queue.utilization_ratio}}[{REMEMBERED}]) >= {thresholds.FULL}
and (
  max_over_time({{queue.stalled_seconds_total}}[{RATE}]) == 0
  or max_over_time({{queue.blocked_producers}}[{RATE}]) == 0
)
unless max_over_time({{queue.stalled_seconds_total}}[{RATE}]) > 0
unless {QUEUE_REFUSED.record} > 0
""".strip("\n"),
)
QUEUE_RISING = Recording(
    "instance_queue:backpressure_queue_rising:bool",
    f"(delta({{queue.depth_items}}[{GRACE}]) > bool 0)\nand max_over_time({{queue.unbounded_members}}[{GRACE}]) > 0",
)
STREAM_UNHEEDED = Recording(
    f"instance_stream:backpressure_stream_unheeded:rate{LONG}",
    f"""
# Writers over their mark that are in no drain(); where drains are not seen, all that are over it.
rate({{stream.paused_seconds_total}}[{LONG}])
  - (rate({{stream.drain_blocked_seconds_total}}[{LONG}]) or rate({{stream.stalled_seconds_total}}[{LONG}]))
or rate({{stream.paused_seconds_total}}[{LONG}])
""".strip("\n"),
)
RECEIVER_LIMITED = Recording(
    f"instance_stream:backpressure_stream_receiver_limited:ratio_rate{RATE}",
    f'sum without (cause) (rate({{stream.tcp_limited_seconds_total|cause="receiver"}}[{RATE}]))\n/\n'
    f"(rate({{stream.tcp_busy_seconds_total}}[{RATE}]) > 0)",
)

CULPRIT = Recording(
    f"instance_culprit:backpressure_culprit:ratio_rate{LONG}",
    f"""
# Of several processes under one instance, as behind a sidecar, the seconds add up.
clamp_max(rate({{culprit.seconds_total}}[{LONG}]), 1)
""".strip("\n"),
)

RECORDINGS = (
    QUEUE_PRESSURE,
    QUEUE_REFUSED,
    QUEUE_AT_REST,
    QUEUE_RISING,
    STREAM_PRESSURE,
    STREAM_UNHEEDED,
    RECEIVER_LIMITED,
    LIMITER_PRESSURE,
    LIMITER_REFUSED,
    LOOP_PRESSURE,
    LOOP_BUSY,
    CULPRIT,
)
