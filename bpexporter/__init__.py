"""Shows the backpressure of asyncio programs to Prometheus: what is backing up, since when, who is held up.

Loads neither `aiohttp` nor `prometheus_client`: what needs them is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpexporter.hub import Hub, Snapshot, default_hub
from bpexporter.ledgers.readings import LimiterReading, LoopReading, QueueReading, StreamReading
from bpexporter.watching import snapshot, unwatch, watch

if TYPE_CHECKING:
    from bpexporter.auto import install, uninstall
    from bpexporter.collector import Collector
    from bpexporter.connections import watched_connection, watched_handler
    from bpexporter.server import Exporter, mount, start
    from bpexporter.triggers import Stall, Trigger, on_stall

__version__ = "0.1.0"
__all__ = [
    "Collector",
    "Exporter",
    "Hub",
    "LimiterReading",
    "LoopReading",
    "QueueReading",
    "Snapshot",
    "Stall",
    "StreamReading",
    "Trigger",
    "default_hub",
    "install",
    "mount",
    "on_stall",
    "snapshot",
    "start",
    "uninstall",
    "unwatch",
    "watch",
    "watched_connection",
    "watched_handler",
]

_LATER = {
    **dict.fromkeys(("install", "uninstall"), "auto"),
    **dict.fromkeys(("Stall", "Trigger", "on_stall"), "triggers"),
    **dict.fromkeys(("Exporter", "mount", "start"), "server"),
    **dict.fromkeys(("watched_connection", "watched_handler"), "connections"),
    "Collector": "collector",
}


if not TYPE_CHECKING:  # a type checker is to complain of a name that is not there

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
