"""What the rules cost: the CPU that a real Prometheus with made-up targets needs for each of them.

``python tests/grafana/rules/cost.py [TARGETS] [SECONDS BETWEEN SCRAPES]``: 500 targets of 100 resources (60 queues,
30 streams of which half are seen by transports, 10 limiters), with every series that a rule reads, are written as
blocks by promtool, and each rule is evaluated at their end. One resource in a hundred is in trouble, so that most
rules find nothing, as in life. What is recorded is not there: to look that up costs next to nothing.
"""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from promql_parts import selectors  # noqa: E402

from bpexporter.catalogue.metrics import METRICS  # noqa: E402
from bpexporter.resources.declaration import Metric  # noqa: E402
from grafana.source.alerts import ALERTS, Alert  # noqa: E402
from grafana.source.recording import RECORDINGS, Recording  # noqa: E402

KINDS = {"queue": 60, "stream": 30, "limiter": 10, "loop": 1, "itself": 1}
BEFORE = 35 * 60
PATIENCE = 300
RULES = (*RECORDINGS, *ALERTS)
EVERY = 15


def read_by_rules() -> list[Metric]:
    """The metrics that some rule reads."""
    rules = [made(rule)["expr"] for rule in RULES]
    names = {selector.name for rule in rules for selector, _ in selectors(rule)}
    return [metric for metric in METRICS if any(name.startswith(metric.name) for name in names if name)]


def labels_of(metric: Metric, target: int, number: int) -> Iterator[str]:
    """The label sets of a metric at one resource of one target."""
    own = f'job="job{target % 20}",instance="10.0.{target // 250}.{target % 250}:9877"'
    named = f'{own},{metric.label}="{metric.label} {number}"' if metric.label else own
    yield from (f'{named},{metric.split}="{part}"' for part in metric.parts) if metric.split else [named]


def known(metric: Metric, number: int) -> bool:
    """Whether a resource has this metric: transports have no drains."""
    drains = ("drain", "stalled", "longest")
    return not (metric.subject == "stream" and number % 2 and any(word in metric.name for word in drains))


def value(metric: Metric, number: int, seconds: int) -> float:
    """A sample: counters rise, ratios are between 0 and 1, and few are in trouble."""
    bad = number % 100 == 0
    if metric.kind != "gauge":
        return seconds * (0.9 if bad else 0.02)
    if metric.name.endswith("_ratio"):
        return 1.0 if bad else 0.1 + (seconds // EVERY * 7 + number) % 10 / 20
    return 400.0 if bad else float((seconds // EVERY + number) % 5)


def exposition(targets: int, every: int, end: int) -> Iterator[str]:
    """All samples, as OpenMetrics with timestamps."""
    times = range(end - BEFORE, end, every)
    for metric in read_by_rules():
        name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
        for number in range(KINDS[metric.subject]):
            samples = [f"{value(metric, number, at - times.start):g} {at}" for at in times]
            for target in range(targets if known(metric, number) else 0):
                for labels in labels_of(metric, target, number):
                    yield "".join(f"{name}{{{labels}}} {sample}\n" for sample in samples)
    yield "# EOF\n"


def made(rule: Recording | Alert) -> dict[str, Any]:
    """A rule as Prometheus reads it."""
    return rule.rule()


def fill(folder: Path, targets: int, every: int, end: int) -> int:
    """Writes the blocks; the number of samples."""
    path = folder / "samples.txt"
    count = 0
    with path.open("w") as file:
        for text in exposition(targets, every, end):
            file.write(text)
            count += text.count("\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(path), str(folder / "data")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    path.unlink()
    return count


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """The address of a Prometheus that has the blocks."""
    (folder / "prometheus.yml").write_text("global: {}\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{address}"
        finally:
            process.terminate()


def asked(address: str, path: str) -> bytes:
    """An answer of Prometheus, once it is ready to give one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}{path}", timeout=PATIENCE) as answer:
            return bytes(answer.read())
        time.sleep(1)
    raise TimeoutError(path)


def spent(address: str) -> float:
    """CPU seconds of Prometheus so far."""
    lines = asked(address, "/metrics").decode().splitlines()
    return float(next(line for line in lines if line.startswith("process_cpu_seconds_total")).rsplit(" ", 1)[1])


def cost(address: str, expr: str, at: int) -> float:
    """CPU seconds of one evaluation, the files being in memory; what it finds is counted and not sent."""
    query = f"/api/v1/query?{urllib.parse.urlencode({'query': f'count({expr})', 'time': at})}"
    asked(address, query)
    before = spent(address)
    asked(address, query)
    return spent(address) - before


def main(targets: int = 500, every: int = EVERY) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end = int(time.time()) // every * every
        count = fill(folder, targets, every, end)
        print(f"{targets} targets, a sample each {every} s: {count:,} samples", flush=True)
        rules = {rule["alert"] if "alert" in rule else rule["record"]: rule["expr"] for rule in map(made, RULES)}
        with prometheus(folder) as address:
            costs = {name: cost(address, expr, end - every) for name, expr in rules.items()}
        print(f"{sum(costs.values()):8.2f} s of CPU for all {len(costs)} rules, once in each evaluation interval")
        for name, seconds in sorted(costs.items(), key=lambda item: -item[1])[:12]:
            print(f"{seconds:8.2f} s  {name}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
