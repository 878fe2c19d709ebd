"""Files that ship beside the code: dashboards, rules, configuration, and a stack to try them in.

In a wheel they lie in ``_assets``; in a checkout, or an editable install of one, where they are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SHIPPED = PACKAGE / "_assets"
# Files that belong to the people who use bpexporter, and not to those who work on it.
NAMES = (
    "docker-compose.yml",
    "grafana/README.md",
    "grafana/RUNBOOK.md",
    "grafana/alertmanager.yml",
    "grafana/prometheus.yml",
    "grafana/dashboards",
    "grafana/kubernetes",
    "grafana/provisioning",
    "grafana/rules",
)


def home() -> Path:
    """Returns the folder of the files; raises ``FileNotFoundError`` where this installation has none."""
    for folder in (SHIPPED, PACKAGE.parent):
        if all((folder / name).exists() for name in NAMES):
            return folder
    raise FileNotFoundError(f"this installation has no assets: neither {SHIPPED} nor {PACKAGE.parent} holds them")


def below(path: Path) -> Iterator[Path]:
    """The files at `path`: itself, or all that a folder holds."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return (file for file in found if file.is_file())


def assets() -> dict[str, bytes]:
    """Every file by its path. The compose file builds the demo from the package, so that is among them."""
    folder = home()
    shipped = {file.relative_to(folder).as_posix(): file for name in NAMES for file in below(folder / name)}
    code = {file for file in PACKAGE.rglob("*") if file.suffix == ".py" or file.name == "py.typed"}
    own = {f"bpexporter/{file.relative_to(PACKAGE).as_posix()}": file for file in sorted(code)}
    return {name: file.read_bytes() for name, file in {**shipped, **own}.items()}


def differing(folder: Path, files: dict[str, bytes]) -> list[str]:
    """The files that are in `folder` already, with another content."""
    there = (name for name in files if (folder / name).exists())
    return [name for name in there if not (folder / name).is_file() or (folder / name).read_bytes() != files[name]]


def write(folder: Path, *, overwrite: bool = False) -> list[str]:
    """Write all assets into `folder`, which is made where it is missing; their paths.

    Raises ``NotADirectoryError`` where `folder` is something else, and ``FileExistsError`` where files are there
    already that differ, unless `overwrite`; nothing has been written then.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a directory")
    files = assets()
    if not overwrite and (known := differing(folder, files)):
        raise FileExistsError(
            f"{folder} holds {known[0]} and differs from ours there ({len(known)} in all); see --force"
        )
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return list(files)
