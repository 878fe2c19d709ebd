"""CONTRIBUTING tells the true steps: a metric and a kind are added in a scratch copy by them, and by nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FIELD = '''    tasks: int
    """Tasks of the loop that are not done."""
'''
NEW_FIELD = '''    age_seconds: float = 7.0
    """Seconds since the loop was made."""
'''
NEW_METRIC = """    _loop(
        "age_seconds", "gauge", "seconds", "age_seconds", "Seconds since the oldest loop was made.",
        "Does nothing but grow.", merge="max",
    ),
"""

BARRIER_METRICS = '''"""What is read of a barrier, and the metrics that are made of it."""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.resources.declaration import Metric, declaring


class BarrierReading(NamedTuple):
    """One barrier, or the barriers of one name, at one moment."""

    waiting_tasks: int
    """Tasks that wait now."""


_barrier = declaring("barrier", "backpressure_barrier_", label="barrier")

BARRIER_METRICS: tuple[Metric, ...] = (
    _barrier("waiting_tasks", "gauge", "tasks", "waiting_tasks", "Tasks that wait now.", "Someone does not come."),
)
'''
BARRIER_INSTRUMENT = '''"""Watches `asyncio.Barrier`."""

from bpexporter.resources.barrier.metrics import BarrierReading
from bpexporter.resources.ledger import MemberLedger
from bpexporter.resources.patching import ATTRIBUTE, held
from bpexporter.resources.protocols import Instrument


class BarrierInstrument(Instrument[MemberLedger, BarrierReading]):
    """Reads how many tasks wait."""

    kind = "barrier"

    def ledger_of(self, barrier):
        return held(barrier)

    def attach(self, barrier, *, bounds, clock):
        ledger = MemberLedger(clock=clock)
        object.__setattr__(barrier, ATTRIBUTE, ledger)
        return ledger

    def detach(self, barrier):
        object.__delattr__(barrier, ATTRIBUTE)

    def uninstall(self):
        pass

    def read(self, ledger, now):
        barrier = ledger.live_owner()
        return BarrierReading(0 if barrier is None else barrier.n_waiting)

    def close(self, ledger, now):
        return BarrierReading(0)

    def peak(self, ledger, now):
        return None

    def restart(self, ledger, now):
        pass

    def stalled_seconds(self, ledger, now):
        return 0.0
'''


@pytest.fixture
def scratch(tmp_path):
    """A copy of the package, free to be changed."""
    for folder in ("bpexporter", "grafana/source"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(file: Path, before: str, after: str) -> None:
    """Replace `before`, which is there once."""
    source = file.read_text()
    assert source.count(before) == 1, f"{file.name} holds {before!r} {source.count(before)} times"
    file.write_text(source.replace(before, after))


def run(folder: Path, program: str) -> str:
    """What a program prints that has the package of `folder`."""
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_metric_is_a_declaration_and_a_field(scratch):
    """With these two it is in the exposition, the collector, the merging and the table of the docs."""
    metrics = scratch / "bpexporter" / "resources" / "loop" / "metrics.py"
    edit(metrics, FIELD, FIELD + NEW_FIELD)
    edit(metrics, "LOOP_METRICS: tuple[Metric, ...] = (\n", f"LOOP_METRICS: tuple[Metric, ...] = (\n{NEW_METRIC}")
    printed = run(
        scratch,
        "import asyncio, bpexporter\n"
        "from bpexporter.export.text import render\n"
        "from bpexporter.commands.main import markdown_table\n"
        "async def main():\n"
        "    bpexporter.watch(asyncio.get_running_loop(), 'app')\n"
        "    print(render(bpexporter.default_hub).decode())\n"
        "    print([one.name for one in bpexporter.Collector().collect() if one.samples])\n"
        "asyncio.run(main())\n"
        "print(markdown_table())\n",
    )
    assert 'backpressure_loop_age_seconds{loop="app"} 7.0' in printed
    assert "'backpressure_loop_age_seconds'" in printed
    assert "| `backpressure_loop_age_seconds` | gauge | `loop` |" in printed


def test_a_kind_is_a_folder_and_two_lines(scratch):
    """A new kind is watched, read, merged and shown by its folder, its line in KINDS and its line in the catalogue."""
    package = scratch / "bpexporter"
    folder = package / "resources" / "barrier"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Barriers.\n\nMay touch: what the kinds have in common.\n"""\n')
    (folder / "metrics.py").write_text(BARRIER_METRICS)
    (folder / "instrument.py").write_text(BARRIER_INSTRUMENT)
    kinds = package / "resources" / "kinds.py"
    line = '    "barrier": Kind((asyncio.Barrier,), "bpexporter.resources.barrier.instrument", "BarrierInstrument"),\n'
    edit(kinds, "KINDS: dict[str, Kind] = {\n", f"KINDS: dict[str, Kind] = {{\n{line}")
    catalogue = package / "catalogue" / "metrics.py"
    edit(catalogue, '    "queue": (', '    "barrier": (BarrierReading, BARRIER_METRICS),\n    "queue": (')
    edit(
        catalogue,
        "from bpexporter.resources.declaration import Metric\n",
        "from bpexporter.resources.barrier.metrics import BARRIER_METRICS, BarrierReading\n"
        "from bpexporter.resources.declaration import Metric\n",
    )
    printed = run(
        scratch,
        "import asyncio, bpexporter\n"
        "from bpexporter.export.text import render\n"
        "async def main():\n"
        "    barrier = bpexporter.watch(asyncio.Barrier(2), 'start')\n"
        "    task = asyncio.create_task(barrier.wait())\n"
        "    await asyncio.sleep(0)\n"
        "    print(render(bpexporter.default_hub).decode())\n"
        "    await barrier.wait()\n"
        "asyncio.run(main())\n",
    )
    assert 'backpressure_barrier_waiting_tasks{barrier="start"} 1.0' in printed
    assert 'bpexporter_watched_objects{kind="barrier"} 1.0' in printed
