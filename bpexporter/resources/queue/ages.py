"""The age of the oldest item, a lower bound from all that is known of it.

Three things are known: which item came into the empty queue, which items are being timed, and which were seen waiting
at earlier readings. The first two hold while all comes and goes by put and get; what was seen is looked for, and
found again or not. Nothing is older than the last moment at which the queue was known to be empty.
"""

from __future__ import annotations

import time

from bpexporter.primitives.sightings import Counted, Sightings, View
from bpexporter.primitives.tracers import INDEXED, ByIdentity, InTurn
from bpexporter.resources.queue.ledger import UNKNOWN, QueueLedger
from bpexporter.resources.queue.levels import LIFO, Levels

# So often a queue is looked at again that has changed while it was looked at.
ATTEMPTS = 4


def oldest_age(ledger: QueueLedger, levels: Levels, now: float) -> float:
    """Seconds that the oldest item has waited, a lower bound; 0 where none waits."""
    if levels.depth <= 0:
        note_empty(ledger, now)
        return 0.0
    view, tracers = _view(ledger, levels), ledger.tracers
    if isinstance(tracers, ByIdentity):
        since = _known(ledger, view, now)
        seen = _seen_in_any_order(ledger, tracers, view, now)
        since = min(seen, max(since, tracers.trusted_from))
    elif type(view.container) in INDEXED:
        since = _seen_in_order(ledger, levels, view, now)
    else:
        since = min(_known(ledger, view, now), _seen_by_count(ledger, view, now))
    return max(0.0, now - max(since, ledger.nonempty_since))


def note_empty(ledger: QueueLedger, now: float) -> None:
    """Note that a reading found nothing: whatever is there later came after, whether puts and gets tell so or not."""
    ledger.sightings = None
    ledger.empty_at = now


def last_empty(ledger: QueueLedger) -> float:
    """Returns when the queue was last known to be empty."""
    return max(ledger.nonempty_since, ledger.empty_at)


def _view(ledger: QueueLedger, levels: Levels) -> View:
    """The queue at one moment: asked for again where the thread that puts and gets is between work and record."""
    container, depth = levels.container, levels.depth
    for _ in range(ATTEMPTS):
        puts, gets = ledger.puts, ledger.gets
        if container is not None:
            depth = len(container)
        if puts - gets - depth == ledger.unaccounted_items:
            break
        time.sleep(0)
    return View(container, depth, puts, puts - gets - depth)


def known_age(ledger: QueueLedger, levels: Levels, now: float) -> float:
    """The same as puts and gets tell it, without a look at what lies there."""
    view = View(None, levels.depth, ledger.puts, ledger.puts - ledger.gets - levels.depth)
    return max(0.0, now - max(_known(ledger, view, now), ledger.nonempty_since))


def carry_over(former: QueueLedger, ledger: QueueLedger, levels: Levels) -> None:
    """Hands on what is known of the items of a queue that gets another name, from its `former` ledger."""
    if levels.depth <= 0 or former.order != ledger.order:
        return
    then, now = former.clock(), ledger.clock()
    oldest_age(former, levels, then)  # a last look
    if isinstance(former.sightings, Sightings):
        ledger.sightings = former.sightings.renumbered(former.puts, levels.depth, now - then)
    if isinstance(former.tracers, ByIdentity) and isinstance(ledger.tracers, ByIdentity):
        ledger.tracers.know(former.tracers, now - then)
    ledger.empty_at = former.empty_at + now - then
    ledger.nonempty_since, ledger.nonempty_puts = former.nonempty_since + now - then, UNKNOWN


def _known(ledger: QueueLedger, view: View, now: float) -> float:
    """Returns since when the oldest item waits, by puts and gets; `now` where items came or went by other ways."""
    if view.unaccounted != ledger.unaccounted_items:
        return now
    since = ledger.nonempty()
    tracers = ledger.tracers
    timed = tracers.since(ledger.gets, view.depth, now) if isinstance(tracers, InTurn) else now
    oldest = timed if since is None else min(since, timed)
    return oldest if oldest >= ledger.empty_at else now  # else it went, and another came, by other ways


def _seen_in_order(ledger: QueueLedger, levels: Levels, view: View, now: float) -> float:
    """Returns since when the oldest item waits that was seen, or that puts and gets tell of."""
    sightings = ledger.sightings
    if not isinstance(sightings, Sightings):
        sightings = Sightings(stacked=ledger.order == LIFO)
    still = sightings.oldest_still(view, empty_at=last_empty(ledger))
    if still is not None and view.unaccounted == ledger.unaccounted_items and _is_now(ledger, view):
        return min(still, max(_known(ledger, view, now), sightings.trusted_from))
    for _ in range(ATTEMPTS):
        since = _known(ledger, view, now)
        looked = sightings.copy()
        if view.unaccounted != ledger.unaccounted_items:
            looked.trusted_from = now  # also where as many have come and gone by other ways later
        seen = looked.look(view, now, since=since, empty_at=last_empty(ledger)) if view.depth > 0 else now
        if _is_now(ledger, view):
            ledger.sightings = looked
            return min(seen, max(since, looked.trusted_from))
        view = _view(ledger, levels)  # it has changed meanwhile
    return max(since, sightings.trusted_from)


def _is_now(ledger: QueueLedger, view: View) -> bool:
    """Returns whether nothing has come or gone since `view`."""
    return ledger.puts == view.puts and ledger.gets == view.puts - view.unaccounted - view.depth


def _seen_in_any_order(ledger: QueueLedger, tracers: ByIdentity, view: View, now: float) -> float:
    if view.container is not None:
        if view.unaccounted != ledger.unaccounted_items:
            tracers.doubt(view.depth, view.puts)
            tracers.trusted_from = now
        seen = tracers.look(view.container, view.puts, now, empty_at=last_empty(ledger))
        if type(view.container) in INDEXED:
            return seen
        return min(seen, _seen_by_count(ledger, view, now))
    return _seen_by_count(ledger, view, now)


def _seen_by_count(ledger: QueueLedger, view: View, now: float) -> float:
    """Returns since when the oldest item waits, where nobody can look which items lie there."""
    counted = ledger.sightings
    if not isinstance(counted, Counted):
        ledger.sightings = counted = Counted()
    return counted.look(view, now)
