"""Shows the backpressure of asyncio programs to Prometheus: what is backing up, since when, who is held up.

Loads neither `aiohttp` nor `prometheus_client`: what needs them is loaded when it is first asked for.
"""

from __future__ import annotations

import asyncio as _asyncio  # noqa: F401  before ours: in a child, what waits for it loads ours
from typing import TYPE_CHECKING, Any

from bpexporter.hub import process as _process
from bpexporter.hub.hub import Hub, default_hub
from bpexporter.resources import kinds as _kinds
from bpexporter.settings import VERSION, from_environment
from bpexporter.watching.watch import snapshot, unwatch, watch

if TYPE_CHECKING:
    from bpexporter.analysis.triggers import Stall, Trigger, on_stall
    from bpexporter.automatic.install import install, uninstall
    from bpexporter.export.collector import Collector
    from bpexporter.hub.snapshot import Snapshot
    from bpexporter.publishing.publisher import Publisher, publish
    from bpexporter.resources.culprit.metrics import CulpritReading
    from bpexporter.resources.limiter.metrics import LimiterReading
    from bpexporter.resources.loop.metrics import LoopReading
    from bpexporter.resources.queue.metrics import QueueReading
    from bpexporter.resources.stage.metrics import StageReading
    from bpexporter.resources.stream.metrics import StreamReading
    from bpexporter.server.endpoint import Exporter, mount, start
    from bpexporter.watching.connections import watched_connection, watched_handler
    from bpexporter.watching.stages import stage

__version__ = VERSION
__all__ = [
    "Collector",
    "CulpritReading",
    "Exporter",
    "Hub",
    "LimiterReading",
    "LoopReading",
    "Publisher",
    "QueueReading",
    "Snapshot",
    "StageReading",
    "Stall",
    "StreamReading",
    "Trigger",
    "default_hub",
    "install",
    "mount",
    "on_stall",
    "publish",
    "snapshot",
    "stage",
    "start",
    "uninstall",
    "unwatch",
    "watch",
    "watched_connection",
    "watched_handler",
]

_LATER = {
    **dict.fromkeys(("install", "uninstall"), "automatic.install"),
    **dict.fromkeys(("Stall", "Trigger", "on_stall"), "analysis.triggers"),
    **dict.fromkeys(("Publisher", "publish"), "publishing.publisher"),
    **dict.fromkeys(("Exporter", "mount", "start"), "server.endpoint"),
    **dict.fromkeys(("watched_connection", "watched_handler"), "watching.connections"),
    **{
        f"{kind.title()}Reading": f"resources.{kind}.metrics"
        for kind in ("culprit", "limiter", "loop", "queue", "stage", "stream")
    },
    "Collector": "export.collector",
    "Snapshot": "hub.snapshot",
    "stage": "watching.stages",
}


if not TYPE_CHECKING:  # a type checker is to complain of a name that is not there

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def _judging() -> Any:
    """A judge of successive readings. The hub, which lies below, asks for one at its first reading."""
    from bpexporter.analysis.judging import Judging

    return Judging()


def _adapting(kind: type) -> Any:
    """The instrument for a class of a library that the program has imported."""
    from bpexporter.adapters.choosing import fitting

    return fitting(kind)


_process.judging = _judging
_kinds.adapting = _adapting


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


if from_environment("dir"):
    from bpexporter.publishing.publisher import publish_as_told

    publish_as_told(from_environment("dir"))
