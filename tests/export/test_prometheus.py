"""A real Prometheus scrapes the demo and answers for every metric of the catalogue."""

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import needs

from bpexporter.catalogue.metrics import METRICS, metrics_of
from bpexporter.resources.declaration import Metric

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: demo
    static_configs: [{{targets: ["{target}"]}}]
"""


def get(url: str) -> bytes:
    """The body at `url`."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """The URL of a running demo's metrics."""
    command = [sys.executable, "-u", "-m", "bpexporter", "demo", "--port", "0", "--seconds", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield next(line.split()[1] for line in process.stdout if line.strip().startswith("metrics"))
        process.stdout.close()
        process.kill()


@pytest.fixture(scope="module")
def prometheus(demo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that scrapes the demo."""
    needs("prometheus")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(CONFIG.format(target=urllib.parse.urlsplit(demo).netloc))
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command = ["prometheus", *flags, f"--web.listen-address={address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield f"http://{address}"
        process.terminate()


def ask(prometheus: str, query: str, *, seconds: float = 30) -> list[dict]:
    """The answer to `query`, as soon as there is one."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            result = json.loads(get(url))["data"]["result"]
        except OSError:
            result = []
        known = [sample for sample in result if sample["value"][1] != "NaN"]
        if known:
            return known
        time.sleep(0.2)
    return []


QUERIES = {
    "gauge": ("{name}",),
    "counter": ("rate({name}[10s])",),
    "histogram": (
        "histogram_quantile(0.9, sum by (le) (rate({name}_bucket[10s])))",
        "rate({name}_sum[10s])",
        "rate({name}_count[10s])",
    ),
}


def test_target_is_up(prometheus):
    """The scrape succeeds."""
    assert ask(prometheus, "up == 1")


# What only a sidecar shows; the demo is one process that shows itself.
SIDECARS = {"processes", "process_age_seconds", "files_left_out", "histograms_left_out", "worst_pressure_ratio"}
SHOWN = [metric for metric in METRICS if metric.field not in SIDECARS]


@pytest.mark.parametrize("metric", SHOWN, ids=lambda metric: metric.name)
def test_every_metric_has_data(prometheus, metric: Metric):
    """Each metric of the catalogue answers the queries that its kind is made for."""
    empty = [query for query in QUERIES[metric.kind] if not ask(prometheus, query.format(name=metric.name))]
    assert empty == []


def test_nothing_went_wrong(prometheus):
    """Prometheus has no error to tell of its target, and no scrape has failed or lost a sample."""
    assert ask(prometheus, "min_over_time(up[1m]) == 1")
    assert ask(
        prometheus, "scrape_samples_scraped > 0 and scrape_samples_scraped == scrape_samples_post_metric_relabeling"
    )
    targets = json.loads(get(f"{prometheus}/api/v1/targets"))["data"]["activeTargets"]
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]


MOVING = [metric for metric in metrics_of("queue") if metric.kind != "gauge"]


@pytest.mark.parametrize("metric", MOVING, ids=lambda metric: metric.name)
def test_every_count_grows(prometheus, metric: Metric):
    """Each counter and histogram of queues grows while the demo runs: what Prometheus stores is no row of zeros."""
    name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
    assert ask(prometheus, f"max(increase({name}[1m])) > 0")


@pytest.mark.parametrize("reason", ["full", "cancelled"])
def test_refusals_show(prometheus, reason):
    """Prometheus sees puts refused because a queue is full, and puts given up."""
    assert ask(prometheus, f'sum(backpressure_queue_refused_puts_total{{reason="{reason}"}}) > 0')


def test_stall_shows(prometheus):
    """Prometheus sees producers blocked at the queue before the slow stage, while they are."""
    assert ask(prometheus, 'backpressure_queue_blocked_producers{queue="parsed"} > 0')
    assert ask(prometheus, 'rate(backpressure_queue_stalled_seconds_total{queue="parsed"}[10s]) > 0.2')


def test_promtool_is_silent(demo):
    """`promtool check metrics` has nothing to say about the live page."""
    needs("promtool")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=get(demo), capture_output=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
