"""The flow between two readings: strains, crews, and who uses what."""

from typing import Any

import pytest

from bpexporter.analysis.findings import told_strain
from bpexporter.analysis.flow import LIMITER, QUEUE, STREAM, flow
from bpexporter.resources.stage.metrics import ACQUIRE, GET, PUT, StageReading
from bpexporter.resources.stream.metrics import StreamReading

NOTHING: dict[str, Any] = {}


def stream(**known: Any) -> StreamReading:
    """A reading of streams of which this alone is known."""
    return StreamReading(**(dict.fromkeys(StreamReading._fields) | known))


def stage(crew: str, *links: tuple[str, str, str], tasks: int = 1) -> StageReading:
    """A reading of a stage with one crew."""
    waits = {(crew, *link): 0.0 for link in links}
    return StageReading(tasks, (0.0, 0.0, 0.0), dict.fromkeys(links, 1), {(crew,): tasks}, {}, waits, {}, {})


def test_writers_over_their_mark_are_not_blocked_where_nobody_drains():
    """Of a stream the writers with a `drain()` that waits are blocked, not those that are merely over their mark."""
    readings = {"stream": {"up": stream(open_writers=8, paused_writers=5, blocked_writers=2, stalled_seconds=9.0)}}
    strain = flow(NOTHING, readings, 10).strains[STREAM, "up"]
    assert strain.blocked_now == 2
    assert "2 writers blocked now" in told_strain(strain)


def test_a_transport_that_nobody_drains_has_no_blocked_writer():
    """A transport has no `drain()`: paused as it may be, nobody is said to be blocked."""
    readings = {"stream": {"up": stream(open_writers=1, paused_writers=1)}}
    assert flow(NOTHING, readings, 10).strains[STREAM, "up"].blocked_now == 0


def test_the_users_of_a_resource_are_told_apart_by_direction():
    """Who puts and who takes are told apart; a crew that does both is found once where any direction will do."""
    stages = {
        "source": stage("a", ("orders", QUEUE, PUT)),
        "retry": stage("b", ("orders", QUEUE, GET), ("orders", QUEUE, PUT)),
        "sink": stage("c", ("orders", QUEUE, GET), ("db", LIMITER, ACQUIRE)),
        "other": stage("d", ("orders", LIMITER, ACQUIRE)),
    }
    found = flow(NOTHING, {"stage": stages}, 10)
    assert [crew.stage for crew in found.feeders("orders")] == ["source", "retry"]
    assert [crew.stage for crew in found.takers("orders")] == ["retry", "sink"]
    assert sorted(crew.stage for crew in found.users(QUEUE, "orders")) == ["retry", "sink", "source"]
    assert [crew.stage for crew in found.users(LIMITER, "db")] == ["sink"]


@pytest.mark.parametrize(("tasks", "takers", "former"), [(1, ["sink"], []), (0, [], ["sink"])])
def test_who_has_no_task_left_is_a_former_user(tasks, takers, former):
    """A stage without a task that takes does not take any more, and is told as a former one."""
    found = flow(NOTHING, {"stage": {"sink": stage("c", ("orders", QUEUE, GET), tasks=tasks)}}, 10)
    assert [crew.stage for crew in found.takers("orders")] == takers
    assert found.former("orders", GET) == former


def test_no_time_between_two_readings_is_refused():
    """Two readings of one moment tell of no flow."""
    with pytest.raises(ValueError, match="some time apart"):
        flow(NOTHING, NOTHING, 0)
