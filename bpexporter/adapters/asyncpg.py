"""asyncpg's pool: connections at most, those in use, and who waits for one; that one is then opened is no wait."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Landing, Limiter
from bpexporter.resources.limiter.reading import Level


def behind(pool: Any) -> Any:
    """The queue of connections that are free: the pool itself cannot be referred to weakly. It comes with opening."""
    return pool._queue


def level(queue: Any) -> Level:
    """Connections that are not free."""
    return Level(queue._maxsize, queue._maxsize - len(queue._queue))


def has_to_wait(pool: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no connection is free."""
    return pool._queue is not None and not pool._queue._queue


ADAPTER = Adapter(
    library="asyncpg",
    tried=("0.29.0", "0.32"),
    sorts=(
        Limiter(
            module="asyncpg.pool",
            name="Pool",
            made="_initialize",
            behind=behind,
            is_named=True,
            level=level,
            methods=(
                Acquiring(method="_acquire", has_to_wait=has_to_wait),
                Landing(method="acquire", of="PoolConnectionHolder"),
            ),
        ),
    ),
    inner={"asyncpg": "the queue of a pool's free connections, which would look like work that waits"},
)
