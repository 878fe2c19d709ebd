"""The alerts about event loops."""

from __future__ import annotations

from grafana.source import recording, thresholds
from grafana.source.alerts.alert import LOOP, PERCENT, WHERE, Alert
from grafana.source.alerts.conditions import usual
from grafana.source.thresholds import SOON

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
