"""The alerts about limiters."""

from __future__ import annotations

from grafana.source import recording, thresholds
from grafana.source.alerts.alert import DURATION, LIMITER, PERCENT, WHERE, Alert
from grafana.source.alerts.conditions import usual
from grafana.source.thresholds import GRACE, HELD, SOON

LIMITER_ALERTS = (
    Alert(
        "limiter",
        "BackpressureLimiterExhausted",
        "warning",
        SOON,
        f"""
{recording.LIMITER_PRESSURE.record} > {thresholds.STALLED}
and
{usual("{limiter.utilization_ratio}")} >= {thresholds.SATURATED}
""",
        f"Limiter {LIMITER} is exhausted.",
        f"Limiter {LIMITER} of {WHERE} had no permit left, and {PERCENT} of the time a task waited for one.",
    ),
    Alert(
        "limiter",
        "BackpressureLimiterStuck",
        "critical",
        SOON,
        f"""
max_over_time({{limiter.longest_block_seconds}}[{GRACE}])
and {usual("{limiter.longest_block_seconds}")} > {thresholds.STUCK_SECONDS}
# Where there is no permit that anybody could hold, somebody waits for a bell to be rung, as with Semaphore(0).
unless max_over_time({{limiter.capacity_permits}}[{GRACE}]) == 0
unless max_over_time({{limiter.in_use_permits}}[{GRACE}]) == 0
unless (
  max_over_time({{limiter.waiting_tasks}}[{GRACE}]) unless max_over_time({{limiter.utilization_ratio}}[{GRACE}])
)
""",
        f"No permit of limiter {LIMITER} comes back.",
        f"A task has waited for a permit of limiter {LIMITER} of {WHERE} for {DURATION}: permits are not released, "
        "or their holders hang.",
    ),
    Alert(
        "limiter",
        "BackpressureAcquiresGivenUp",
        "warning",
        HELD,
        f"""
{recording.LIMITER_REFUSED.record} > {thresholds.REFUSED}
# Who looks now and then whether a bell was rung loses nothing.
unless max_over_time({{limiter.capacity_permits}}[{GRACE}]) == 0
""",
        f"Tasks give up waiting for limiter {LIMITER}.",
        f"{PERCENT} of the acquires of limiter {LIMITER} of {WHERE} were cancelled or timed out before they got a "
        "permit. Work is lost, unless the program tries again.",
    ),
)
