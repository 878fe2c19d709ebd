"""aiohttp's connectors: connections at most, those in use, and who waits for one."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Landing, Limiter
from bpexporter.resources.limiter.reading import Level


def level(connector: Any) -> Level:
    """Connections in use, those that are being opened included; a connector without a limit has no capacity."""
    return Level(connector._limit or None, len(connector._acquired))


def has_to_wait(connector: Any, request: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether neither a connection that is idle nor room for another is there."""
    key = request.connection_key
    return connector._available_connections(key) <= 0 and not connector._conns.get(key)


ADAPTER = Adapter(
    library="aiohttp",
    tried=("3.11.0", "3.14"),
    sorts=(
        Limiter(
            module="aiohttp.connector",
            name="BaseConnector",
            is_named=True,
            level=level,
            methods=(Acquiring(method="connect", has_to_wait=has_to_wait), Landing(method="_create_connection")),
        ),
    ),
)
