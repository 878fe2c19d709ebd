"""The alerts: what must hold, for how long, and what the person who is paged reads first.

Page (`critical`) when something is full *and* somebody is held up, or when nothing moves at all; tell (`warning`)
of what will hurt when nobody looks. Gauges are wrapped in `min_over_time` or `max_over_time`, so that a lost scrape
does not reset `for`; counters stand under `rate`. Comments inside the queries say why they are so.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from grafana.source import recording, thresholds
from grafana.source.queries import anywhere, expand
from grafana.source.thresholds import GRACE, HELD, KNOWN, LONG, RATE, REMEMBERED, SOON, TREND

RUNBOOK = "https://github.com/bpexporter/bpexporter/blob/main/grafana/RUNBOOK.md"
WHERE = "{{ $labels.job }}, {{ $labels.instance }}"
QUEUE, STREAM, LIMITER, LOOP = (f"{{{{ $labels.{label} }}}}" for label in ("queue", "stream", "limiter", "loop"))
PERCENT = "{{ $value | humanizePercentage }}"
DURATION = "{{ $value | humanizeDuration }}"

Severity = Literal["critical", "warning", "info"]


class Alert(NamedTuple):
    """One alert. `group` is what it is about, `template` its condition, `held` the time for which that must hold."""

    group: str
    name: str
    severity: Severity
    held: str
    template: str
    summary: str
    description: str

    def rule(self) -> dict[str, object]:
        """The rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": expand(self.template.strip("\n"), anywhere),
            "for": self.held,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOK}#{self.name.lower()}",
            },
        }


