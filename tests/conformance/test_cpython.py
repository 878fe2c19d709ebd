"""CPython's own tests of asyncio, with everything watched: the outcomes are those of a run without."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from needs import missing

pytestmark = pytest.mark.conformance

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = [f"test.test_asyncio.test_{name}" for name in ("queues", "locks", "streams")]
# What the tests of a module must have led to, else nobody was looking.
COUNTED = [
    ("test_queues", "backpressure_queue_puts_total", "no put was counted"),
    ("test_locks", "backpressure_limiter_blocked_acquires_total", "no acquire was counted"),
    ("test_streams", "backpressure_stream_written_bytes_total", "no byte was counted"),
]
OTHERS = [version for version in ("3.12", "3.13", "3.14", "3.15") if version != f"3.{sys.version_info.minor}"]
PROBE = "import sys, test.test_asyncio.test_queues; print(f'3.{sys.version_info.minor}')"


def outcomes(python: str, bootstrap: str, out: Path, modules: list[str] = MODULES, *, timeout: float = 100) -> dict:
    """The report of outcomes.py, run by another interpreter which has the standard library alone."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_RAISE": "1"}
    command = [python, str(HERE / "outcomes.py"), str(out), bootstrap, *modules]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def differences(bare: dict, watched: dict) -> list[str]:
    """One line for each test that came out differently, and for what was not counted."""
    before, after = bare["outcomes"], watched["outcomes"]
    lines = [
        f"{test}: {before.get(test)} -> {after.get(test)}\n{watched['details'].get(test, '')}"
        for test in sorted(before.keys() | after.keys())
        if before.get(test) != after.get(test)
    ]
    if not before:
        lines.append("no test ran")
    for module, metric, told in COUNTED:
        if any(f".{module}." in test for test in before) and not watched["counted"].get(metric):
            lines.append(told)
    if watched["counted"].get("bpexporter_collect_errors_total"):
        lines.append("errors of ours were counted")
    return lines


@functools.cache
def probe(python: str) -> str:
    """The version of an interpreter that has CPython's tests; empty where it has not, or does not start."""
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def interpreter(version: str) -> str | None:
    """An interpreter of this version: pyenv's, or one on PATH."""
    versions = Path.home() / ".pyenv" / "versions"
    found = [str(path) for path in sorted(versions.glob(f"{version}*/bin/python"))]
    on_path = shutil.which(f"python{version}")
    candidates = found + ([on_path] if on_path else [])
    return next((python for python in candidates if probe(python) == version), None)


def test_same_outcomes_here(tmp_path):
    """On the interpreter that runs this test, CPython's tests of queues, locks and streams come out the same."""
    if not probe(sys.executable):
        missing("this Python came without CPython's tests: apt-get install libpython3.x-testsuite")
    bare = outcomes(sys.executable, "bare", tmp_path / "bare")
    watched = outcomes(sys.executable, "watched", tmp_path / "watched")
    assert differences(bare, watched) == []


def whole() -> list[str]:
    """All modules of CPython's tests of asyncio."""
    import test.test_asyncio

    folder = Path(test.test_asyncio.__file__).parent
    return [f"test.test_asyncio.{path.stem}" for path in sorted(folder.glob("test_*.py"))]


@pytest.mark.parametrize("bootstrap", ["installed", "adapted"])
def test_same_outcomes_under_install(bootstrap, tmp_path):
    """With everything watched that is made, under names found by themselves, with or without adapters, so they do."""
    if not probe(sys.executable):
        missing("this Python came without CPython's tests: apt-get install libpython3.x-testsuite")
    bare = outcomes(sys.executable, "bare", tmp_path / "bare")
    installed = outcomes(sys.executable, bootstrap, tmp_path / bootstrap)
    assert differences(bare, installed) == []


@pytest.mark.libraries
@pytest.mark.timeout(1800)
def test_same_outcomes_of_the_whole_under_install(tmp_path):
    """So does the whole of `test.test_asyncio`, with all adapters; what differs once is run once more by modules."""
    if not probe(sys.executable):
        missing("this Python came without CPython's tests: apt-get install libpython3.x-testsuite")
    legs = ("bare", "adapted")
    bare, installed = (outcomes(sys.executable, leg, tmp_path / leg, whole(), timeout=800) for leg in legs)
    different = {test for test in bare["outcomes"] if bare["outcomes"][test] != installed["outcomes"].get(test)}
    assert len(bare["outcomes"]) > 2_000
    assert installed["counted"]["bpexporter_collect_errors_total"] == 0
    modules = sorted({module for module in whole() for test in different if test.startswith(f"{module}.")})
    if different:
        bare, installed = (outcomes(sys.executable, leg, tmp_path / leg, modules, timeout=800) for leg in legs)
        assert differences(bare, installed) == []


@pytest.mark.parametrize("version", OTHERS)
def test_same_outcomes_elsewhere(version, tmp_path):
    """On other Pythons that are installed, with the standard library alone, they come out the same too."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} with CPython's tests under ~/.pyenv or on PATH")
    bare = outcomes(python, "bare", tmp_path / "bare")
    watched = outcomes(python, "watched", tmp_path / "watched")
    assert differences(bare, watched) == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("swallows_queue_full", "test_nonblocking_put_exception: ok -> failure"),
        ("answers_none_when_empty", "test_nonblocking_get_exception: ok -> failure"),
        ("blind", "no put was counted"),
        ("bare", "no put was counted"),
    ],
)
def test_a_broken_instrument_is_found(fault, told, tmp_path):
    """The comparison is no formality: an instrument that changes behaviour, or counts nothing, is told."""
    if not probe(sys.executable):
        missing("this Python came without CPython's tests: apt-get install libpython3.x-testsuite")
    bare = outcomes(sys.executable, "bare", tmp_path / "bare", MODULES[:1])
    broken = outcomes(sys.executable, fault, tmp_path / "broken", MODULES[:1])
    assert told in "\n".join(differences(bare, broken))
