"""The alerts: what must hold, for how long, and what the person who is paged reads first.

Page (`critical`) when something is full *and* somebody is held up, or when nothing moves at all; tell (`warning`)
of what will hurt when nobody looks. Gauges are wrapped in functions over time, so that a lost scrape does not reset
`for`; quantiles over minutes keep a process that is restarted again and again from resetting it, too. Series meet by
all labels of their targets: a cluster, a job and an instance are told apart. Comments inside the queries say why they
are so.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from grafana.source import recording, thresholds
from grafana.source.queries import anywhere, expand, find
from grafana.source.thresholds import GRACE, HELD, KNOWN, LONG, NOW, RATE, REMEMBERED, SOON, TREND

RUNBOOK = "https://github.com/bpexporter/bpexporter/blob/main/grafana/RUNBOOK.md"
WHERE = "{{ with $labels.cluster }}{{ . }}, {{ end }}{{ $labels.job }}, {{ $labels.instance }}"
QUEUE, STREAM, LIMITER, LOOP = (f"{{{{ $labels.{label} }}}}" for label in ("queue", "stream", "limiter", "loop"))
PERCENT = "{{ $value | humanizePercentage }}"
DURATION = "{{ $value | humanizeDuration }}"

# Of all labels that a target may have, those by which what belongs together is found again after a new deployment.
TOGETHER = "cluster, namespace, job"

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


def mostly(gauge: str, window: str = RATE, before: str = "") -> str:
    """The level that a gauge was at, or over, for three quarters of a window: a restart in it changes nothing."""
    return f"quantile_over_time({thresholds.MOSTLY}, {gauge}[{window}]{before})"


def usual(gauge: str, window: str = LONG, before: str = "") -> str:
    """The median of a window. For the age of a wait: half of how long such waits last, one after the other."""
    return f"quantile_over_time({thresholds.HALF}, {gauge}[{window}]{before})"


def grows(gauge: str) -> str:
    """Within minutes: each of three windows is above the one before it, the second all the time."""
    return (
        f"{usual(gauge, RATE)} > {thresholds.GROWN} * {usual(gauge, RATE, f' offset {RATE}')}\n"
        f"and {mostly(gauge, RATE, f' offset {RATE}')} > max_over_time({gauge}[{RATE}] offset {LONG})"
    )


def creeps(gauge: str) -> str:
    """Within half an hour, under bursts: each window is above the one before it, the last one all the time."""
    return (
        f"{usual(gauge, LONG)} > {thresholds.GROWN} * quantile_over_time(0.75, {gauge}[{LONG}] offset {LONG})\n"
        f"and {usual(gauge, LONG, f' offset {LONG}')} > {thresholds.GROWN} * {usual(gauge, LONG, ' offset 20m')}\n"
        f"and {mostly(gauge, LONG)} > max_over_time({gauge}[{LONG}] offset 20m)"
    )


def ahead(gauge: str) -> str:
    """Where a level will be that goes on as it went for ten minutes."""
    lag = 150  # half a window: so old is its median
    share = (thresholds.FULL_SOON_SECONDS.value + lag) / 600
    risen = f"{usual(gauge, RATE)} - {usual(gauge, RATE, f' offset {LONG}')}"
    return f"{usual(gauge, RATE)} + {share:g} * ({risen})"


def counted(counter: str) -> str:
    """Something was counted within ten minutes, or before the first scrape."""
    return f"""
