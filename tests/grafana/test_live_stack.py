"""What ships, at work: a real Prometheus answers every panel, and the demo's alert reaches a webhook and resolves."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_stack import Stack, quick, quickened, sooner, stack
from querying import answer, filled, get

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
CHOSEN = {
    "backpressure-overview": dict.fromkeys(("queue", "stream", "limiter"), ".+"),
    "backpressure-detail": {"queue": "parsed", "stream": "upstream", "limiter": "db"},
}
# Panels that have nothing to show for the demo, and why.
# What only a sidecar shows; the demo is one process that shows itself.
EMPTY = {
    "Processes of a sidecar",
    "Age of the oldest publication",
    "Pressure in the worst process",
    "Left out by a sidecar",
}
PANELS = [
    pytest.param(path.stem, panel, id=f"{path.stem.removeprefix('backpressure-')}-{panel['title']}")
    for path in sorted(DASHBOARDS.glob("*.json"))
    for panel in json.loads(path.read_text())["panels"]
    if panel["type"] != "row"
]
PATIENCE = 90
# There are scrapes enough for a panel to have data.
SCRAPED = "count_over_time(up[1h]) > 10"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running stack."""
    with stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def soon(seen: Callable[[], object], *, seconds: float = PATIENCE) -> bool:
    """Whether something is seen before the time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if seen():
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


def told(live: Stack, name: str, status: str, **labels: str) -> bool:
    """Whether the webhook has been told of this."""
    wanted = {"alertname": name, **labels}.items()
    return any(alert["status"] == status and wanted <= alert["labels"].items() for alert in live.told)


def healths(prometheus: str) -> set[str]:
    """How Prometheus finds its rules."""
    groups = json.loads(get(f"{prometheus}/api/v1/rules"))["data"]["groups"]
    return {rule["health"] for group in groups for rule in group["rules"]}


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_panel_has_data(live, board, panel):
    """Each query of each panel is answered with data, but for those that are listed with a reason."""
    for target in panel["targets"]:
        query = filled(quick(target["expr"]), **CHOSEN[board])
        # all share the patience that one may need
        patience = max(2, live.began + PATIENCE - time.monotonic())
        empty = panel["title"] in EMPTY
        asked = SCRAPED if empty else query
        assert soon(lambda asked=asked: answer(live.prometheus, asked), seconds=patience), query
        assert not (empty and answer(live.prometheus, query)), query


@pytest.mark.parametrize("name", ["BackpressureQueueUtilizationHigh", "BackpressureQueueStalled"])
def test_the_saturation_alert_fires_and_resolves(live, name):
    """The slow stage of the demo makes the alert fire at the webhook, and its recovery makes it resolve."""
    assert soon(lambda: told(live, name, "firing", queue="parsed"))
    assert soon(lambda: told(live, name, "resolved", queue="parsed"))
    alert = next(
        alert for alert in live.told if {"alertname": name, "queue": "parsed"}.items() <= alert["labels"].items()
    )
    assert "parsed" in alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"].endswith(name.lower())


def test_the_healthy_queue_stays_quiet(live):
    """No alert is told of the queue that is never in trouble."""
    assert soon(lambda: told(live, "BackpressureQueueStalled", "firing"))
    assert [alert for alert in live.told if alert["labels"].get("queue") == "audit"] == []


def test_rules_are_healthy(live):
    """Prometheus evaluates every rule without an error, and no scrape has failed."""
    assert soon(lambda: healths(live.prometheus) == {"ok"})
    assert answer(live.prometheus, "min_over_time(up[10s]) == 1")


def test_only_durations_are_quickened():
    """The quickened rules differ from those that ship by their durations alone."""
    rules = {"groups": [{"rules": [{"expr": "a:b:rate5m > 0.8 and x[5m] offset 10m", "for": "5m"}]}]}
    assert quickened(rules)["groups"][0]["rules"] == [{"expr": "a:b:rate5m > 0.8 and x[5s] offset 10s", "for": "5s"}]
    assert quick("sum_over_time((x[5m])[1h:1m])") == "sum_over_time((x[5s])[60s:1s])"
    assert [sooner(duration) for duration in ("30s", "2m", "1h", "1d")] == ["1s", "2s", "60s", "1440s"]
