"""The pool of httpcore, with which httpx makes its requests: connections at most, requests that have one, that wait."""

from __future__ import annotations

import sys
from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Limiter, caller
from bpexporter.resources.limiter.reading import Level


def level(pool: Any) -> Level:
    """Requests that have a connection; over HTTP/2 several share one, and the pool is full at most."""
    most = pool._max_connections
    taken = sum(request.connection is not None for request in pool._requests.copy())
    return Level(None, taken) if most >= sys.maxsize else Level(most, min(taken, most))


def has_to_wait(request: Any, *_others: Any, **_more: Any) -> bool:
    """Whether no connection was given to the request."""
    return request.connection is None


ADAPTER = Adapter(
    library="httpcore",
    tried=("1.0.3", "1.0"),
    sorts=(
        Limiter(
            module="httpcore._async.connection_pool",
            name="AsyncConnectionPool",
            libraries=("httpx",),
            is_named=True,
            level=level,
            methods=(
                Acquiring(
                    method="wait_for_connection", of="AsyncPoolRequest", limiter=caller, has_to_wait=has_to_wait
                ),
            ),
        ),
    ),
)
