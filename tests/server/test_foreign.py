"""Registries of the application's: one that hangs costs its own lines and not ours."""

import gc
import http.client
import threading

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from bpexporter import Collector, Hub, start
from bpexporter.faults import faults
from bpexporter.server import foreign


class Sessions:
    """A collector that answers when it is allowed to, and counts how often."""

    def __init__(self):
        self.allowed, self.finished, self.answers = threading.Event(), threading.Event(), 0

    def describe(self):
        """Its family, empty."""
        return [GaugeMetricFamily("sessions", "Open sessions.")]

    def collect(self):
        """Its family, once it is allowed to."""
        assert self.allowed.wait(30)
        self.answers += 1
        yield GaugeMetricFamily("sessions", "Open sessions.", value=self.answers)
        self.finished.set()


@pytest.fixture
def sessions(monkeypatch):
    """A collector that hangs until it is told not to, and pages that wait little."""
    monkeypatch.setattr(foreign, "PATIENCE", 0.05)
    sessions = Sessions()
    yield sessions
    sessions.allowed.set()


@pytest.fixture
def exporter(sessions):
    """An exporter that shows such a registry beside its own metrics."""
    hub, registry = Hub(), CollectorRegistry()
    registry.register(sessions)
    registry.register(Collector(hub))
    with start(port=0, hub=hub, registries=[registry]) as exporter:
        yield exporter


def page(exporter, path="/metrics"):
    """The page, as text."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=20)
    connection.request("GET", path)
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_registry_that_hangs_costs_its_own_lines(exporter, sessions, caplog):
    """Ours are on each page, counted is what is missing, and the log says it once."""
    before = faults.count
    for _ in range(3):
        text = page(exporter)
        assert "bpexporter_collect_errors_total" in text
        assert "sessions" not in text
    assert faults.count == before + 3
    assert len([record for record in caplog.records if record.name == "bpexporter"]) == 1


def test_what_is_ours_alone_asks_no_registry(exporter, sessions):
    """`name[]` of a metric of ours does not ask the application's collectors."""
    before = faults.count
    assert "bpexporter_collect_errors_total" in page(exporter, "/metrics?name[]=bpexporter_collect_errors_total")
    assert (sessions.answers, faults.count) == (0, before)


def test_late_lines_come_with_the_next_page(exporter, sessions):
    """A registry that takes long is shown by each page after the first, with what it rendered last."""
    assert "sessions" not in page(exporter)
    for number in (1, 2):
        sessions.allowed.set()
        assert sessions.finished.wait(20)
        wait_until_done(exporter)
        sessions.allowed.clear()
        sessions.finished.clear()
        assert f"sessions {number}.0" in page(exporter)


def wait_until_done(exporter):
    """Wait until the rendering that goes on is over."""
    (source,) = exporter._answers.foreign
    for rendering in source._renderings.values():
        rendering.lines.result(20)


def test_families_are_written_once(exporter, sessions):
    """A registry with our own collector in it adds its other families alone."""
    sessions.allowed.set()
    lines = [line for line in page(exporter).splitlines() if line.startswith("# TYPE")]
    assert "# TYPE sessions gauge" in lines
    assert len(lines) == len(set(lines))


def test_renderings_are_bounded(exporter, sessions):
    """A registry that hangs holds a few threads, however many choices of names are asked for."""
    for number in range(foreign.MOST_RENDERINGS + 3):
        page(exporter, f"/metrics?name[]=sessions&name[]=other_{number}")
    threads = [thread for thread in threading.enumerate() if thread.name == "bpexporter-registry"]
    assert len(threads) == foreign.MOST_RENDERINGS


def test_a_registry_that_fails_is_left_out(sessions, monkeypatch):
    """A collector that raises, whatever it is, does not fail the page, and is counted."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")

    class Broken(Sessions):
        def collect(self):
            raise SystemExit(3)

    registry = CollectorRegistry()
    registry.register(Broken())
    before = faults.count
    with start(port=0, hub=Hub(), registries=[registry]) as exporter:
        assert "bpexporter_collect_errors_total" in page(exporter)
    assert faults.count == before + 1


class Broken:
    """A collector that raises."""

    def describe(self):
        """No family."""
        return []

    def collect(self):
        """No family, but an error."""
        raise RuntimeError("broken")


def test_a_registry_that_raises_is_told_of_once(caplog, monkeypatch):
    """Our own line says so; asyncio does not complain of a future besides, and the other lines are there."""
    monkeypatch.delenv("BPEXPORTER_RAISE", raising=False)
    registry = CollectorRegistry()
    registry.register(Broken())
    count = faults.count
    with start(port=0, hub=Hub(), registries=[registry]) as exporter:
        pages = [page(exporter) for _ in range(2)]
    gc.collect()
    assert all("bpexporter_build_info" in text for text in pages)
    assert faults.count == count + 2
    assert [record.getMessage() for record in caplog.records if "never retrieved" in record.getMessage()] == []
