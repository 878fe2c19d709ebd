"""The demo: its pipeline over whole cycles in virtual time, and what it draws."""

import asyncio
import contextlib
import functools
import io
import os
import pty
import re
import subprocess
import sys

import pytest
import virtual_time

import bpexporter
from bpexporter.catalogue.metrics import metrics_of
from bpexporter.commands.demo import pipeline as demo
from bpexporter.primitives.histogram import HistogramReading

QUEUES = ["fetched", "parsed", "retries", "recent", "audit", "log"]
# Of the reasons for a refused put: full and cancelled; none of the demo's queues shuts down.
REASONS_SHOWN = 2


async def pipeline_for(seconds: float, seen: list) -> None:
    """Run the pipeline, and keep its readings of each tenth of a second in `seen`."""
    loop = asyncio.get_running_loop()
    pipeline = demo.Pipeline(loop.time)
    tasks = [asyncio.create_task(task) for task in pipeline.tasks()]
    for _ in range(round(seconds * 10)):
        await asyncio.sleep(0.1)
        seen.append(bpexporter.snapshot().queues)
    assert [task for task in tasks if task.done()] == []
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def seen() -> list:
    """Readings of each tenth of a second of one cycle."""
    readings: list = []
    with pytest.MonkeyPatch.context() as patched:
        virtual_time.run(pipeline_for(demo.CYCLE, readings), patched)
    return readings


def value_of(reading, field: str) -> object:
    """The field of a reading, a histogram as the number of its observations."""
    value = getattr(reading, field)
    return sum(value.counts) if isinstance(value, HistogramReading) else value


# What only members and configuration change, and the demo changes neither.
STEADY = {"members", "unbounded_members", "capacity_items"}


@pytest.mark.parametrize("metric", metrics_of("queue"), ids=lambda metric: metric.name)
def test_every_metric_moves(seen, metric):
    """In one cycle each queue metric changes at one queue at least, but for those that only a new queue changes."""
    moved = [name for name in QUEUES if len({value_of(queues[name], metric.field) for queues in seen}) > 1]
    assert bool(moved) == (metric.field not in STEADY)


def test_steady_metrics_are_known(seen):
    """One of the queues has no bound, and the others have a capacity."""
    assert [seen[-1][name].unbounded_members for name in QUEUES] == [0, 0, 0, 0, 0, 1]
    assert [seen[-1][name].capacity_items for name in QUEUES] == [50, 20, 10, 100, 100, None]


def test_first_stall_is_early(seen):
    """The first five seconds show a producer blocked before `store`."""
    assert any(queues["parsed"].blocked_producers for queues in seen[:50])


def test_stall_works_its_way_upstream(seen):
    """The queue before the slow stage stalls first, then the one before that."""
    first = {
        name: next(number for number, queues in enumerate(seen) if queues[name].blocked_producers)
        for name in ("parsed", "fetched")
    }
    assert first["parsed"] < first["fetched"]


def test_it_recovers(seen):
    """At the end of the cycle nobody is blocked and the backlog is gone."""
    assert [seen[-1][name].blocked_producers for name in QUEUES] == [0] * len(QUEUES)
    assert seen[-1]["parsed"].utilization_ratio < 0.5


@pytest.mark.parametrize("cycle", [20, 1200])
def test_slow_for_half_a_cycle(cycle):
    """`store` is slow from a tenth of a cycle to six tenths of it, however long a cycle is."""
    times = iter([5.0, *(5 + cycle * share / 100 for share in range(200))])
    pipeline = demo.Pipeline(lambda: next(times), cycle=cycle)
    slow = [pipeline.is_slow for _ in range(200)]
    assert slow == ([False] * 10 + [True] * 50 + [False] * 40) * 2


def test_audit_stays_healthy(seen):
    """The queue that is never in trouble never blocks anybody, and is never half full."""
    assert seen[-1]["audit"].blocked_puts == 0
    assert seen[-1]["audit"].peak_utilization_ratio < 0.5


def test_puts_are_refused(seen):
    """Puts are refused because a queue is full, and given up because they took too long."""
    refused = map(sum, zip(*(reading.refused_puts for reading in seen[-1].values()), strict=True))
    assert all(list(refused)[:REASONS_SHOWN])


def test_every_item_is_accounted_for(seen):
    """What went in came out or still waits, and what is in work is little: each get has its task_done()."""
    for reading in seen[-1].values():
        assert reading.puts == reading.gets + reading.depth_items
        assert 0 <= reading.unfinished_tasks - reading.depth_items <= 2


@pytest.mark.parametrize(
    ("ratio", "drawn"),
    [(None, "unbounded" + " " * 11), (0.0, "." * 20), (0.5, "#" * 10 + "." * 10), (1.0, "#" * 20), (2.0, "#" * 20)],
)
def test_bar(ratio, drawn):
    """A bar is as full as the queue; without a bound there is none; it never leaves its place."""
    assert demo.bar(ratio) == drawn


def test_row_names_the_blocked(seen):
    """A queue with blocked producers says how many and for how long; others say nothing."""
    stalled = next(queues["parsed"] for queues in seen if queues["parsed"].blocked_producers)
    assert re.search(r"parsed +#+ +20 items  [12] blocked for +\d+\.\d s", demo.row("parsed", stalled))
    assert "blocked" not in demo.row("parsed", seen[0]["parsed"])


def test_rows_fit_a_terminal(seen):
    """No line is wider than 80 columns: one that wraps would not be painted over."""
    rows = [demo.row(name, reading) for queues in seen for name, reading in queues.items()]
    assert max(map(len, rows)) <= 80


def test_a_stage_that_fails_ends_the_demo(monkeypatch):
    """An error in a stage is raised, instead of a pipeline that stands still and looks healthy."""

    async def fail(pipeline: demo.Pipeline) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(demo.Pipeline, "fetch", fail)
    with pytest.raises(ZeroDivisionError), contextlib.redirect_stdout(io.StringIO()):
        virtual_time.run(demo.live(60), monkeypatch)


def test_summary_leaves_its_own_end_out(monkeypatch, capsys):
    """Puts that are cancelled because the demo ends are not told as refused."""
    monkeypatch.setattr(demo, "SLOW", (0.0, 20.0))
    monkeypatch.setattr(demo.Pipeline, "retry", lambda self, item: None)
    hub = virtual_time.run(virtual_live(monkeypatch), monkeypatch)
    told = [line for line in capsys.readouterr().out.splitlines() if "refused" in line]
    assert len(told) == len(QUEUES)
    assert all(line.endswith("refused 0") for line in told)
    assert sum(hub.snapshot().queues["parsed"].refused_puts) > 0


async def virtual_live(monkeypatch) -> None:
    """The demo for 5 s of the running loop's time."""
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr(demo, "Pipeline", functools.partial(demo.Pipeline, clock))
    await demo.live(5)


def painted() -> str:
    """All that a demo of a second and a half writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bpexporter", "demo", "--port", "0", "--seconds", "1.5"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        pieces = []
        with contextlib.suppress(OSError):  # Linux says EIO where the other end is closed
            while piece := os.read(ours, 65536):
                pieces.append(piece)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(pieces).decode()


def test_terminal_is_painted_over():
    """On a terminal the same lines are drawn again in place, every line cleared first, and a summary closes."""
    out = painted()
    lines = len(QUEUES) + 1
    assert out.count(f"\x1b[{lines}A") >= 2
    assert out.count("\x1b[2K") == lines * (out.count(f"\x1b[{lines}A") + 1)
    assert "bpexporter demo ended" in out.rpartition("\x1b[2K")[2]
