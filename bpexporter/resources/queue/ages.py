"""The age of the oldest item, a lower bound from all that is known of it.

Three things are known: which item came into the empty queue, which items are being timed, and which were seen waiting
at earlier readings. The first two hold while all comes and goes by put and get; what was seen is looked for, and
found again or not. Nothing is older than the last moment at which the queue was known to be empty.
"""

from __future__ import annotations

from bpexporter.primitives.sightings import Counted, Sightings, View
from bpexporter.primitives.tracers import INDEXED, ByIdentity, InTurn
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import LIFO, Levels


def oldest_age(ledger: QueueLedger, levels: Levels, now: float) -> float:
    """Seconds that the oldest item has waited, a lower bound; 0 where none waits."""
    if levels.depth <= 0:
        ledger.sightings = None
        return 0.0
    view = View(levels.container, levels.depth, ledger.puts, ledger.puts - ledger.gets - levels.depth)
    since = _known(ledger, view, now)
    tracers = ledger.tracers
    if isinstance(tracers, ByIdentity):
        since = min(since, _seen_in_any_order(ledger, tracers, view, now))
    elif type(view.container) in INDEXED:
        since = min(since, _seen_in_order(ledger, view, now, since))
    return max(0.0, now - max(since, ledger.nonempty_since))


def known_age(ledger: QueueLedger, levels: Levels, now: float) -> float:
    """The same as puts and gets tell it, without a look at what lies there."""
    view = View(None, levels.depth, ledger.puts, ledger.puts - ledger.gets - levels.depth)
    return max(0.0, now - max(_known(ledger, view, now), ledger.nonempty_since))


def _known(ledger: QueueLedger, view: View, now: float) -> float:
    """Returns since when the oldest item waits, by puts and gets; `now` where items came or went by other ways."""
    if view.unaccounted != ledger.unaccounted_items:
        return now
    since = ledger.nonempty()
    tracers = ledger.tracers
    timed = tracers.since(ledger.gets, view.depth, now) if isinstance(tracers, InTurn) else now
    return timed if since is None else min(since, timed)


def _seen_in_order(ledger: QueueLedger, view: View, now: float, since: float) -> float:
    sightings = ledger.sightings
    if not isinstance(sightings, Sightings):
        ledger.sightings = sightings = Sightings(stacked=ledger.order == LIFO)
    return sightings.look(view, now, since=since)


def _seen_in_any_order(ledger: QueueLedger, tracers: ByIdentity, view: View, now: float) -> float:
    if view.container is not None:
        if view.unaccounted != ledger.unaccounted_items:
            tracers.doubt(view.depth, view.puts)
        return tracers.look(view.container, view.puts, now)
    counted = ledger.sightings
    if not isinstance(counted, Counted):
        ledger.sightings = counted = Counted()
    return counted.look(view, now)
