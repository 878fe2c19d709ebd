"""What the tests of adapters share: a hub, a Redis, a PostgreSQL, and callers that hold a permit."""

from collections.abc import Iterator

import databases
import pytest

import bpexporter


@pytest.fixture
def hub() -> Iterator[bpexporter.Hub]:
    """A hub in which all is watched that is made; at the end everything is as it was."""
    hub = bpexporter.Hub()
    bpexporter.install(hub=hub)
    yield hub
    bpexporter.uninstall()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis."""
    with databases.redis() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL."""
    with databases.postgres() as url:
        yield url
