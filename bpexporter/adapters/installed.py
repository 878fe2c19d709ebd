"""Distributions that are installed: versions, and declared adapters, by the names of folders and files.

`importlib.metadata` says the same, and takes longer to load than all of bpexporter.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

INFORMATION = ".dist-info", ".egg-info"


def normalized(name: str) -> str:
    """The name of a distribution, however it is written."""
    return name.lower().replace("_", "-").replace(".", "-")


@cache
def distributions() -> dict[str, tuple[str, str]]:
    """By name: the version of a distribution, and the folder that tells of it; the first on the path counts."""
    found: dict[str, tuple[str, str]] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208  much faster
        except OSError:
            continue
        for name in names:
            if name.endswith(INFORMATION):
                distribution, _, rest = name.rpartition(".")[0].partition("-")
                version = rest.partition("-")[0]
                found.setdefault(normalized(distribution), (version, os.path.join(folder, name)))  # noqa: PTH118
    return found


def version_of(distribution: str) -> str:
    """The version of a distribution that is installed; empty where that cannot be seen."""
    return distributions().get(normalized(distribution), ("", ""))[0]


def entry_points(group: str) -> dict[str, str]:
    """By name: the entry points that are declared for `group`, each as ``module:object``."""
    found: dict[str, str] = {}
    for _version, folder in distributions().values():
        try:
            text = (Path(folder) / "entry_points.txt").read_text("utf-8")
        except (OSError, ValueError):
            continue
        if f"[{group}]" in text:
            found |= _declared(text, group)
    return found


def _declared(text: str, group: str) -> dict[str, str]:
    section = text.partition(f"[{group}]")[2].partition("\n[")[0]
    lines = (line.partition("=") for line in section.splitlines() if "=" in line and not line.startswith(("#", ";")))
    return {name.strip(): target.strip() for name, _, target in lines}
