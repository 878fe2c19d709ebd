"""The state: one JSON for the page, top and scripts."""

import asyncio
import gzip
import json
from pathlib import Path

import jsonschema
import pytest
from fake_clock import Clock

import bpexporter
from bpexporter.server.state import INTERVAL_SECONDS, MOST_SECONDS, POLL_SECONDS, Question, StateKeeper

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "state.schema.json").read_text())


@pytest.fixture
def clock():
    """A clock that stands."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return bpexporter.Hub(clock=clock)


@pytest.fixture
def keeper(hub, clock):
    """The state of the hub, with a verdict that counts its askings."""
    asked = []

    def judge(before, now, seconds):
        asked.append(seconds)
        return {"state": "healthy", "seconds": seconds, "findings": []}

    keeper = StateKeeper(hub.snapshot, judge=judge, clock=clock, cpu=lambda: 0.0)
    keeper.asked = asked
    return keeper


def state_of(keeper, since=None, readings=None):
    """The state, held against its schema."""
    state = json.loads(keeper.state(Question(since, readings)))
    jsonschema.validate(state, SCHEMA)
    return state


async def test_it_has_the_documented_form(hub, clock, keeper):
    """Queues, streams, limiters and loops are told as the schema says, with and without a second reading."""
    watched = bpexporter.watch(asyncio.Queue(3), "q", hub=hub), bpexporter.watch(asyncio.Semaphore(2), "s", hub=hub)
    watched[0].put_nowait(1)
    state_of(keeper)
    clock.now += INTERVAL_SECONDS
    state = state_of(keeper)
    assert {(one["kind"], one["name"]) for one in state["resources"]} >= {
        ("queue", "q"),
        ("limiter", "s"),
        ("loop", "main"),
    }
    assert state["verdict"] == {"state": "healthy", "seconds": INTERVAL_SECONDS, "findings": []}


async def test_a_stall_is_pressure(hub, clock, keeper):
    """A put that is blocked for half of the interval is a pressure of a half, for each member."""
    queue = bpexporter.watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    state_of(keeper)
    clock.now += 5
    task = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    clock.now += 5
    (shown,) = [one for one in state_of(keeper)["resources"] if one["kind"] == "queue"]
    assert (shown["pressure"], shown["blocked"], shown["longest_block_seconds"]) == (0.5, 1, 5.0)
    assert (shown["utilization_ratio"], shown["in_per_second"]) == (1.0, 0.0)
    queue.get_nowait()
    await task


async def test_many_viewers_cost_one_reading(hub, clock, keeper):
    """Whoever asks within a second gets the same reading; a second later there is another."""
    first = [keeper.state() for _ in range(50)]
    assert (len(set(first)), keeper.readings) == (1, 1)
    tag = keeper.tag()
    clock.now += POLL_SECONDS
    assert keeper.tag() != tag
    assert keeper.readings == 2


async def test_rates_are_those_of_the_last_seconds(hub, clock, keeper):
    """However long it runs, the interval stays near 5 s, so that what is shown is the present."""
    for _ in range(60):
        clock.now += POLL_SECONDS
        keeper.state()
    assert INTERVAL_SECONDS <= state_of(keeper)["interval_seconds"] <= INTERVAL_SECONDS + POLL_SECONDS


async def test_history_is_kept_without_a_viewer(hub, clock, keeper):
    """A step every 5 s is remembered, and who comes later gets all of them."""
    queue = bpexporter.watch(asyncio.Queue(2), "q", hub=hub)
    queue.put_nowait(1)
    for _ in range(4):
        keeper.keep()
        clock.now += 5
    (shown,) = [one for one in state_of(keeper)["resources"] if one["kind"] == "queue"]
    assert shown["history"]["utilization_ratio"] == [0.5] * 5


async def test_only_new_history_is_sent(hub, clock, keeper):
    """With the step that is known already, only what came after it is sent."""
    queue = bpexporter.watch(asyncio.Queue(2), "q", hub=hub)
    known = state_of(keeper)["history"]["sequence"]
    clock.now += 5
    state = state_of(keeper, known)
    (shown,) = [one for one in state["resources"] if one["kind"] == "queue"]
    assert (state["history"]["since"], len(shown["history"]["pressure"]), queue.qsize()) == (known, 1, 0)


async def test_a_resource_that_is_new_has_no_rate(hub, clock, keeper):
    """What was not there at the beginning of the interval has no rate, and not one of 0."""
    state_of(keeper)
    late = bpexporter.watch(asyncio.Queue(2), "late", hub=hub)
    clock.now += 5
    (shown,) = [one for one in state_of(keeper)["resources"] if one["kind"] == "queue"]
    assert (shown["in_per_second"], shown["pressure"], late.qsize()) == (None, None, 0)


async def test_readings_are_chosen(hub, clock, keeper):
    """Who asks for some readings gets these; the figures of all others are there without."""
    queues = [bpexporter.watch(asyncio.Queue(2), name, hub=hub) for name in ("one", "other")]
    state_of(keeper)
    clock.now += 5
    shown = {one["name"]: one for one in state_of(keeper, readings=frozenset({"queue:one"}))["resources"]}
    assert "reading" in shown["one"]
    assert "reading" not in shown["other"]
    assert (shown["other"]["utilization_ratio"], len(queues)) == (0.0, 2)


async def test_a_tag_is_of_one_question_and_of_one_process(hub, clock, keeper):
    """Another choice of readings has another tag, another known step has not; another process never has the same."""
    assert keeper.tag(Question(3)) == keeper.tag(Question(4)) == keeper.tag()
    assert keeper.tag(Question(None, frozenset({"queue:q"}))) != keeper.tag(Question(None, frozenset())) != keeper.tag()
    before = keeper.tag()
    later = StateKeeper(hub.snapshot, judge=lambda *_: None, clock=clock)
    later._born += 1
    assert later.tag() != before


async def test_steps_of_a_process_that_was_here_before_are_none_of_ours(keeper, clock):
    """A step that this process has never had is not taken for a known one: all of the history comes."""
    first = state_of(keeper)["history"]["sequence"]
    assert state_of(keeper, first - 5)["history"]["since"] is None


async def test_a_reading_that_costs_much_is_made_less_often(hub, clock):
    """Where a reading would take more than its share of a core it is shared for longer, 5 s at most."""
    spent = [0.0]

    def read():
        spent[0] += 0.012
        return hub.snapshot()

    keeper = StateKeeper(read, judge=lambda *_: None, clock=clock, cpu=lambda: spent[0])
    periods = []
    for _ in range(3):
        periods.append(state_of(keeper)["poll_seconds"])
        clock.now += keeper.poll_seconds
    assert periods == [1.0, 2.0, 2.0]
    keeper = StateKeeper(read, judge=lambda *_: spent.__setitem__(0, spent[0] + 9), clock=clock, cpu=lambda: spent[0])
    for _ in range(3):
        keeper.state()
        clock.now += MOST_SECONDS
    assert keeper.poll_seconds == MOST_SECONDS


async def test_compressed_it_says_the_same(keeper):
    """The compressed answer is the other one."""
    assert gzip.decompress(keeper.state(compressed=True)) == keeper.state()
