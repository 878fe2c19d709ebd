"""The blocking pool of redis.asyncio: connections at most, those in use, and who waits for one to come back."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Landing, Limiter
from bpexporter.resources.limiter.reading import Level


def level(pool: Any) -> Level:
    """Connections that are out."""
    return Level(pool.max_connections, len(pool._in_use_connections))


def has_to_wait(pool: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no connection is free, and none may be made."""
    return not pool.can_get_connection()


ADAPTER = Adapter(
    library="redis",
    tried=("5.0.8", "8.1"),
    sorts=(
        Limiter(
            module="redis.asyncio.connection",
            name="BlockingConnectionPool",
            is_named=True,
            level=level,
            methods=(
                Acquiring(method="get_connection", has_to_wait=has_to_wait),
                # what follows connects
                Landing(method="get_available_connection", of="ConnectionPool"),
            ),
        ),
    ),
    inner={"redis": "what a pool makes for itself"},
)
