"""Registries of the application's: their lines beside ours."""

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bpexporter import Collector, Hub
from bpexporter.export.registries import checked_registries, render_registry
from bpexporter.export.text import render


@pytest.fixture
def hub():
    """A hub of this test alone."""
    return Hub()


@pytest.fixture
def registry(hub):
    """A registry with a gauge of the application's, and our own collector."""
    registry = CollectorRegistry()
    Gauge("sessions", "Open sessions.", registry=registry).set(3)
    registry.register(Collector(hub))
    return registry


def test_other_families_follow(hub, registry):
    """Families of other registries come after ours, each family once, and the page ends once."""
    page = render(hub, openmetrics=True, others=[render_registry(registry, openmetrics=True)]).decode()
    names = [family.name for family in text_string_to_metric_families(page)]
    assert names[-1] == "sessions"
    assert len(names) == len(set(names))


def test_a_choice_of_names(registry):
    """`name[]` chooses among theirs as well."""
    assert b"sessions 3.0" in render_registry(registry, names={"sessions"})
    assert render_registry(registry, names={"elsewhere"}) == b""


def test_a_collector_of_another_hub_is_refused(hub, registry):
    """Families of two hubs on one page would have the same names: that is an error at once."""
    assert checked_registries([registry, registry], hub) == (registry,)
    with pytest.raises(ValueError, match="another hub"):
        checked_registries([registry], Hub())
    with pytest.raises(ValueError, match="another hub"):
        checked_registries([Collector(hub)], Hub())
