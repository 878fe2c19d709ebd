"""All readings of a hub at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from bpexporter.primitives.public import public
from bpexporter.resources.culprit.metrics import CulpritReading
from bpexporter.resources.limiter.metrics import LimiterReading
from bpexporter.resources.loop.metrics import LoopReading
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.resources.stage.metrics import StageReading
from bpexporter.resources.stream.metrics import StreamReading


@public
class Snapshot(NamedTuple):
    """All readings of a hub at one moment."""

    kinds: Mapping[str, Mapping[str, Any]]
    """Per kind ("queue", "itself"), the reading of each name."""

    @property
    def queues(self) -> Mapping[str, QueueReading]:
        """The reading of each queue name."""
        return self.kinds["queue"]

    @property
    def streams(self) -> Mapping[str, StreamReading]:
        """The reading of each stream name."""
        return self.kinds["stream"]

    @property
    def limiters(self) -> Mapping[str, LimiterReading]:
        """The reading of each limiter name."""
        return self.kinds["limiter"]

    @property
    def loops(self) -> Mapping[str, LoopReading]:
        """The reading of each loop name."""
        return self.kinds["loop"]

    @property
    def stages(self) -> Mapping[str, StageReading]:
        """The reading of each stage."""
        return self.kinds["stage"]

    @property
    def culprits(self) -> CulpritReading:
        """The verdict."""
        reading: CulpritReading = self.kinds["culprit"].get("", CulpritReading({}, {}, {}))
        return reading


# Labels that all samples of a snapshot have, and the snapshot.
Labelled = tuple[Mapping[str, str], Snapshot]


class Source(Protocol):
    """The source of snapshots: a hub, or a folder in which many processes publish."""

    def snapshot(self) -> Snapshot:
        """All readings now. May be called from any thread."""


@runtime_checkable
class Labelling(Protocol):
    """A source whose parts have series of their own."""

    def labelled(self) -> list[Labelled]:
        """The parts."""
