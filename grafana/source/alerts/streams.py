"""The alerts about streams."""

from __future__ import annotations

from grafana.source import recording, thresholds
from grafana.source.alerts.alert import DURATION, PERCENT, STREAM, WHERE, Alert
from grafana.source.alerts.conditions import grows, mostly, usual
from grafana.source.thresholds import GRACE, HELD, LONG, RATE, SOON

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
