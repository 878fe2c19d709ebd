"""Every number that an alert or a panel judges by, and why it is that number.

Nothing here but constants. Durations are Prometheus durations. `described()` stands at the head of the rules.
"""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.primitives.bands import HIGH


class Threshold(NamedTuple):
    """One number and its reason."""

    value: float
    why: str

    def __str__(self) -> str:
        return f"{self.value:g}"


# Where a resource is called saturated, the same number as in the exporter's bands of occupancy.
SATURATED = Threshold(HIGH, "utilisation from which on a resource is saturated")
FULL = Threshold(1, "utilisation at which the next caller waits")
STALLED = Threshold(0.5, "share of the time with somebody blocked, from which on throughput suffers")
STUCK_SECONDS = Threshold(300, "age of the oldest blocked call, in seconds: nobody waits so long in health")
FULL_SOON_SECONDS = Threshold(1800, "how far ahead, in seconds, `will be full` looks: time to act in")
FULL_SOON_FROM = Threshold(0.3, "utilisation below which no forecast is made")
GROWING_ITEMS = Threshold(1000, "items below which an unbounded queue may grow unheard")
REFUSED = Threshold(0.01, "share of the puts, or acquires, refused or given up")
OLD_SECONDS = Threshold(300, "age of the oldest item, in seconds")
DRAIN_SECONDS = Threshold(60, "age of the oldest blocked drain, in seconds: slow links take seconds, not minutes")
NOT_READING = Threshold(0.8, "share of the sending time in which the peer's window was shut")
LOOP_STUCK = Threshold(0.2, "share of the time in which the event loop was late")
LOST = Threshold(0, "errors of the exporter's own")

# Windows. A gauge in an alert is wrapped over GRACE, so that one lost scrape (of up to 60 s) does not reset `for`.
GRACE = "2m"
RATE = "5m"
TREND = "15m"
KNOWN = "1d"
REMEMBERED = "1h"

HELD = "5m"
"""How long most conditions must hold: longer than a healthy burst."""
SOON = "2m"
"""How long what is bad beyond doubt must hold."""
LONG = "10m"
"""How long a forecast must hold."""


def described() -> str:
    """The thresholds as lines for the head of a file."""
    table = {name: value for name, value in globals().items() if isinstance(value, Threshold)}
    return "\n".join(f"{name:<18} {value!s:>5}  {value.why}" for name, value in table.items())
