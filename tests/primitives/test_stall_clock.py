"""The stall clock: seconds that run while somebody waits."""

import sys
import threading

from hypothesis import given
from hypothesis import strategies as st

from bpexporter.primitives.stall_clock import StallClock


def test_nobody_has_waited():
    """A new clock has counted nothing, whenever it is read."""
    assert StallClock().read(1e9) == (0, 0, 0, 0, 0)


def test_seconds_run_while_callers_wait():
    """Two callers that overlap: their seconds add up, the wall seconds do not, and the oldest is the longest."""
    clock = StallClock()
    clock.begin("one", 10)
    clock.begin("two", 13)
    now = clock.read(20)
    assert (now.callers, now.caller_seconds, now.stalled_seconds, now.longest, now.begun) == (2, 17, 10, 10, 2)


def test_a_wait_that_ends_is_told_and_stays():
    """The end gives the seconds of this caller; the totals keep them, the levels do not."""
    clock = StallClock()
    clock.begin("one", 10)
    clock.begin("two", 13)
    assert clock.end("one", 20) == 10
    now = clock.read(20)
    assert (now.callers, now.caller_seconds, now.stalled_seconds, now.longest, now.begun) == (1, 17, 10, 7, 2)
    assert clock.end("two", 24) == 11
    assert clock.read(99) == (0, 21, 14, 0, 2)


def test_time_between_two_stalls_is_none():
    """Wall seconds are those of each stretch alone."""
    clock = StallClock()
    for begun, ended in ((0, 3), (10, 14)):
        clock.begin("token", begun)
        clock.end("token", ended)
    assert clock.read(50).stalled_seconds == 7


def test_a_caller_that_does_not_wait_cannot_end():
    """An end without a beginning, or a second one, gives 0 and changes nothing."""
    clock = StallClock()
    assert clock.end("nobody", 5) == 0
    clock.begin("one", 10)
    clock.end("one", 12)
    assert clock.end("one", 20) == 0
    assert clock.read(30) == (0, 2, 2, 0, 1)


def test_another_goes_on_with_a_wait():
    """A successor has waited as long as who began, and it is one wait all the same."""
    clock = StallClock()
    clock.begin("one", 10)
    clock.replace("one", "two")
    assert clock.read(15) == (1, 5, 5, 5, 1)
    assert clock.end("one", 16) == 0
    assert clock.end("two", 17) == 7


def test_nobody_goes_on_with_no_wait():
    """Where the first does not wait, the successor does not either."""
    clock = StallClock()
    clock.replace("one", "two")
    assert clock.read(15) == (0, 0, 0, 0, 0)


def test_a_reading_of_an_earlier_moment_is_not_negative():
    """A reader whose clock was read before a wait began finds no time at all in it."""
    clock = StallClock()
    clock.begin("one", 10)
    assert clock.read(9) == (1, 0, 0, 0, 1)


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40)


@given(STEPS)
def test_seconds_are_those_of_a_tally(steps):
    """However callers come and go, the totals are those of somebody who counts second by second."""
    clock, now, waiting = StallClock(), 0, {}
    callers = wall = begun = 0
    for token, seconds in steps:
        if token in waiting:
            assert clock.end(token, now) == now - waiting.pop(token)
        else:
            clock.begin(token, now)
            waiting[token] = now
            begun += 1
        now += seconds
        callers += seconds * len(waiting)
        wall += seconds * bool(waiting)
        oldest = now - min(waiting.values(), default=now)
        assert clock.read(now) == (len(waiting), callers, wall, oldest, begun)
        assert clock.read(now) == clock.read(now)


def test_a_reader_on_another_thread_sees_no_half_of_an_end():
    """A wait of one second is either among those that wait, or among the seconds: never in both, never in neither."""
    clock, stop, wrong = StallClock(), threading.Event(), []

    def read():
        while not stop.is_set():
            found = clock.read(0.0)  # before everything: those that wait have waited 0
            if not found.caller_seconds + found.callers == found.begun == found.stalled_seconds + found.callers:
                wrong.append(found)

    reader = threading.Thread(target=read)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        reader.start()
        for now in range(0, 40_000, 2):
            clock.begin(clock, now)
            clock.end(clock, now + 1)
    finally:
        stop.set()
        reader.join(10)
        sys.setswitchinterval(before)
    assert wrong == []
    assert clock.read(0.0).begun == 20_000