increase({counter}[{LONG}]) > 0
# What was counted before the first scrape no increase shows.
or (
  max_over_time({counter}[{RATE}]) > 0
  unless present_over_time({counter}[{LONG}] offset {LONG})
)
"""


def known_targets(window: str) -> str:
    """The targets that had metrics of ours within a window, whatever the version."""
    own = ", ".join(find("itself", "build_info").labels)
    return f"group without ({own}) (present_over_time({{itself.build_info}}[{window}]))"


def known_jobs(window: str) -> str:
    """The jobs that had metrics of ours within a window."""
    return f"group by ({TOGETHER}) (present_over_time({{itself.build_info}}[{window}]))"


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

WRITTEN_ON = f"""
# One large write may go over the mark for a moment; to stay there and to write on is another matter.
(
  {mostly("{stream.utilization_ratio}")} > {thresholds.FULL}
  # A mark of 0 knows no utilisation, or an infinite one.
  or (
    (rate({{stream.paused_seconds_total}}[{RATE}]) > {thresholds.UNHEEDED}) / 0
    unless present_over_time({{stream.utilization_ratio}}[{RATE}])
  )
)
and rate({{stream.unheeded_writes_total}}[{RATE}]) > 0
""".strip("\n")
HEEDED = f"""
# In a drain for nearly all of the time over the mark: several writes a drain are no fault.
{recording.STREAM_UNHEEDED.record} <= {thresholds.UNHEEDED}
or {recording.STREAM_UNHEEDED.record} <= {thresholds.UNHEEDED_SHARE} * rate({{stream.paused_seconds_total}}[{LONG}])
""".strip("\n")
LONG_DRAIN = f"{usual('{stream.longest_block_seconds}', RATE)} > {thresholds.DRAIN_SECONDS}"

STREAM_ALERTS = (
    Alert(
        "stream",
        "BackpressureDrainStalled",
        "warning",
        SOON,
        f"""
max_over_time({{stream.longest_block_seconds}}[{GRACE}])
and {LONG_DRAIN}
""",
        f"A writer of stream {STREAM} is stuck in drain().",
        f"A drain() of stream {STREAM} of {WHERE} has been blocked for {DURATION}: its peer takes nothing.",
    ),
    Alert(
        "stream",
        "BackpressureStreamStalled",
        "warning",
        SOON,
        f"""
{recording.STREAM_PRESSURE.record} > {thresholds.STALLED}
# Long waits, given up and begun again perhaps: a peer that is slow and steady lets each of them end soon.
and (
  rate({{stream.drain_blocked_seconds_total}}[{LONG}]) / rate({{stream.blocked_drains_total}}[{LONG}])
    > {thresholds.SLOW_DRAIN_SECONDS}
  or {usual("{stream.longest_block_seconds}")} > {thresholds.SLOW_DRAIN_SECONDS} / 2
)
# One that does not end at all has an alert of its own.
unless {LONG_DRAIN}
""",
        f"Writers of stream {STREAM} are held up.",
        f"{PERCENT} of the time a writer of stream {STREAM} of {WHERE} was blocked in drain(), for "
        f"{thresholds.SLOW_DRAIN_SECONDS} seconds and more each time: its peers take next to nothing.",
    ),
    Alert(
        "stream",
        "BackpressureWritersPaused",
        "warning",
        HELD,
        f"""
{mostly("{stream.paused_writers}", LONG)} > 0
# Nobody is seen to wait in drain() for them: frameworks wait by themselves, or nobody does.
and {recording.STREAM_UNHEEDED.record} > {thresholds.UNHEEDED}
unless (
{HEEDED}
)
# What is written to all the same has an alert of its own.
unless (
{WRITTEN_ON}
)
""",
        f"Writers of stream {STREAM} stay over their mark.",
        f"{{{{ $value | humanize }}}} writers of stream {STREAM} of {WHERE} are over their high-water mark and stay "
        "there: their peers take nothing. Whoever writes to them waits, or fills the memory.",
    ),
    Alert(
        "stream",
        "BackpressurePeerNotReading",
        "warning",
        HELD,
        f"""
{recording.RECEIVER_LIMITED.record} > {thresholds.NOT_READING}
# It never caught up: what is sent in bursts is behind the window now and then, and well.
and {mostly("{stream.kernel_unsent_bytes}", LONG)} > 0
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
(
{WRITTEN_ON}
unless (
{HEEDED}
)
)
or (
  # Over the mark, and nobody was told: no writer is paused, none waits.
  {mostly("{stream.utilization_ratio}")} > {thresholds.FULL}
  and (
    rate({{stream.drain_blocked_seconds_total}}[{RATE}]) == 0
    or max_over_time({{stream.longest_block_seconds}}[{RATE}]) == 0
  )
  unless rate({{stream.paused_seconds_total}}[{RATE}]) > 0
)
or (
  # The buffer grows and grows, whoever waits; writers that stay paused in no drain have an alert of their own.
  max_over_time({{stream.utilization_ratio}}[{GRACE}]) > {thresholds.RUNAWAY}
  and {grows("{stream.utilization_ratio}")}
  unless {recording.STREAM_UNHEEDED.record} > {thresholds.UNHEEDED}
)
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

