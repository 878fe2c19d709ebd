"""What panels answer for series of odd but real resources, as promtool finds it."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from needs import promtool
from querying import filled

BOARD = json.loads((Path(__file__).parents[2] / "grafana/dashboards/backpressure-overview.json").read_text())
ANY = dict.fromkeys(("queue", "stream", "limiter"), ".+")
TARGETS = [(job, instance) for job in ("shop", "web") for instance in ("a", "b")]

# Streams as they are seen: by transports, which have no drains; with a mark of 0, so without utilisation; by writers;
# hundreds of which one waits; and one that is well.
STREAMS = {
    "transport": {"utilization_ratio": "1.3x60", "paused_writers": "5x60", "paused_seconds_total": "0+240x60"},
    "zero transport": {"paused_writers": "5x60", "paused_seconds_total": "0+300x60"},
    "zero": {"stalled_seconds_total": "0+60x60", "longest_block_seconds": "0+60x60", "paused_writers": "0x60"},
    "writer": {"utilization_ratio": "1.3x60", "stalled_seconds_total": "0+300x60", "longest_block_seconds": "0.1x60"},
    "one": {"utilization_ratio": "0.1x60", "stalled_seconds_total": "0+1.5x60", "longest_block_seconds": "0+60x60"},
    "well": {"utilization_ratio": "0.1x60", "stalled_seconds_total": "0x60", "longest_block_seconds": "0x60"},
}
FLOWS, SATURATED, STALLED, BOTH = range(4)
STATES = {
    "transport": SATURATED,
    "zero transport": SATURATED,
    "zero": STALLED,
    "writer": BOTH,
    "one": STALLED,
    "well": FLOWS,
}


def query(title: str, about: str = "stream") -> str:
    """A query of a panel, with everything chosen."""
    (panel,) = (panel for panel in BOARD["panels"] if panel["title"] == title)
    found = next(target["expr"] for target in panel["targets"] if about in target["expr"])
    return filled(found.replace("$__rate_interval", "5m"), **ANY)


def series() -> list[dict[str, str]]:
    """The series of all these streams, five writers each, at two instances of two jobs."""
    return [
        {"series": f'backpressure_stream_{name}{{job="{job}", instance="{instance}", stream="{stream}"}}', "values": of}
        for job, instance in TARGETS
        for stream, metrics in STREAMS.items()
        for name, of in {"open_writers": "5x60", **metrics}.items()
    ]


def complaints(folder: Path, expr: str, expected: dict[tuple[tuple[str, str], ...], float]) -> str:
    """What promtool says of the answer of a query."""
    samples = [
        {"labels": "{" + ", ".join(f'{key}="{text}"' for key, text in labels) + "}", "value": number}
        for labels, number in expected.items()
    ]
    asked = {"expr": expr, "eval_time": "50m", "exp_samples": samples}
    test = {"interval": "1m", "input_series": series(), "promql_expr_test": [asked]}
    path = folder / "panel.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}, width=10_000))
    command = [promtool(2), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def of_jobs(values: dict[str, float]) -> dict[tuple[tuple[str, str], ...], float]:
    """One answer for each stream of each job."""
    return {(("job", job), ("stream", stream)): of for job in ("shop", "web") for stream, of in values.items()}


def test_every_stream_has_a_state(tmp_path):
    """Streams of transports, and those without utilisation, have a line in the panel of states, with what is known."""
    assert complaints(tmp_path, query("State of each resource"), of_jobs(STATES)) == ""


def test_every_stalled_stream_is_counted(tmp_path):
    """What is stalled now is counted at each instance, paused transports included."""
    assert complaints(tmp_path, query("Stalled now"), {(): 5 * len(TARGETS)}) == ""


def test_pressure_is_that_of_a_member(tmp_path):
    """Pressure is divided by the writers of the name, never over 1; of transports it is the time over the mark."""
    pressures = {"transport": 0.8, "zero transport": 1.0, "zero": 0.2, "writer": 1.0, "one": 0.005, "well": 0.0}
    assert complaints(tmp_path, query("Pressure: time with a writer held up"), of_jobs(pressures)) == ""


@pytest.mark.parametrize("column", ["paused_seconds_total", "longest_block_seconds"])
def test_every_stream_has_a_row(column):
    """The table of places has a row for what has neither drains nor utilisation."""
    (panel,) = (panel for panel in BOARD["panels"] if panel["title"] == "Where")
    assert any(f"backpressure_stream_{column}" in target["expr"] for target in panel["targets"])
