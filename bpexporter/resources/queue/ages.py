"""How old the oldest item is at least, from all that is known of it.

Three things are known: which item came into the empty queue, which items are being timed, and which were seen waiting
at earlier readings. The first two hold while all comes and goes by put and get; what was seen is looked for, and
found again or not. Nothing is older than the last moment at which the queue was known to be empty.
"""

from __future__ import annotations

from bpexporter.primitives.sightings import Counted, Sightings, View
from bpexporter.primitives.tracers import INDEXED, ByIdentity, InTurn
from bpexporter.resources.queue.ledger import UNKNOWN, QueueLedger
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
        seen = _seen_in_any_order(ledger, tracers, view, now)
        since = min(seen, max(since, tracers.trusted_from))
    elif type(view.container) in INDEXED:
        seen, trusted_from = _seen_in_order(ledger, view, now, since)
        since = min(seen, max(since, trusted_from))
    return max(0.0, now - max(since, ledger.nonempty_since))


def known_age(ledger: QueueLedger, levels: Levels, now: float) -> float:
    """The same as puts and gets tell it, without a look at what lies there."""
    view = View(None, levels.depth, ledger.puts, ledger.puts - ledger.gets - levels.depth)
    return max(0.0, now - max(_known(ledger, view, now), ledger.nonempty_since))


def carry_over(former: QueueLedger, ledger: QueueLedger, levels: Levels) -> None:
    """What is known of the items of a queue that gets another name goes with it, from its `former` ledger."""
    if levels.depth <= 0 or former.order != ledger.order:
        return
    then, now = former.clock(), ledger.clock()
    oldest_age(former, levels, then)  # a last look
    if isinstance(former.sightings, Sightings):
        ledger.sightings = former.sightings.renumbered(former.puts, levels.depth, now - then)
    if isinstance(former.tracers, ByIdentity) and isinstance(ledger.tracers, ByIdentity):
        ledger.tracers.know(former.tracers, now - then)
    ledger.nonempty_since, ledger.nonempty_puts = former.nonempty_since + now - then, UNKNOWN


def _known(ledger: QueueLedger, view: View, now: float) -> float:
    """Since when the oldest waits as puts and gets tell it; `now` where items came or went by other ways since."""
    if view.unaccounted != ledger.unaccounted_items:
        return now
    since = ledger.nonempty()
    tracers = ledger.tracers
    timed = tracers.since(ledger.gets, view.depth, now) if isinstance(tracers, InTurn) else now
    return timed if since is None else min(since, timed)


def _seen_in_order(ledger: QueueLedger, view: View, now: float, since: float) -> tuple[float, float]:
    """Since when the oldest waits that was seen, and from when on puts and gets tell the truth."""
    sightings = ledger.sightings
    if not isinstance(sightings, Sightings):
        ledger.sightings = sightings = Sightings(stacked=ledger.order == LIFO)
    return sightings.look(view, now, since=since), sightings.trusted_from


def _seen_in_any_order(ledger: QueueLedger, tracers: ByIdentity, view: View, now: float) -> float:
    if view.container is not None:
        if view.unaccounted != ledger.unaccounted_items:
            tracers.doubt(view.depth, view.puts)
        return tracers.look(view.container, view.puts, now)
    counted = ledger.sightings
    if not isinstance(counted, Counted):
        ledger.sightings = counted = Counted()
    return counted.look(view, now)
