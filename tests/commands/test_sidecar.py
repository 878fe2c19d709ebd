"""`bpexporter sidecar`: what it serves, in which words it is called, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from processes import Process
from prometheus_client import parser

ROOT = Path(__file__).parents[2]
SAID = re.compile(r"bpexporter: the metrics of the processes in .* are at (http\S+)\n")


def command(*words: str) -> list[str]:
    """The words of the sidecar."""
    return [sys.executable, "-m", "bpexporter", "sidecar", *words]


@contextmanager
def sidecar(folder: Path, *words: str, **environment: str) -> Iterator[tuple[Any, str]]:
    """A sidecar that runs, and its address."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_RAISE": "1", **environment}
    words = ("--dir", str(folder), "--port", "0", *words)
    with subprocess.Popen(command(*words), env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, SAID.fullmatch(process.stderr.readline())[1]
        finally:
            process.kill()


def page(url: str, path: str = "metrics") -> str:
    """The page at a path."""
    return urllib.request.urlopen(url.replace("metrics", path), timeout=10).read().decode()


def samples(text: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of one name, by their labels; the page must be one that a scraper can read."""
    families = parser.text_string_to_metric_families(text)
    found = (sample for family in families for sample in family.samples if sample.name == name)
    return {tuple(sorted(sample.labels.items())): sample.value for sample in found}


def test_it_serves_all_processes_as_one(tmp_path):
    """Metrics, page, state and health are those of an exporter, of all that publish in the folder."""
    with sidecar(tmp_path) as (_process, url):
        assert samples(page(url), "bpexporter_processes") == {
            (("state", "alive"),): 0.0, (("state", "ended"),): 0.0, (("state", "killed"),): 0.0,
        }  # fmt: skip
        first, second = Process(tmp_path).work(3), Process(tmp_path).work(4)
        text = page(url)
        assert samples(text, "backpressure_queue_puts_total") == {(("queue", "jobs"),): 7.0}
        assert samples(text, "bpexporter_processes")[(("state", "alive"),)] == 2.0
        assert 0 <= samples(text, "bpexporter_process_age_seconds")[()] < 60
        state = json.loads(page(url, "api/state"))
        assert [one["name"] for one in state["resources"]] == ["jobs"]
        assert [one["state"] for one in state["processes"]] == ["alive", "alive"]
        assert (page(url, "healthz"), "<html" in page(url, "")) == ("ok\n", True)
    first.kill()
    second.kill()


def test_a_series_for_each_process(tmp_path):
    """With --per-process each living process has the label `process`; what is said of the folder has none."""
    with sidecar(tmp_path, "--per-process") as (_process, url):
        first, second, gone = Process(tmp_path).work(3), Process(tmp_path).work(4), Process(tmp_path).work(5)
        gone.end()
        text = page(url)
        found = samples(text, "backpressure_queue_puts_total")
        assert sorted(found.values()) == [3.0, 4.0]
        labels = {f"{os.getpid()}-{one.publisher._file.id[:4]}" for one in (first, second)}
        assert {dict(key)["process"] for key in found} == labels
        assert samples(text, "bpexporter_processes")[(("state", "alive"),)] == 2.0
        assert {dict(key).get("process") for key in samples(text, "bpexporter_watched_objects")} == labels
    first.kill()
    second.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(tmp_path, number):
    """SIGTERM and Ctrl-C end it with exit code 0, and nothing of it is left in the folder but the lock's file."""
    with sidecar(tmp_path) as (process, _url):
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "p"]


def test_it_is_no_process_of_its_own(tmp_path):
    """With BPEXPORTER_DIR in its environment it serves that folder, and publishes nothing itself."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_DIR": str(tmp_path), "BPEXPORTER_PORT": "0"}
    with subprocess.Popen(command(), env=env, stderr=subprocess.PIPE, text=True) as process:
        url = SAID.fullmatch(process.stderr.readline())[1]
        for _ in range(2):
            assert samples(page(url), "bpexporter_processes")[(("state", "alive"),)] == 0.0
        process.kill()


def test_a_folder_is_needed():
    """Without one it ends with exit code 2 and its usage."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("BPEXPORTER_DIR", None)
    done = subprocess.run(command(), env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "usage: bpexporter sidecar" in done.stderr
    assert "--dir" in done.stderr


def test_a_port_in_use_or_a_folder_that_is_none(tmp_path):
    """What cannot be is one line and exit code 1."""
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words in (["--dir", str(tmp_path), "--port", port], ["--dir", str(tmp_path / "file"), "--port", "0"]):
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command(*words), env=env, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_killed_and_started_again_it_says_the_same(tmp_path):
    """Nothing is in its memory that the next one does not know."""
    Process(tmp_path).work(3).end()
    alive = Process(tmp_path).work(4)
    for _ in range(3):
        with sidecar(tmp_path) as (process, url):
            assert samples(page(url), "backpressure_queue_puts_total") == {(("queue", "jobs"),): 7.0}
            process.kill()
    alive.kill()