QUEUE_ALERTS = (
    Alert(
        "queue",
        "BackpressureQueueUtilizationHigh",
        "warning",
        HELD,
        f"""
# The lowest of the last moments: a burst that comes and goes is no trouble.
min_over_time({{queue.utilization_ratio}}[{GRACE}]) > {thresholds.SATURATED}
""",
        f"Queue {QUEUE} is above {thresholds.SATURATED.value:.0%}.",
        f"Queue {QUEUE} of {WHERE} is {PERCENT} full and has been nearly full for {HELD}. Its consumers take out less "
        "than comes in; when it is full, producers will wait.",
    ),
    Alert(
        "queue",
        "BackpressureQueueStalled",
        "critical",
        HELD,
        f"""
# Full and somebody held up: neither alone is worth waking up for.
{recording.QUEUE_STALLED.record} > {thresholds.STALLED}
and
min_over_time({{queue.utilization_ratio}}[{GRACE}]) >= {thresholds.SATURATED}
""",
        f"Producers of queue {QUEUE} are held up.",
        f"Queue {QUEUE} of {WHERE} is saturated, and {PERCENT} of the time a producer was blocked. The one to blame is "
        "downstream: the consumers of the last queue that stalls.",
    ),
    Alert(
        "queue",
        "BackpressureQueueStuck",
        "critical",
        SOON,
        f"""
# Full the whole time, and nothing was taken out.
min_over_time({{queue.utilization_ratio}}[{RATE}]) >= {thresholds.FULL}
and (
  rate({{queue.gets_total}}[{RATE}]) == 0
  # Of several queues with this name one may be stuck while others move: its oldest put tells.
  or min_over_time({{queue.longest_block_seconds}}[{GRACE}]) > {thresholds.STUCK_SECONDS}
)
# Somebody is held up or turned away: a pool that nobody borrows from is full, too, and well.
and (
  min_over_time({{queue.blocked_producers}}[{GRACE}]) > 0
  or sum without (reason) (rate({{queue.refused_puts_total}}[{RATE}])) > 0
)
""",
        f"Queue {QUEUE} is full and nothing leaves it.",
        f"Queue {QUEUE} of {WHERE} has been full for {RATE} and nothing was taken out: its consumers are gone, hang, "
        "or wait for its own producers (a deadlock).",
    ),
    Alert(
        "queue",
        "BackpressureQueueFullSoon",
        "warning",
        HELD,
        f"""
predict_linear({{queue.utilization_ratio}}[{TREND}], {thresholds.FULL_SOON_SECONDS}) >= {thresholds.FULL}
# Not full yet, and no small queue that has only begun to be used.
and max_over_time({{queue.utilization_ratio}}[{GRACE}]) < {thresholds.FULL}
and min_over_time({{queue.utilization_ratio}}[{GRACE}]) > {thresholds.FULL_SOON_FROM}
# Its lowest now is above its highest of before: a rise, and not the slope of a burst.
and min_over_time({{queue.utilization_ratio}}[{RATE}])
  > max_over_time({{queue.utilization_ratio}}[{RATE}] offset {LONG})
""",
        f"Queue {QUEUE} will be full within {thresholds.FULL_SOON_SECONDS.value / 60:.0f} minutes.",
        f"Queue {QUEUE} of {WHERE} has been filling up steadily; going on so, it is full within "
        f"{thresholds.FULL_SOON_SECONDS.value / 60:.0f} minutes, and its producers will wait.",
    ),
    Alert(
        "queue",
        "BackpressureQueueUnboundedGrowing",
        "warning",
        HELD,
        f"""
max_over_time({{queue.depth_items}}[{GRACE}]) > {thresholds.GROWING_ITEMS}
# Its lowest now is above its highest of before: growth, whatever the bursts.
and min_over_time({{queue.depth_items}}[{LONG}]) > max_over_time({{queue.depth_items}}[{LONG}] offset {TREND})
and max_over_time({{queue.unbounded_members}}[{GRACE}]) > 0
""",
        f"Unbounded queue {QUEUE} grows and grows.",
        f"Queue {QUEUE} of {WHERE} has no maxsize, holds {{{{ $value | humanize }}}} items and keeps growing. "
        "Nothing holds its producers back, and memory is the only limit.",
    ),
    Alert(
        "queue",
        "BackpressureItemsRefused",
        "warning",
        HELD,
        f"{recording.QUEUE_REFUSED.record} > {thresholds.REFUSED}",
        f"Queue {QUEUE} refuses items.",
        f"{PERCENT} of the puts into queue {QUEUE} of {WHERE} were refused (put_nowait on a full queue) or given up "
        "(time-outs and cancellations). Work is lost, unless the program tries again.",
    ),
    Alert(
        "queue",
        "BackpressureItemsOld",
        "warning",
        HELD,
        f"""
# The age is that of a tracer item, and 0 between two of them: the highest of the last moments.
max_over_time({{queue.oldest_item_age_seconds}}[{GRACE}]) > {thresholds.OLD_SECONDS}
""",
        f"Items of queue {QUEUE} wait for very long.",
        f"An item of queue {QUEUE} of {WHERE} has been waiting for {DURATION} at least.",
    ),
)

STREAM_ALERTS = (
    Alert(
        "stream",
        "BackpressureDrainStalled",
        "warning",
        SOON,
        f"min_over_time({{stream.longest_block_seconds}}[{GRACE}]) > {thresholds.DRAIN_SECONDS}",
        f"A writer of stream {STREAM} is stuck in drain().",
        f"A drain() of stream {STREAM} of {WHERE} has been blocked for {DURATION}: its peer takes nothing.",
    ),
    Alert(
        "stream",
        "BackpressurePeerNotReading",
        "warning",
        HELD,
        f"""
{recording.RECEIVER_LIMITED.record} > {thresholds.NOT_READING}
# It never caught up: what is sent in bursts is behind the window now and then, and well.
and min_over_time({{stream.kernel_unsent_bytes}}[{GRACE}]) > 0
""",
        f"Peers of stream {STREAM} do not read.",
        f"In {PERCENT} of the time in which stream {STREAM} of {WHERE} had something to send, the peer's window was "
        "shut: the peer is slow, and neither the network nor this program is.",
    ),
    Alert(
        "stream",
        "BackpressureIgnored",
        "warning",
        HELD,
        f"""
# One large write may go over the mark for a moment; to stay there and to write on is another matter.
min_over_time({{stream.utilization_ratio}}[{GRACE}]) > {thresholds.FULL}
and rate({{stream.unheeded_writes_total}}[{RATE}]) > 0
""",
        f"Stream {STREAM} is written to without waiting.",
        f"The buffer of a writer of stream {STREAM} of {WHERE} stays over its mark ({PERCENT} of it) while it is "
        "written to: somebody writes without drain(), and memory is the only limit.",
    ),
)

