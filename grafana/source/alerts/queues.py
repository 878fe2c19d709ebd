"""The alerts about queues."""

from __future__ import annotations

from grafana.source import recording, thresholds
from grafana.source.alerts.alert import DURATION, PERCENT, QUEUE, WHERE, Alert
from grafana.source.alerts.conditions import ahead, creeps, grows, mostly, usual
from grafana.source.thresholds import GRACE, HELD, LONG, NOW, RATE, SOON, TREND

QUEUE_ALERTS = (
    Alert(
        "queue",
        "BackpressureQueueUtilizationHigh",
        "warning",
        HELD,
        f"""
# The lowest of the last moments: a burst that comes and goes is no trouble.
min_over_time({{queue.utilization_ratio}}[{GRACE}]) > {thresholds.SATURATED}
# A pool is full when it is idle.
unless {recording.QUEUE_AT_REST.record}
""",
        f"Queue {QUEUE} is above {thresholds.SATURATED.value:.0%}.",
        f"Queue {QUEUE} of {WHERE} is {PERCENT} full and has been nearly full for {HELD}. Its consumers take out less "
        "than comes in; when it is full, producers will wait.",
    ),
    Alert(
        "queue",
        "BackpressureQueueStalled",
        "critical",
        SOON,
        f"""
# Full and somebody held up: neither alone is worth waking up for.
{recording.QUEUE_PRESSURE.record} > {thresholds.STALLED}
and
{usual("{queue.utilization_ratio}")} >= {thresholds.SATURATED}
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
{mostly("{queue.utilization_ratio}")} >= {thresholds.FULL}
and (
  rate({{queue.gets_total}}[{RATE}]) == 0
  # Of several queues with this name one may be stuck while others move: its oldest put tells.
  or {usual("{queue.longest_block_seconds}")} > {thresholds.STUCK_SECONDS}
)
# Somebody is held up or turned away: a pool that nobody borrows from is full, too, and well.
and (
  {mostly("{queue.blocked_producers}")} > 0
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
{ahead("{queue.utilization_ratio}")} >= {thresholds.FULL}
# Not full yet, and no small queue that has only begun to be used.
and max_over_time({{queue.utilization_ratio}}[{GRACE}]) < {thresholds.FULL}
and {usual("{queue.utilization_ratio}", RATE)} > {thresholds.FULL_SOON_FROM}
# A rise, and not the slope of a burst: minutes ago it was above its highest of before,
and {usual("{queue.utilization_ratio}", RATE, f" offset {RATE}")}
  > max_over_time({{queue.utilization_ratio}}[{RATE}] offset {LONG})
# and it goes on: what has warmed up is flat.
and max_over_time({{queue.utilization_ratio}}[{NOW}])
  > {thresholds.GROWN} * quantile_over_time(0.75, {{queue.utilization_ratio}}[{RATE}] offset {NOW})
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
# Quickly, or slowly under bursts. A batch is there at once and falls from then on.
and (
{grows("{queue.depth_items}")}
or
{creeps("{queue.depth_items}")}
)
and max_over_time({{queue.unbounded_members}}[{GRACE}]) > 0
""",
        f"Unbounded queue {QUEUE} grows and grows.",
        f"Queue {QUEUE} of {WHERE} has no maxsize, holds {{{{ $value | humanize }}}} items and keeps growing. "
        "Nothing holds its producers back, and memory is the only limit.",
    ),
    Alert(
        "queue",
        "BackpressureQueueEmptiedByRestarts",
        "critical",
        HELD,
        f"""
max_over_time({{queue.depth_items}}[{TREND}]) > {thresholds.GROWING_ITEMS}
# It rises nearly all the time, so that what empties it takes no time,
and avg_over_time({recording.QUEUE_RISING.record}[{TREND}]) > {thresholds.RISING}
# and is no consumer that takes all at once: counters begin anew.
unless resets({{queue.puts_total}}[{TREND}]) < {thresholds.RESTARTS}
""",
        f"Unbounded queue {QUEUE} grows until its process ends, again and again.",
        f"Queue {QUEUE} of {WHERE} has no maxsize, grows to {{{{ $value | humanize }}}} items, and is empty again only "
        "because its process was restarted, most likely for want of memory. What it held is lost each time.",
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
        LONG,
        f"""
# The age is that of a tracer item, and 0 between two of them: the highest of the last moments.
max_over_time({{queue.oldest_item_age_seconds}}[{LONG}]) > {thresholds.OLD_SECONDS}
# It was not taken out, or grows old again after a restart.
and max_over_time({{queue.oldest_item_age_seconds}}[{NOW}]) > {thresholds.STILL_OLD_SECONDS}
# The connection at the bottom of a pool may never be asked for.
unless {recording.QUEUE_AT_REST.record}
""",
        f"Items of queue {QUEUE} wait for very long.",
        f"An item of queue {QUEUE} of {WHERE} has been waiting for {DURATION} at least.",
    ),
)
