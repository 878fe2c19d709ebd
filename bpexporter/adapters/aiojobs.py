"""aiojobs' scheduler: jobs at once, those that run, those that wait to begin; `spawn` waits where too many do."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Limiter
from bpexporter.resources.limiter.reading import Level


def level(scheduler: Any) -> Level:
    """Jobs that run, and those that do not yet."""
    pending = len(scheduler._pending._queue)
    return Level(scheduler._limit, max(0, len(scheduler._jobs) - pending), pending)


def has_to_wait(scheduler: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no job may begin, and no further one may be left to wait."""
    if scheduler._limit is None or scheduler._closed:
        return False
    return scheduler.active_count >= scheduler._limit and bool(scheduler._pending.full())


ADAPTER = Adapter(
    library="aiojobs",
    tried=("1.3.0", "1.4"),
    sorts=(
        Limiter(
            module="aiojobs._scheduler",
            name="Scheduler",
            level=level,
            methods=(Acquiring(method="spawn", has_to_wait=has_to_wait),),
        ),
    ),
    inner={"aiojobs": "the jobs that wait are shown as the scheduler's, those that failed are for nobody else"},
)
