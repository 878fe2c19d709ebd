"""A demo, a Prometheus, an Alertmanager and a webhook, with the files that ship, sixty times as fast."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from needs import needs

GRAFANA = Path(__file__).parents[2] / "grafana"
FASTER = 60
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TICK = "500ms"


class Stack(NamedTuple):
    """What runs: since when, the address of Prometheus, and what the webhook has been told so far."""

    began: float
    prometheus: str
    told: list[dict[str, Any]]


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def sooner(duration: str) -> str:
    """A duration of Prometheus, divided."""
    number, unit = re.fullmatch(r"(\d+)([smhd])", duration).groups()
    return f"{max(1, int(number) * UNITS[unit] // FASTER)}s"


def quick(query: str) -> str:
    """A query with every window, step and offset shorter."""
    query = re.sub(r"(?<=[\[:])\d+[smhd](?=[\]:])", lambda found: sooner(found[0]), query)
    return re.sub(r"(?<=offset )\d+[smhd]", lambda found: sooner(found[0]), query)


def quickened(rules: dict) -> dict:
    """Rules with every window, offset and `for` shorter; thresholds as they are."""
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["expr"] = quick(rule["expr"])
        if "for" in rule:
            rule["for"] = sooner(rule["for"])
    return rules


def write_rules(folder: Path) -> None:
    """The rules that ship, quickened."""
    (folder / "rules").mkdir()
    for path in (GRAFANA / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(yaml.safe_dump(quickened(yaml.safe_load(path.read_text()))))


def write_prometheus(folder: Path, target: str, alertmanager: str) -> None:
    """The configuration that ships, with our addresses and intervals."""
    config = yaml.safe_load((GRAFANA / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": TICK, "scrape_timeout": TICK, "evaluation_interval": TICK}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


def write_alertmanager(folder: Path, webhook: str) -> None:
    """The configuration that ships, with a webhook for every receiver, and hardly any waiting."""
    config = yaml.safe_load((GRAFANA / "alertmanager.yml").read_text())
    del config["inhibit_rules"]  # or it would be a matter of luck which of two alerts is told
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    for route in (config["route"], *config["route"]["routes"]):
        route.update(group_wait="0s", group_interval="1s")
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))


@contextlib.contextmanager
def listening(told: list[dict[str, Any]]) -> Iterator[str]:
    """The URL of a webhook that keeps the alerts it is told of."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend({**alert, "receiver": body["receiver"]} for alert in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def running(*command: str) -> Iterator[None]:
    """A program that runs for so long."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Everything, in `folder`."""
    needs("prometheus")
    needs("prometheus-alertmanager")
    demo, prometheus, alertmanager = (f"127.0.0.1:{free_port()}" for _ in range(3))
    told: list[dict[str, Any]] = []
    with contextlib.ExitStack() as parts:
        write_alertmanager(folder, parts.enter_context(listening(told)))
        write_prometheus(folder, demo, alertmanager)
        write_rules(folder)
        port = demo.rpartition(":")[2]
        parts.enter_context(running(sys.executable, "-m", "bpexporter", "demo", "--port", port, "--cycle", "30"))
        parts.enter_context(
            running(
                "prometheus-alertmanager",
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address={alertmanager}",
                "--cluster.listen-address=",
            )
        )
        parts.enter_context(
            running(
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/prometheus",
                f"--web.listen-address={prometheus}",
            )
        )
        yield Stack(time.monotonic(), f"http://{prometheus}", told)
