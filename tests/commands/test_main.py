"""The command line, as somebody types it."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from bpexporter import __version__
from bpexporter.catalogue.metrics import METRICS
from bpexporter.commands import main as cli


def call(*words: str, timeout: float = 60) -> subprocess.CompletedProcess:
    """`python -m bpexporter` with these words."""
    command = [sys.executable, "-m", "bpexporter", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def test_metrics_lists_the_catalogue(capsys):
    """`metrics` names every metric of the catalogue."""
    assert cli.main(["metrics"]) == 0
    printed = capsys.readouterr().out
    assert all(metric.name in printed for metric in METRICS)


def test_metrics_as_markdown(capsys):
    """`metrics --markdown` is a table with a row for each metric."""
    assert cli.main(["metrics", "--markdown"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + len(METRICS)
    assert all(row.startswith("| ") and row.endswith(" |") for row in rows)


def test_version(capsys):
    """`--version` prints the version of the package."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"bpexporter {__version__}\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("demo --port 70000", "--port: must be from 0 to 65535, not 70000"),
        ("demo --port http", "--port: invalid port value: 'http'"),
        ("demo --seconds -1", "--seconds: must be above 0, not -1"),
        ("demo --seconds nan", "--seconds: must be above 0, not nan"),
        ("demo --cycle 0", "--cycle: must be above 0, not 0"),
        ("assets", "the following arguments are required: DIR"),
        ("demo --fast", "unrecognized arguments: --fast"),
        ("metrics --markdown extra", "unrecognized arguments: extra"),
        ("nothing", "invalid choice: 'nothing'"),
        ("", "required: COMMAND"),
    ],
)
def test_bad_words_exit_2(words, told, capsys):
    """Words that make no sense are refused with exit code 2, and the message names them."""
    with pytest.raises(SystemExit) as refused:
        cli.main(words.split())
    assert refused.value.code == 2
    assert told in capsys.readouterr().err


def test_gone_reader_is_quiet():
    """A reader that goes away, as `| head -1` does, gets no traceback."""
    script = f"{sys.executable} -m bpexporter demo --port 0 --seconds 3 | head -1"
    done = subprocess.run(script, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("bpexporter demo")
    assert done.stderr == ""


def test_port_in_use_is_one_line():
    """A port in use is one line on stderr and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = call("demo", "--port", str(taken.getsockname()[1]), "--seconds", "1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("bpexporter: ")


def test_demo_ends_by_itself():
    """`demo --seconds` shows progress, sums up and exits with 0."""
    done = call("demo", "--port", "0", "--seconds", "1.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bpexporter demo ended" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_cleanly_by_signal(number):
    """Ctrl-C and SIGTERM end the demo with a summary, no traceback, and exit code 0."""
    command = [sys.executable, "-u", "-m", "bpexporter", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        url = next(line.split()[1] for line in demo.stdout if line.strip().startswith("metrics"))
        assert b"backpressure_queue_puts_total" in urllib.request.urlopen(url, timeout=10).read()
        while "items" not in (line := demo.stdout.readline()) and "fetched" not in line:
            pass
        demo.send_signal(number)
        out, err = demo.communicate(timeout=20)
    assert (demo.returncode, err) == (0, "")
    assert "bpexporter demo ended" in out
