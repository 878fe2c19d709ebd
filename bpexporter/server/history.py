"""The last ten minutes of each resource, kept by the server: a point every five seconds, and no more."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

STEP_SECONDS = 5.0
POINTS = 120

Resource = tuple[str, str]
"""Kind and name."""


class Point(NamedTuple):
    """The memory of one resource at one step; ``None`` is what is not known."""

    utilization_ratio: float | None
    pressure: float | None


UNKNOWN = Point(None, None)


class History:
    """Points of all resources, in steps; a resource that is gone for as long as the history is forgotten.

    Steps are numbered from `first` on.
    """

    def __init__(self, first: int = 0) -> None:
        self.sequence = first
        self._steps: deque[Mapping[Resource, Point]] = deque(maxlen=POINTS)

    def add(self, points: Mapping[Resource, Point]) -> None:
        """One step more."""
        self._steps.append(points)
        self.sequence += 1

    def begins_at(self, since: int | None) -> int | None:
        """`since`, where the steps after it are still here; ``None`` where all of them must be told."""
        known = since is not None and self.sequence - len(self._steps) <= since <= self.sequence
        return since if known else None

    def of(self, resource: Resource, since: int | None) -> dict[str, list[float | None]]:
        """The points of `resource` after the step `since`, oldest first."""
        count = len(self._steps) if since is None else self.sequence - since
        steps = list(self._steps)[len(self._steps) - count :]
        points = [step.get(resource, UNKNOWN) for step in steps]
        return {field: [_brief(getattr(point, field)) for point in points] for field in Point._fields}


def _brief(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
