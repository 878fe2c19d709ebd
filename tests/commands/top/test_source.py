"""Where `top` gets the state from."""

import asyncio

import pytest
from aiohttp import web
from processes import Process

import bpexporter
from bpexporter.commands.top.source import DirSource, NoState, UrlSource, addresses, settled


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9877", "127.0.0.1:9877", "http://127.0.0.1:9877/", "http://127.0.0.1:9877/metrics",
     "http://127.0.0.1:9877/api/state?since=3"],
)  # fmt: skip
def test_any_address_of_an_exporter_will_do(url):
    """That of the page, of the metrics, of the state, with and without a scheme."""
    assert addresses(url)[0] == "http://127.0.0.1:9877/api/state"


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(url):
    """Anything else is refused at once."""
    with pytest.raises(ValueError, match="is not the address of an exporter"):
        addresses(url)


async def test_a_state_is_fetched():
    """The state of a running exporter."""
    hub = bpexporter.Hub()
    queue = bpexporter.watch(asyncio.Queue(2), "jobs", hub=hub)
    with bpexporter.start(port=0, hub=hub) as exporter:
        state = await asyncio.to_thread(UrlSource(exporter.url).state)
    assert "jobs" in {one["name"] for one in state["resources"]}
    assert queue.empty()


async def test_an_application_has_its_state_below_its_metrics():
    """Where `mount()` serves, the address of the metrics leads to the state all the same."""
    hub, app = bpexporter.Hub(), web.Application()
    bpexporter.watch(asyncio.Queue(2), "jobs", hub=hub)
    bpexporter.mount(app, "/metrics", hub=hub)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    state = await asyncio.to_thread(UrlSource(f"127.0.0.1:{port}/metrics").state)
    await runner.cleanup()
    assert "jobs" in {one["name"] for one in state["resources"]}


def test_a_folder_is_read_without_a_server(tmp_path):
    """Of a folder in which processes publish, what they watch is seen, and which they are."""
    process = Process(tmp_path, name="jobs").work(3)
    with DirSource(tmp_path) as source:
        state = source.state()
    process.kill()
    assert [(one["kind"], one["name"], one["reading"]["puts"]) for one in state["resources"]] == [("queue", "jobs", 3)]
    assert [one["state"] for one in state["processes"]] == ["alive"]


def test_no_folder_is_made(tmp_path):
    """A folder that is not there is said, and not made."""
    with pytest.raises(NoState, match="is no folder"):
        DirSource(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_the_state_is_waited_for_until_it_tells_something():
    """Whoever prints it once gets rates and a verdict, also where nobody has looked before; nobody waits for ever."""

    class Source:
        name = "here"

        def __init__(self, step):
            self.now, self.step = -step, step

        def state(self):
            self.now += self.step
            return {"interval_seconds": self.now, "poll_seconds": 1.0}

    slept = []
    assert settled(Source(1.0), sleep=slept.append)["interval_seconds"] == 3.0
    assert slept == [1.0] * 3
    assert settled(Source(0.0), sleep=slept.append)["interval_seconds"] == 0.0


def test_nobody_there_is_said():
    """Where nobody answers, the error says where and why."""
    with pytest.raises(NoState, match=r"http://127\.0\.0\.1:9/api/state gives no state: .*refused"):
        UrlSource("127.0.0.1:9").state()