LOOP_ALERTS = (
    Alert(
        "loop",
        "BackpressureLoopBlocked",
        "warning",
        SOON,
        f"{recording.LOOP_PRESSURE.record} > {thresholds.LOOP_STUCK}",
        f"Event loop {LOOP} is stuck {PERCENT} of the time.",
        f"Event loop {LOOP} of {WHERE} was late {PERCENT} of the time: a callback does not give way. While it is "
        "stuck nothing of the program runs, and every queue looks slow.",
    ),
    Alert(
        "loop",
        "BackpressureLoopSaturated",
        "warning",
        SOON,
        f"""
{usual(recording.LOOP_BUSY.record)} > {thresholds.BUSY}
# Of several loops with this name one may be busy while the others wait.
or {usual("{loop.busy_ratio}")} > {thresholds.BUSY}
""",
        f"Event loop {LOOP} is busy {PERCENT} of the time.",
        f"Event loop {LOOP} of {WHERE} works {PERCENT} of the time and can take no more, however brief its steps are. "
        "Whatever runs on it waits for its turn; no queue and no peer is to blame.",
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
# Of all targets, those that have shown metrics of bpexporter before: by all their labels, the cluster among them.
and {known_targets(KNOWN)}
""",
        "An application with bpexporter does not answer.",
        f"Prometheus cannot scrape {WHERE}, which showed its backpressure before: the process is gone, or the machine "
        "gives it no time.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterMissing",
        "warning",
        HELD,
        f"""
{known_targets(REMEMBERED)}
unless {known_targets(RATE)}
# It is there and answers; one that does not has an alert of its own, and one that was removed needs none.
and max_over_time(up[{GRACE}]) == 1
""",
        "A target shows no backpressure any more.",
        f"Within {REMEMBERED} {WHERE} had metrics of bpexporter; it still answers, and has none now: start() is not "
        "called any more, or the Collector was removed.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterGone",
        "warning",
        HELD,
        f"""
{known_jobs(REMEMBERED)}
unless {known_jobs(RATE)}
# A target that had them and is still there has an alert of its own, whether it answers or not.
unless group by ({TOGETHER}) (present_over_time(up[{RATE}]) and {known_targets(REMEMBERED)})
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
        counted("{itself.collect_errors_total}"),
        "The exporter fails to read what it watches.",
        f"{{{{ $value | humanize }}}} errors within {LONG} at {WHERE}: readings may be missing. The application's log "
        "says why.",
    ),
    Alert(
        "exporter",
        "BackpressureNamesFolded",
        "info",
        SOON,
        counted("{itself.folded_names_total}"),
        "Too many names of kind {{ $labels.kind }}.",
        f"{WHERE} makes more names than bpexporter keeps; further ones are counted as __other__. A name is made from "
        "something unbounded, such as a connection or a user.",
    ),
)

NAMED = "{{ $labels.kind }} {{ $labels.name }}"
CULPRIT_ALERTS = (
    Alert(
        "culprit",
        "BackpressureCulprit",
        "warning",
        HELD,
        f"{recording.CULPRIT.record} > {thresholds.CULPRIT}",
        f"{{{{ if eq $labels.cause `unknown` }}}}{NAMED} holds others up, and the culprit is not known."
        f"{{{{ else }}}}{NAMED} is what others wait for.{{{{ end }}}}",
        f"For {PERCENT} of ten minutes the verdict of {WHERE} was: {NAMED}, cause {{{{ $labels.cause }}}}. "
        "`bpexporter diagnose` says by which figures, who is held up, and what would help.",
    ),
)

ALERTS: tuple[Alert, ...] = (
    CULPRIT_ALERTS + QUEUE_ALERTS + STREAM_ALERTS + LIMITER_ALERTS + LOOP_ALERTS + EXPORTER_ALERTS
)
