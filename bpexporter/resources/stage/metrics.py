"""The reading of a stage, and the metrics that are made of it.

A *crew* is those tasks of a stage that use the same resources: where one function works in several places of a
program, its tasks there are told apart by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric, declaring

IDLE, BLOCKED, WORKING = STATES = "idle", "blocked", "working"
# Operations of a task on a resource; the directions of a link.
PUT, GET, DRAIN, ACQUIRE = DIRECTIONS = "put", "get", "drain", "acquire"

# The place of a task that does not wait: it has the loop.
RUNNING = "running"

Link = tuple[str, str, str]
"""Name and kind of a resource, and the direction."""


@public
class StageReading(NamedTuple):
    """One stage at one moment."""

    tasks: int
    """Its tasks that are not done."""
    seconds: tuple[float, float, float]
    """Task-seconds: idle, blocked, working; present waits included."""
    link_info: Mapping[Link, int]
    """1 for each resource that it uses, by name, kind and direction."""
    crew_tasks: Mapping[tuple[str], int]
    """Tasks that are not done, by crew."""
    crew_seconds: Mapping[tuple[str, str], float]
    """Task-seconds by crew and state."""
    crew_wait_seconds: Mapping[tuple[str, str, str, str], float]
    """Task-seconds waited by crew, and name, kind and direction of the resource; 0 where it never waits."""
    crew_busiest_ratio: Mapping[tuple[str], float]
    """Share of the last seconds in which the task that worked most was working, by crew."""
    awaits: Mapping[tuple[str], int]
    """Looks at a working task that found it waiting for this."""


_stage = declaring("stage", "backpressure_stage_", label="pipeline_stage")

STAGE_METRICS: tuple[Metric, ...] = (
    _stage(
        "tasks", "gauge", "tasks", "tasks", "Tasks of the stage that are not done.",
        "Growing without end: tasks are made faster than they end. 0 where some are expected: they have died.",
    ),
    _stage(
        "seconds_total", "counter", "seconds", "seconds",
        "Task-seconds: idle (in a watched get), blocked (in a watched put, drain or acquire), working (neither).",
        "Working nearly all of its tasks' time: this stage is what others wait for. Blocked: look downstream.",
        split="state", parts=STATES,
    ),
    _stage(
        "link_info", "gauge", "", "link_info",
        "1 for each resource that the stage puts to, gets from, drains or acquires.",
        "Does not grow; a link that is missing was never seen in use.",
        merge="max", table=("resource", "kind", "direction"),
    ),
    _stage(
        "crew_tasks", "gauge", "tasks", "crew_tasks",
        "Tasks that are not done, by crew: those tasks of the stage that use the same resources.",
        "0 for a crew that takes from a queue: nobody takes from it any more.", table=("crew",),
    ),
    _stage(
        "crew_seconds_total", "counter", "seconds", "crew_seconds",
        "Task-seconds of the stage by crew and state.",
        "As the seconds of the stage, where one function works in several places.", table=("crew", "state"),
    ),
    _stage(
        "crew_wait_seconds_total", "counter", "seconds", "crew_wait_seconds",
        "Task-seconds that a crew has waited for a resource, present waits included.",
        "The largest one is what the crew waits for: downstream where it puts, drains or acquires, else upstream.",
        table=("crew", "resource", "kind", "direction"),
    ),
    _stage(
        "crew_busiest_ratio", "gauge", "ratio", "crew_busiest_ratio",
        "Share of the last seconds that the busiest task of a crew has worked.",
        "At 1 beside colleagues that are idle: one bad member.", merge="max", table=("crew",),
    ),
    _stage(
        "awaits_total", "counter", "looks", "awaits",
        "Looks at a working task, once a second, by what it waited for; `running` where it had the loop to itself.",
        "What the stage spends its working time on.", table=("awaited",),
    ),
)  # fmt: skip
