"""Ten minutes of each resource, in steps."""

import pytest

from bpexporter.server.history import POINTS, History, Point

QUEUE = ("queue", "q")


def filled(steps: int) -> History:
    """A history of a queue whose utilisation is the number of the step in hundredths."""
    history = History()
    for step in range(steps):
        history.add({QUEUE: Point(step / 100, 0.0)})
    return history


def test_all_points_are_told_to_who_knows_none():
    """Without a step that is known, every point comes, oldest first."""
    assert filled(3).of(QUEUE, None) == {"utilization_ratio": [0.0, 0.01, 0.02], "pressure": [0.0, 0.0, 0.0]}


def test_only_what_is_new_is_told():
    """After a step that is known, the points that came since are told."""
    history = filled(5)
    assert history.begins_at(3) == 3
    assert history.of(QUEUE, 3)["utilization_ratio"] == [0.03, 0.04]
    assert history.of(QUEUE, 5)["utilization_ratio"] == []


@pytest.mark.parametrize("since", [-1, 6, 10**9])
def test_a_step_that_is_not_there_is_not_known(since):
    """Of a step before the first or after the last, and of another server's, nothing is known."""
    assert filled(5).begins_at(since) is None


def test_it_is_bounded():
    """Older points than ten minutes are gone, and a step among them is not known any more."""
    history = filled(POINTS + 30)
    assert len(history.of(QUEUE, None)["pressure"]) == POINTS
    assert history.begins_at(29) is None
    assert history.begins_at(30) == 30


def test_what_was_not_there_is_unknown():
    """Before a resource came, and after it went, its points are unknown."""
    history = filled(1)
    history.add({})
    history.add({QUEUE: Point(None, 0.5)})
    assert history.of(QUEUE, None) == {"utilization_ratio": [0.0, None, None], "pressure": [0.0, None, 0.5]}
