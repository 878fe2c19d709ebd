"""Where public classes say that they are."""

import asyncio
import pickle

import pytest

import bpexporter
from bpexporter.primitives.public import public

CLASSES = [name for name in bpexporter.__all__ if isinstance(getattr(bpexporter, name), type)]


@pytest.mark.parametrize("name", CLASSES)
def test_a_public_class_is_the_packages_own(name):
    """Shown in a traceback or a document, it stands where users import it from."""
    assert getattr(bpexporter, name).__module__ == "bpexporter"


def test_a_reading_can_be_pickled():
    """One that a program sends to another of its processes comes out the same."""
    hub = bpexporter.Hub()
    queue = bpexporter.watch(asyncio.Queue(), "q", hub=hub)
    reading = hub.snapshot().queues["q"]
    assert pickle.loads(pickle.dumps(reading)) == reading
    bpexporter.unwatch(queue)


def test_only_the_class_itself_is_moved():
    """A subclass of the user's stays where it is."""
    kind = public(type("Kind", (), {"__module__": "anywhere"}))
    below = type("Below", (kind,), {"__module__": "users"})
    assert (kind.__module__, below.__module__) == ("bpexporter", "users")
