"""A hub, and the exporter whose page is looked at."""

import pytest

import bpexporter


@pytest.fixture
def hub():
    """A hub of its own."""
    return bpexporter.Hub()


@pytest.fixture
def exporter(hub):
    """An exporter of it."""
    with bpexporter.start(port=0, hub=hub) as exporter:
        yield exporter
