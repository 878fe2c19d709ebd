"""psycopg's asynchronous pool: connections at most, those in use, and who waits for one."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Limiter
from bpexporter.resources.limiter.reading import Level


def level(pool: Any) -> Level:
    """Connections that are out, or are being opened."""
    return Level(pool._max_size, max(0, pool._nconns - len(pool._pool)))


def has_to_wait(pool: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no connection lies ready."""
    return not pool._pool


ADAPTER = Adapter(
    library="psycopg-pool",
    tried=("3.2.0", "3.3"),
    sorts=(
        Limiter(
            module="psycopg_pool.pool_async",
            name="AsyncConnectionPool",
            is_named=True,
            level=level,
            methods=(Acquiring(method="_getconn_unchecked", has_to_wait=has_to_wait),),
        ),
    ),
    inner={"psycopg_pool": "what a pool has to do for itself"},
)
