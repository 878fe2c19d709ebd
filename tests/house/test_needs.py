"""A test that cannot run must say so, and must not hide in CI."""

import subprocess
import sys
from pathlib import Path

import pytest
from needs import needs


def test_returns_the_path(monkeypatch):
    """What is installed is found on PATH."""
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    assert needs("sh").endswith("/sh")


def test_skips_without_the_program(monkeypatch):
    """Outside CI a missing program skips the test and names the package to install."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match="amtool is not installed: apt-get install prom"):
        needs("amtool")


def test_fails_without_the_program_in_ci(monkeypatch):
    """In CI a missing program is a failure: a skipped proof is none."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        needs("no-such-program")


def test_ci_really_fails(tmp_path, monkeypatch):
    """A whole pytest run under CI=true ends with a failure where a program is missing."""
    (tmp_path / "test_it.py").write_text("from needs import needs\ndef test_it():\n    needs('no-such-program')\n")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert "1 failed" in done.stdout
