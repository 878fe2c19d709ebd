"""Errors of our own: counted, logged once a kind, and swallowed, unless somebody asks for them."""

import asyncio
import logging

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.faults import Faults, faults


@pytest.fixture
def quiet(monkeypatch):
    """Errors are swallowed, as in production."""
    monkeypatch.delenv("BPEXPORTER_RAISE", raising=False)


def test_a_new_process_has_no_faults():
    """The count begins at zero."""
    assert Faults().count == 0


@pytest.mark.usefixtures("quiet")
def test_an_error_is_swallowed_and_counted():
    """Nothing is raised, and every error counts, also those of one kind."""
    own = Faults()
    for _ in range(3):
        own.swallow(ValueError("no"), "a place")
    own.swallow(KeyError("no"), "a place")
    assert own.count == 4


@pytest.mark.parametrize("value", ["", "0", "true", "2", " 1"])
def test_only_1_makes_errors_raise(monkeypatch, value):
    """Any other value of BPEXPORTER_RAISE swallows."""
    monkeypatch.setenv("BPEXPORTER_RAISE", value)
    own = Faults()
    own.swallow(ValueError("no"), "a place")
    assert own.count == 1


def test_the_very_error_is_raised_where_that_is_asked_for(monkeypatch):
    """With BPEXPORTER_RAISE=1 the same object is raised, and it counts all the same."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "1")
    own, error = Faults(), ValueError("no")
    with pytest.raises(ValueError, match="no") as raised:
        own.swallow(error, "a place")
    assert raised.value is error
    assert own.count == 1


def test_the_switch_is_read_at_each_error(monkeypatch):
    """A test may ask for errors, and stop asking."""
    own = Faults()
    monkeypatch.setenv("BPEXPORTER_RAISE", "1")
    with pytest.raises(ValueError, match="one"):
        own.swallow(ValueError("one"), "a place")
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    own.swallow(ValueError("two"), "a place")
    assert own.count == 2


@pytest.mark.usefixtures("quiet")
def test_the_first_of_a_kind_is_logged(caplog):
    """One line for each place and type of error, at WARNING, in the logger of the package."""
    own = Faults()
    with caplog.at_level(logging.DEBUG):
        for text in ("first", "second"):
            own.swallow(ValueError(text), "here")
            own.swallow(KeyError(text), "here")
            own.swallow(ValueError(text), "there")
    lines = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert len(lines) == 3
    assert {line[:2] for line in lines} == {("bpexporter", logging.WARNING)}
    assert all("first" in line[2] for line in lines)
    assert ["there" in line[2] for line in lines] == [False, False, True]


@pytest.mark.usefixtures("quiet")
def test_the_log_is_bounded(caplog):
    """However many places fail, the application's log gets a hundred lines at most; the count goes on."""
    own = Faults()
    for number in range(1_000):
        own.swallow(ValueError("no"), f"place {number}")
    assert len(caplog.records) == 100
    assert own.count == 1_000


@pytest.mark.usefixtures("quiet")
def test_reset_begins_again(caplog):
    """After a reset the count is zero, and what was logged before is logged anew."""
    own = Faults()
    own.swallow(ValueError("no"), "here")
    own.reset()
    assert own.count == 0
    own.swallow(ValueError("no"), "here")
    assert (own.count, len(caplog.records)) == (1, 2)


class Unprintable(Exception):
    """An error of a host's whose text cannot be had."""

    def __repr__(self):
        raise RuntimeError("no text")


@pytest.mark.usefixtures("quiet")
def test_an_error_without_a_text_is_swallowed(caplog, monkeypatch):
    """An error whose own repr() raises, logged by handlers that do not catch, reaches nobody."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    caplog.handler.setFormatter(logging.Formatter("%(levelname)s"))
    own = Faults()
    own.swallow(Unprintable(), "here")
    assert own.count == 1


@pytest.fixture
def failing_log():
    """A filter of the application's that raises."""

    def fails(record):
        raise RuntimeError("a filter of the application's")

    logger = logging.getLogger("bpexporter")
    logger.addFilter(fails)
    yield
    logger.removeFilter(fails)


@pytest.mark.usefixtures("quiet", "failing_log")
def test_a_logger_that_fails_reaches_nobody():
    """A filter or a handler of the application's that raises is counted too, and makes no exception of a fault."""
    own = Faults()
    own.swallow(ValueError("no"), "here")
    assert own.count == 2


@pytest.mark.usefixtures("quiet", "failing_log")
def test_a_logger_that_fails_does_not_fail_watch():
    """A queue whose name is one too many is watched and can be unwatched, also where that cannot be logged."""
    hub = Hub(max_names=1)
    first, second = watch(asyncio.Queue(), "a", hub=hub), watch(asyncio.Queue(), "b", hub=hub)
    assert {name: one.members for name, one in hub.snapshot().queues.items()} == {"a": 1, "__other__": 1}
    assert unwatch(second) is second is not first


@pytest.mark.usefixtures("quiet")
def test_the_count_is_read_by_every_hub():
    """What this process has swallowed stands in each snapshot."""
    before = Hub().snapshot().kinds["itself"][""].collect_errors
    faults.swallow(ValueError("no"), "a test")
    assert Hub().snapshot().kinds["itself"][""].collect_errors == before + 1 == faults.count
