"""The script that runs a checkout on Pythons which this machine has not got."""

import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "support" / "newer_pythons"


@pytest.fixture
def script() -> ModuleType:
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("newer_pythons", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("newer_pythons", loader))
    loader.exec_module(module)
    return module


def test_says_what_is_missing(tmp_path):
    """Without a program that it needs it names the package, makes nothing, and ends with 69."""
    command = [sys.executable, str(SCRIPT), "--folder", str(tmp_path / "debian"), "3.15"]
    env = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert done.stderr == "newer_pythons: debootstrap is not installed: apt-get install debootstrap\n"
    assert list(tmp_path.iterdir()) == []


def test_needs_root(script, monkeypatch, capsys):
    """Somebody who may not mount is told so."""
    monkeypatch.setattr(script.shutil, "which", lambda program: program)
    monkeypatch.setattr(script.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="69"):
        script.check()
    assert "needs root" in capsys.readouterr().err


def test_a_step_that_fails_is_told(script, capsys):
    """Where a step of the setting up fails the end of what it said is shown."""
    with pytest.raises(SystemExit, match="69"):
        script.run("a step", ["sh", "-c", "echo why; exit 3"])
    assert capsys.readouterr().err == "newer_pythons: a step\nnewer_pythons: a step: failed\nwhy\n"


def test_a_step_that_hangs_is_ended(script, monkeypatch, capsys):
    """A network that never answers holds nobody up for ever; what the step has started ends with it."""
    monkeypatch.setattr(script, "BEGUN", script.BEGUN - script.PATIENCE)
    with pytest.raises(SystemExit, match="69"):
        script.run("a step", ["sh", "-c", "sleep 60 & wait"])
    assert "a step: not done after 300 seconds" in capsys.readouterr().err


def test_pips_folders_are_shared(script, monkeypatch, tmp_path):
    """Inside, pip finds what its settings name: files and folders, and what lies beside a folder with an address."""
    for name in ("a-folder", "addressed/folder", "addressed/beside"):
        (tmp_path / name).mkdir(parents=True)
    settings = {"by-path": f"{tmp_path}/a-folder /nowhere", "by-address": f"file://{tmp_path}/addressed/folder"}
    monkeypatch.setattr(script, "pip_settings", lambda: settings)
    assert script.pip_paths() == [tmp_path / "a-folder", tmp_path / "addressed"]
    told = script.environment()
    assert (told["PIP_BY_PATH"], told["PIP_BY_ADDRESS"]) == tuple(settings.values())


def test_what_is_mounted_has_a_place(script, monkeypatch, tmp_path):
    """A folder is mounted on a folder, a file on a file, at paths with spaces too."""
    (tmp_path / "a file").touch()
    lines = [*script.mounting(tmp_path / "a file", Path("/in side/file")), *script.mounting(tmp_path, Path("/there"))]
    assert lines == [
        "mkdir -p '/in side'",
        "touch '/in side/file'",
        f"mount --rbind '{tmp_path}/a file' '/in side/file'",
        "mkdir -p /there",
        f"mount --rbind {tmp_path} /there",
    ]
    assert list(script.mounting(tmp_path / "none", Path("/there"))) == []


def test_ci_runs_the_newest_that_is_known(script):
    """CI takes the newest Python of the script's, which is the newest that the project says it supports."""
    newest = script.VERSIONS[-1]
    assert re.search(r"^newest=(.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)[1] == newest
    classifiers = re.findall(r'Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert classifiers[-1] == newest
