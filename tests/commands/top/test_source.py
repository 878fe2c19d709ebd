"""Where `top` gets the state from."""

import asyncio

import pytest

import bpexporter
from bpexporter.commands.top.source import NoState, UrlSource, address


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9877", "127.0.0.1:9877", "http://127.0.0.1:9877/", "http://127.0.0.1:9877/metrics",
     "http://127.0.0.1:9877/api/state?since=3"],
)  # fmt: skip
def test_any_address_of_an_exporter_will_do(url):
    """That of the page, of the metrics, of the state, with and without a scheme."""
    assert address(url) == "http://127.0.0.1:9877/api/state"


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(url):
    """Anything else is refused at once."""
    with pytest.raises(ValueError, match="is not the address of an exporter"):
        address(url)


async def test_a_state_is_fetched():
    """The state of a running exporter."""
    hub = bpexporter.Hub()
    queue = bpexporter.watch(asyncio.Queue(2), "jobs", hub=hub)
    with bpexporter.start(port=0, hub=hub) as exporter:
        state = await asyncio.to_thread(UrlSource(exporter.url).state)
    assert "jobs" in {one["name"] for one in state["resources"]}
    assert queue.empty()


def test_nobody_there_is_said():
    """Where nobody answers, the error says where and why."""
    with pytest.raises(NoState, match=r"http://127\.0\.0\.1:9/api/state gives no state: .*refused"):
        UrlSource("127.0.0.1:9").state()
