"""What holds for every test of hosts: its hub is alone, and the standard library's methods are back after it."""

import asyncio
import weakref
from collections.abc import Iterator

import pytest
from hosts import KINDS
from watched_hosts import ATTRIBUTE

from bpexporter import Hub
from bpexporter.resources.queue import instrument as queues
from bpexporter.resources.queue.originals import ORIGINALS


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that is alone, so that the last unwatch() puts the originals back."""
    queues.METHODS.uninstall()  # other tests may have left watched queues behind
    monkeypatch.setattr("bpexporter.hub.process.registries", weakref.WeakSet())
    hub = Hub()
    yield hub
    queues.METHODS.uninstall()
    assert vars(asyncio.Queue)["put"] is ORIGINALS["put"]
    assert not any(ATTRIBUTE in vars(kind) for kind in KINDS)
