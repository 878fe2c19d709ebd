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
MOSTLY = Threshold(0.25, "quantile of a level that must be over its mark: it is so for three quarters of the time")
HALF = Threshold(0.5, "quantile of the age of a wait: waits that follow each other last twice as long")
STALLED = Threshold(0.5, "pressure: share of a member's time with somebody blocked, from which on throughput suffers")
STUCK_SECONDS = Threshold(150, "half of how long calls wait, in seconds: nobody waits for five minutes in health")
FULL_SOON_SECONDS = Threshold(1800, "how far ahead, in seconds, `will be full` looks: time to act in")
FULL_SOON_FROM = Threshold(0.3, "utilisation below which no forecast is made")
GROWING_ITEMS = Threshold(1000, "items below which an unbounded queue may grow unheard")
GROWN = Threshold(1.02, "how many times the level of before is growth, and no ripple")
RISING = Threshold(0.6, "share of the time in which a queue rises that is emptied by restarts alone")
RESTARTS = Threshold(2, "restarts within the window of RISING: more than a deployment")
REFUSED = Threshold(0.01, "share of the puts, or acquires, refused or given up")
OLD_SECONDS = Threshold(300, "age of the oldest item, in seconds")
STILL_OLD_SECONDS = Threshold(30, "age of the oldest item, in seconds, below which the old one was taken out")
DRAIN_SECONDS = Threshold(60, "half of how long a drain waits, in seconds: slow links take seconds, not minutes")
SLOW_DRAIN_SECONDS = Threshold(15, "mean time of a blocked drain, in seconds, that a peer which reads does not need")
NOT_READING = Threshold(0.8, "share of the sending time in which the peer's window was shut")
UNHEEDED = Threshold(0.5, "writers over their mark that are in no drain, on average")
UNHEEDED_SHARE = Threshold(0.05, "share of the paused time outside of drains that is only the way from one to the next")
RUNAWAY = Threshold(10, "times its mark that a buffer which grows and grows holds")
BUSY = Threshold(0.9, "share of the time in which an event loop works, from which on it can take no more")
CULPRIT = Threshold(0.5, "share of the time in which the verdict named the same culprit")
LOOP_STUCK = Threshold(0.2, "share of the time in which the event loop was late")

# Windows. A gauge in an alert is wrapped over GRACE at least, so that one lost scrape (of up to 60 s) does not reset
# `for`; what must survive a restart, after which levels and ages begin at 0, is judged by a quantile over RATE or LONG.
GRACE = "2m"
NOW = "3m"
RATE = "5m"
LONG = "10m"
TREND = "30m"
REMEMBERED = "1h"
KNOWN = "1d"

HELD = "5m"
"""How long most conditions must hold: longer than a healthy burst."""
SOON = "2m"
"""How long what is bad beyond doubt, or what a long window has seen already, must hold."""


def described() -> str:
    """The thresholds as lines for the head of a file."""
    table = {name: value for name, value in globals().items() if isinstance(value, Threshold)}
    return "\n".join(f"{name:<18} {value!s:>5}  {value.why}" for name, value in table.items())
