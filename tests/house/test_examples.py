"""The example programs, run in virtual time: the readings say who was held up, and for how long."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import virtual_time
from examples import echo, flow_controlled_stream, monitored_queue, producer_consumer
from sockets import until

from bpexporter import Hub
from bpexporter.hub.hub import registry_of

EXAMPLES = Path(__file__).parents[1] / "examples"


def reading_of(hub, name):
    """The reading of the queue `name`."""
    return hub.snapshot().queues[name]


def test_fast_producer_is_blocked(monkeypatch):
    """The producer waits nearly all the time; the slow consumer never waits once it has begun."""
    hub = virtual_time.run(producer_consumer.main(), monkeypatch)
    orders = reading_of(hub, "orders")
    # The 1st is taken at 0 s and the 4th put in at 0.03 s; each of the other 16 waits for a get, every 0.5 s.
    assert (orders.puts, orders.gets, orders.unfinished_tasks) == (20, 20, 0)
    assert orders.blocked_puts == 16
    assert orders.put_blocked_seconds == pytest.approx(16 * 0.5 - 0.04 - 15 * 0.01)
    assert orders.stalled_seconds == pytest.approx(orders.put_blocked_seconds)
    assert orders.put_wait_seconds.sum == pytest.approx(orders.put_blocked_seconds)
    assert orders.get_wait_seconds.sum == 0


def test_stall_shows_while_it_lasts(monkeypatch):
    """The stall of a producer whose consumer has hung is read while it goes on."""
    seen = []

    async def look() -> None:
        program = asyncio.create_task(producer_consumer.main(work=3600))
        await asyncio.sleep(10)
        seen.append(producer_consumer.bpexporter.snapshot().queues["orders"])
        program.cancel()

    virtual_time.run(look(), monkeypatch)
    assert seen[0].blocked_producers == 1
    assert seen[0].longest_block_seconds == pytest.approx(10 - 0.04)
    assert seen[0].stalled_seconds == pytest.approx(10 - 0.04)
    assert seen[0].utilization_ratio == 1


def test_sender_is_blocked(monkeypatch):
    """The sender of the stream is held up by a receiver that takes four times as long."""
    hub = virtual_time.run(flow_controlled_stream.main(), monkeypatch)
    packets = reading_of(hub, "packets")
    assert (packets.puts, packets.gets, packets.unfinished_tasks) == (20, 20, 0)
    assert packets.blocked_puts > 10
    assert 1 < packets.stalled_seconds < 20 * 0.2
    assert packets.get_idle_seconds == pytest.approx(0)
    assert packets.peak_utilization_ratio == 1


def test_receiver_is_starved(monkeypatch):
    """With a slow sender it is the receiver who waits, and the readings say so."""
    hub = virtual_time.run(flow_controlled_stream.main(pause=0.2, work=0.05), monkeypatch)
    packets = reading_of(hub, "packets")
    assert (packets.blocked_puts, packets.put_blocked_seconds) == (0, 0)
    assert packets.get_idle_seconds == pytest.approx(19 * 0.15)


def test_monitor_reads_what_the_class_measured(monkeypatch):
    """The one put that waits, the tenth, is counted with its 0.2 s, and the monitor has seen the queue fill."""
    shown: list[str] = []
    hub = virtual_time.run(monitored_queue.main(show=shown.append), monkeypatch)
    jobs = reading_of(hub, "jobs")
    assert jobs.blocked_puts == 1
    assert jobs.put_blocked_seconds == pytest.approx(0.2)
    assert shown[0].startswith("jobs: 20% full, 0 blocked")
    assert any(line.startswith("jobs: 100% full") for line in shown)


def test_monitor_sees_a_put_that_waits(monkeypatch):
    """A put that is still waiting is shown as blocked, with its age, which a timer around it could not know."""
    shown: list[str] = []
    virtual_time.run(monitored_queue.main(show=shown.append, work=5, every=1), monkeypatch)
    assert "jobs: 100% full, 1 blocked for 2.8 s, 2.8 s in all" in shown


@pytest.fixture
def hub(monkeypatch):
    """The default hub, new, in real time: an echo goes over real sockets."""
    hub = Hub()
    monkeypatch.setattr("bpexporter.hub.hub.default_hub", hub)
    return hub


async def test_echo(hub):
    """An echo that is taken back is no trouble: all bytes are counted on both sides, nobody is held up."""
    await echo.main(pause=0)
    await until(lambda: not registry_of(hub).members("stream"), "closed")
    for name in ("echo", "client"):
        stream = hub.snapshot().streams[name]
        assert (stream.written_bytes, stream.unheeded_writes) == (100 * 1_024, 0)
        assert (stream.blocked_drains, stream.paused_seconds, stream.open_writers) == (0, 0, 0)
        assert sum(stream.drain_seconds.counts) == 100


async def test_echo_that_nobody_takes_back(hub):
    """A client that does not listen holds up the server, which reads no more, and thereby itself: both are shown."""
    program = asyncio.create_task(echo.main(size=64 << 20, pause=0, rest=3600))

    def stuck() -> set[str]:
        streams = hub.snapshot().streams
        return {name for name, stream in streams.items() if stream.longest_block_seconds > 0.1}

    await until(lambda: stuck() == {"echo", "client"}, "both stuck")
    streams = hub.snapshot().streams
    assert {stream.paused_writers for stream in streams.values()} == {1}
    if sys.platform == "linux":
        assert streams["echo"].tcp_limited_seconds[0] > 0  # it is the client that does not read
        assert streams["echo"].kernel_unsent_bytes > 1 << 20
    for ledger in registry_of(hub).members("stream"):
        ledger.owner().abort()
    (error,) = await asyncio.gather(program, return_exceptions=True)
    assert error.split(ConnectionResetError)[1] is None


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_each_has_one_line_added(path):
    """Each example watches its queue by one line; server and client of the echo by one each."""
    lines = [line for line in path.read_text().splitlines() if "bpexporter.watch" in line]
    assert len(lines) == (2 if path.stem == "echo" else 1)
    assert [line for line in path.read_text().splitlines() if line.endswith("# the line that was added")] == lines


@pytest.mark.parametrize("call", ["producer_consumer.main(pause=0, work=0)", "echo.main(pause=0)"])
def test_example_runs_as_a_program(call):
    """An example runs by itself, in real time, and ends without a word."""
    code = f"import asyncio; from tests.examples import echo, producer_consumer; asyncio.run({call})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=EXAMPLES.parents[1], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
