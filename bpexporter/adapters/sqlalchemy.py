"""SQLAlchemy's pool of asynchronous engines: its size with the overflow, connections checked out, and who waits."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Limiter
from bpexporter.resources.limiter.reading import Level


def idle(pool: Any) -> int:
    """Connections that lie in the pool."""
    queue = vars(pool._pool).get("_queue")  # made at its first use
    return 0 if queue is None else len(queue._queue)


def level(pool: Any) -> Level:
    """Connections that are checked out; without a limit to the overflow there is no capacity."""
    size, most = pool._pool.maxsize, pool._max_overflow
    return Level(None if most < 0 else size + most, max(0, size - idle(pool) + pool._overflow))


def has_to_wait(pool: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no connection lies in the pool, and none may be made."""
    return -1 < pool._max_overflow <= pool._overflow and not idle(pool)


ADAPTER = Adapter(
    library="SQLAlchemy",
    tried=("2.0.0", "2.1"),
    sorts=(
        Limiter(
            module="sqlalchemy.pool.impl",
            name="AsyncAdaptedQueuePool",
            is_named=True,
            level=level,
            methods=(Acquiring(method="_do_get", has_to_wait=has_to_wait),),
        ),
    ),
    inner={"sqlalchemy": "the queue of a pool, whose idle connections would look like work that waits"},
)
