"""janus' queues, between threads and tasks."""

from __future__ import annotations

from typing import Any

from bpexporter.adapters.shape import Adapter, Sort


def behind(queue: Any) -> Any:
    """The queue to which both sides belong."""
    return getattr(queue, "_parent", queue)


ADAPTER = Adapter(
    library="janus",
    tried=("2.0.0", "2.0"),
    sorts=(
        Sort(
            module="janus",
            name="Queue",
            others=("_SyncQueueProxy", "_AsyncQueueProxy"),
            behind=behind,
            instrument="bpexporter.adapters.janus_queues",
        ),
    ),
    inner={"janus": "the locks of a queue, which is shown itself"},
)
