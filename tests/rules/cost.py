"""What the rules cost: a real Prometheus with made-up targets says how long each group and each rule takes.

``python tests/rules/cost.py [TARGETS] [SECONDS BETWEEN SCRAPES]``: 500 targets of 100 resources (60 queues, 30 streams
of which half are seen by transports, 10 limiters), with every series that a rule reads, are written as blocks by
promtool. One in a hundred is in trouble, so that most rules find nothing, as in life. The first figure is CPU, those
below it are wall time of the last round.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from promql_parts import selectors  # noqa: E402
from querying import get  # noqa: E402

from bpexporter.catalogue.metrics import METRICS  # noqa: E402
from bpexporter.resources.declaration import Metric  # noqa: E402
from grafana.source.alerts import ALERTS  # noqa: E402
from grafana.source.recording import RECORDINGS  # noqa: E402

KINDS = {"queue": 60, "stream": 30, "limiter": 10, "loop": 1, "itself": 1}
BEFORE = 35 * 60
# For a start, and for a round of all groups.
PATIENCE = 600
EVERY = 15


def read_by_rules() -> list[Metric]:
    """The metrics that some rule reads."""
    rules = [each.rule()["expr"] for each in (*RECORDINGS, *ALERTS)]
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


def fill(folder: Path, targets: int, every: int) -> int:
    """Writes the blocks; the number of samples."""
    path = folder / "samples.txt"
    count = 0
    with path.open("w") as file:
        for text in exposition(targets, every, int(time.time()) // every * every):
            file.write(text)
            count += text.count("\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(path), str(folder / "data")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    path.unlink()
    return count


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """The address of a Prometheus that has the blocks and evaluates the rules that ship."""
    rules = [str(path) for path in sorted((ROOT / "grafana" / "rules").glob("*.yml"))]
    settings = {"global": {"evaluation_interval": "60s"}, "rule_files": rules}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
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
        with contextlib.suppress(OSError):
            return get(f"{address}{path}")
        time.sleep(1)
    raise TimeoutError(path)


def spent(address: str) -> tuple[float, float]:
    """CPU seconds of Prometheus, and rounds of all its groups, so far."""
    figures = dict(line.rsplit(" ", 1) for line in asked(address, "/metrics").decode().splitlines() if line[0] != "#")
    rounds = [float(of) for name, of in figures.items() if name.startswith("prometheus_rule_group_iterations_total")]
    return float(figures["process_cpu_seconds_total"]), min(rounds, default=0.0)


def after(address: str, rounds: float) -> tuple[float, float]:
    """CPU seconds and rounds, once so many rounds are done."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = spent(address)
        if found[1] >= rounds:
            return found
        time.sleep(1)
    raise TimeoutError("the rules were not evaluated in time")


def main(targets: int = 500, every: int = EVERY) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{targets} targets, a sample each {every} s: {fill(folder, targets, every):,} samples", flush=True)
        with prometheus(folder) as address:
            before, first = after(address, 1)
            later, last = after(address, first + 2)
            found = json.loads(asked(address, "/api/v1/rules"))["data"]["groups"]
        print(f"{(later - before) / (last - first):8.2f} s of CPU for all rules, once in each evaluation interval")
        for group in found:
            print(f"{group['evaluationTime']:8.2f} s  {group['name']}, {len(group['rules'])} rules")
        rules = [rule for group in found for rule in group["rules"]]
        for rule in sorted(rules, key=lambda rule: -rule["evaluationTime"])[:8]:
            print(f"{rule['evaluationTime']:12.2f} s  {rule['name']} {rule.get('lastError', '')}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