LIMITER_ALERTS = (
    Alert(
        "limiter",
        "BackpressureLimiterExhausted",
        "warning",
        HELD,
        f"""
{recording.LIMITER_STALLED.record} > {thresholds.STALLED}
and
min_over_time({{limiter.utilization_ratio}}[{GRACE}]) >= {thresholds.SATURATED}
""",
        f"Limiter {LIMITER} is exhausted.",
        f"Limiter {LIMITER} of {WHERE} had no permit left, and {PERCENT} of the time a task waited for one.",
    ),
    Alert(
        "limiter",
        "BackpressureLimiterStuck",
        "critical",
        SOON,
        f"min_over_time({{limiter.longest_block_seconds}}[{GRACE}]) > {thresholds.STUCK_SECONDS}",
        f"No permit of limiter {LIMITER} comes back.",
        f"A task has waited for a permit of limiter {LIMITER} of {WHERE} for {DURATION}: permits are not released, "
        "or their holders hang.",
    ),
    Alert(
        "limiter",
        "BackpressureAcquiresGivenUp",
        "warning",
        HELD,
        f"{recording.LIMITER_REFUSED.record} > {thresholds.REFUSED}",
        f"Tasks give up waiting for limiter {LIMITER}.",
        f"{PERCENT} of the acquires of limiter {LIMITER} of {WHERE} were cancelled or timed out before they got a "
        "permit. Work is lost, unless the program tries again.",
    ),
)

LOOP_ALERTS = (
    Alert(
        "loop",
        "BackpressureLoopBlocked",
        "warning",
        HELD,
        f"{recording.LOOP_STALLED.record} > {thresholds.LOOP_STUCK}",
        f"Event loop {LOOP} is stuck {PERCENT} of the time.",
        f"Event loop {LOOP} of {WHERE} was late {PERCENT} of the time: a callback does not give way. While it is "
        "stuck nothing of the program runs, and every queue looks slow.",
    ),
)

EXPORTER_ALERTS = (
    Alert(
        "exporter",
        "BackpressureExporterDown",
        "critical",
        SOON,
        f"""
max_over_time(up[{GRACE}]) == 0
# Of all targets, those that have shown metrics of bpexporter before.
and on (job, instance) present_over_time({{itself.build_info}}[{KNOWN}])
""",
        "An application with bpexporter does not answer.",
        f"Prometheus cannot scrape {WHERE}, which showed its backpressure before: the process is gone, or the machine "
        "gives it no time.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterGone",
        "warning",
        HELD,
        f"""
group by (job) (present_over_time({{itself.build_info}}[{REMEMBERED}]))
unless group by (job) (present_over_time({{itself.build_info}}[{RATE}]))
# A target that does not answer has an alert of its own.
unless group by (job) (up == 0)
""",
        "Job {{ $labels.job }} shows no backpressure any more.",
        f"Within {REMEMBERED} job {{{{ $labels.job }}}} had metrics of bpexporter, and now no target of it has: it is "
        "not discovered any more, or start() is not called any more.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterFailing",
        "warning",
        SOON,
        f"increase({{itself.collect_errors_total}}[{LONG}]) > {thresholds.LOST}",
        "The exporter fails to read what it watches.",
        f"{{{{ $value | humanize }}}} errors within {LONG} at {WHERE}: readings may be missing. The application's log "
        "says why.",
    ),
    Alert(
        "exporter",
        "BackpressureNamesFolded",
        "info",
        SOON,
        f"increase({{itself.folded_names_total}}[{LONG}]) > {thresholds.LOST}",
        "Too many names of kind {{ $labels.kind }}.",
        f"{WHERE} makes more names than bpexporter keeps; further ones are counted as __other__. A name is made from "
        "something unbounded, such as a connection or a user.",
    ),
)

ALERTS: tuple[Alert, ...] = QUEUE_ALERTS + STREAM_ALERTS + LIMITER_ALERTS + LOOP_ALERTS + EXPORTER_ALERTS
