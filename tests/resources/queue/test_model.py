"""Whatever hosts do to a queue and whenever somebody reads: bounds are bounds, and nothing falls."""

import asyncio
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelled import Model

CALLS = ["put_nowait", "put_nowait", "get_nowait", "put", "put", "get", "get", "cancel", "turn", "advance", "read"]
EDITS = ["clear", "push_back", "take_first", "remove", "replace", "resize"]
SIZES = st.sampled_from([0, 1, 2, 3, 5, 10, 2.5])


class Deduplicating(asyncio.Queue):
    """A subclass with a way of its own to keep its items."""

    def _put(self, item):
        if item not in self._queue:
            self._queue.append(item)


# Coroutines that are thrown away after their loop is closed complain of it, as they do without us.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PLAIN = [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue]
KINDS = [*PLAIN, Deduplicating]


def programs(*more):
    """Programs of callers, and of hosts that do `more` to their queues."""
    return st.lists(st.tuples(st.sampled_from([*CALLS, *more]), st.integers(0, 9)), max_size=50)


def counted(reading):
    """All that may never fall: counts, counted seconds, each bucket."""
    histograms = [reading.put_wait_seconds, reading.get_wait_seconds, reading.residence_seconds]
    buckets = [count for histogram in histograms for count in (*histogram.counts, histogram.sum)]
    plain = [reading.puts, reading.gets, reading.blocked_puts, *reading.refused_puts, *reading.occupancy_seconds]
    seconds = [reading.put_blocked_seconds, reading.stalled_seconds, reading.get_idle_seconds]
    return [*buckets, *plain, *seconds]


def nothing_falls(model, readings):
    """Each number that counts is at least what it was."""
    for name, reading in readings.items():
        now, before = counted(reading), model.shown.get(name)
        assert before is None or all(one <= other for one, other in zip(before, now, strict=True)), name
        model.shown[name] = now


def bounds_hold(model, readings):
    """An age is no more than the truth, ratios are 0 to 1, the bands hold all the time."""
    for reading in readings.values():
        assert 0 <= reading.oldest_item_age_seconds <= model.oldest()
        for ratio in (reading.utilization_ratio, reading.peak_utilization_ratio):
            assert ratio is None or 0 <= ratio <= 1
        if reading.utilization_ratio is not None:
            assert reading.utilization_ratio <= reading.peak_utilization_ratio
    assert model.total(readings, "depth_items") == model.queue.qsize()
    occupied = sum(sum(reading.occupancy_seconds) for reading in readings.values())
    assert occupied == model.clock.now - model.born


def callers_agree(model, readings):
    """Everybody who waits is counted once, for as long, under whatever names."""
    waiting = [side for side, _since in model.waiting.values()]
    assert model.total(readings, "blocked_producers") == waiting.count("put")
    assert model.total(readings, "idle_consumers") == waiting.count("get")
    found = {"put": "put_blocked_seconds", "get": "get_idle_seconds", "stalled": "stalled_seconds"}
    assert {side: model.total(readings, field) for side, field in found.items()} == {
        side: model.seconds[side] for side in found
    }
    assert model.total(readings, "blocked_puts") == model.counts["blocked put"]
    assert (model.total(readings, "puts"), model.total(readings, "gets")) == (
        model.counts["puts"],
        model.counts["gets"],
    )
    refused = [sum(column) for column in zip(*(one.refused_puts for one in readings.values()), strict=True)]
    assert refused == [model.counts["full"], model.counts["cancelled"], 0]
    for reading in readings.values():
        assert (reading.put_wait_seconds.total, reading.get_wait_seconds.total) == (reading.puts, reading.gets)


def what_was_seen_is_known(model, readings):
    """Where something lies there that a reading has found before, it is at least as old as that reading."""
    stays = model.seen.intersection(model.entered)
    if stays and not model.edited:
        age = max(reading.oldest_item_age_seconds for reading in readings.values())
        assert age >= model.clock.now - model.seen_at
    model.seen = set(model.entered) if len(model.entered) <= 3 else set()
    model.seen_at, model.edited = model.clock.now, False


def read(model):
    """Somebody reads, and all must hold."""
    model.turn()
    readings = model.readings()
    for holds in (nothing_falls, bounds_hold, callers_agree, what_was_seen_is_known):
        holds(model, readings)


def play(model, program):
    """Run `program`, and read at its end."""
    for action, number in program:
        if action == "read":
            read(model)
        else:
            getattr(model, action)(number)
    read(model)


@pytest.mark.parametrize("kind", KINDS)
@given(maxsize=SIZES, program=programs())
@settings(max_examples=60)
def test_callers_alone(kind, maxsize, program):
    """Where all comes and goes by put and get."""
    model = Model(kind, maxsize)
    play(model, program)
    model.end()


@pytest.mark.parametrize("kind", KINDS)
@given(maxsize=SIZES, program=programs(*EDITS))
@settings(max_examples=60)
def test_hosts_that_edit_their_queues(kind, maxsize, program):
    """Where items come and go, are replaced or sorted anew behind our back, and the limit changes."""
    model = Model(kind, maxsize)
    play(model, program)
    model.end()


@pytest.mark.parametrize("kind", PLAIN)
@given(maxsize=SIZES, program=programs("rename", "rename", "clear", "take_first"))
@settings(max_examples=60)
def test_queues_that_get_other_names(kind, maxsize, program):
    """Where callers wait, are woken or give up in the turn in which their queue gets another name."""
    model = Model(kind, maxsize)
    play(model, program)
    model.end()


@pytest.mark.parametrize("kind", PLAIN)
@given(maxsize=SIZES, program=programs("clear"), later=st.integers(1, 99))
@settings(max_examples=40)
def test_loops_that_are_closed(kind, maxsize, program, later):
    """Nobody waits in a closed loop, and nothing is counted for it any more."""
    logging.disable(logging.CRITICAL)  # asyncio says of each task that it was thrown away
    model = Model(kind, maxsize)
    play(model, program)
    before = model.readings()
    model.close()
    model.clock.now += later
    after = model.readings()
    nothing_falls(model, after)
    for field in ("put_blocked_seconds", "get_idle_seconds", "stalled_seconds"):
        assert model.total(after, field) == model.total(before, field)
    assert model.total(after, "blocked_producers") == model.total(after, "idle_consumers") == 0
    model.end()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("kind", KINDS)
@given(maxsize=SIZES, program=programs(*EDITS), later=st.integers(1, 99))
@settings(max_examples=40)
def test_queues_that_die(kind, maxsize, program, later):
    """What has died is timed until then, and leaves what it has counted."""
    model = Model(kind, maxsize)
    play(model, program)
    model.end()
    before = model.readings()
    del model.queue
    model.clock.now += later
    after = model.readings()
    nothing_falls(model, after)
    assert model.total(after, "members") == 0
    for field in ("put_blocked_seconds", "get_idle_seconds", "stalled_seconds", "puts", "gets"):
        assert model.total(after, field) == model.total(before, field)
    occupied = {name: sum(reading.occupancy_seconds) for name, reading in after.items()}
    assert occupied == {name: sum(reading.occupancy_seconds) for name, reading in before.items()}
