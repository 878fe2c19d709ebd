"""`bpexporter assets`: what it writes, out of a wheel too, and what it refuses."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from bpexporter.commands import assets
from bpexporter.commands import main as cli

ROOT = Path(__file__).parents[2]
HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_written(tmp_path, capsys):
    """Dashboards, rules, configuration, Kubernetes and compose files are written as they are here."""
    folder = tmp_path / "new" / "stack"
    assert cli.main(["assets", str(folder)]) == 0
    written = files_in(folder)
    assert written["docker-compose.yml"] == (ROOT / "docker-compose.yml").read_bytes()
    for name in ("dashboards", "rules", "provisioning", "kubernetes"):
        here = files_in(ROOT / "grafana" / name)
        assert here
        assert {path: written[f"grafana/{name}/{path}"] for path in here} == here
    assert str(len(written)) in capsys.readouterr().out


def test_what_makes_them_stays_here(tmp_path):
    """What only those who work on bpexporter need is not written, and neither are leftovers."""
    written = assets.write(tmp_path)
    tops = {"/".join(name.split("/")[:2]) for name in written if name.startswith("grafana/")}
    assert tops == {name for name in assets.NAMES if name.startswith("grafana/")}
    assert [name for name in written if "__pycache__" in name or name.endswith((".pyc", ".mjs"))] == []


def test_the_demo_can_be_built_there(tmp_path):
    """The compose file's image copies the package, which is written too and runs from there."""
    assets.write(tmp_path)
    command = [sys.executable, "-m", "bpexporter", "--version"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("bpexporter ")


def test_twice_is_fine(tmp_path):
    """Files that are there already and the same are no obstacle."""
    assert assets.write(tmp_path) == assets.write(tmp_path)


def test_changed_files_are_kept(tmp_path, capsys):
    """A file that differs is told of in one line, and nothing is written, unless --force is given."""
    (tmp_path / "docker-compose.yml").write_text("mine")
    assert cli.main(["assets", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "docker-compose.yml" in told
    assert "--force" in told
    assert files_in(tmp_path) == {"docker-compose.yml": b"mine"}
    assert cli.main(["assets", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "docker-compose.yml").read_text() != "mine"


def test_a_file_is_no_folder(tmp_path, capsys):
    """A place that is a file is refused in one line."""
    (tmp_path / "file").write_text("")
    assert cli.main(["assets", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"bpexporter: {tmp_path / 'file'} is not a directory\n"


def test_missing_assets_are_told(tmp_path, monkeypatch):
    """An installation without the files says so."""
    monkeypatch.setattr(assets, "SHIPPED", tmp_path)
    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "bpexporter")
    with pytest.raises(FileNotFoundError, match="has no assets"):
        assets.home()


def test_wheel_and_command_agree():
    """The wheel ships the names that the command writes, no more and no fewer."""
    included = HATCH["wheel"]["force-include"]
    at_the_top = {f"startup/{path.name}": path.name for path in (ROOT / "startup").iterdir() if path.is_file()}
    assert included == {name: f"bpexporter/_assets/{name}" for name in assets.NAMES} | at_the_top
    assert {"/startup", "/grafana", "/docker-compose.yml"} <= set(HATCH["sdist"]["include"])


@pytest.mark.packaging
def test_out_of_a_wheel(tmp_path):
    """A wheel, unpacked and alone, writes what the checkout writes."""
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, timeout=110, capture_output=True)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    env = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "bpexporter", "assets", str(tmp_path / "out")]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=60, capture_output=True)
    assert files_in(tmp_path / "out") == assets.assets()
