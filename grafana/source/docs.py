"""The generated parts of the docs: tables between comments such as ``<!-- metrics -->`` and ``<!-- /metrics -->``."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

from bpexporter.commands.main import markdown_table
from grafana.source.alert_table import alert_table

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md")


def room_table() -> str:
    """The rooms of the house, from the ground up, as each says of itself."""
    rows = ["| room | what lives there | what it may touch |", "| --- | --- | --- |"]
    heads = {path.parent: path.read_text() for path in (ROOT / "bpexporter").rglob("__init__.py")}
    for folder, source in sorted(heads.items(), key=lambda item: place(item[0])):
        head, _, touch = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")
        if folder.name != "bpexporter":
            name = folder.relative_to(ROOT / "bpexporter").as_posix()
            touched = " ".join(touch.removeprefix("A kind knows no other kind. ").split()).partition("May touch: ")[2]
            rows.append(f"| `{name}/` | {' '.join(head.split())} | {touched} |")
    return "\n".join(rows)


# From the ground up.
HOUSE = (
    *("primitives", "resources", "catalogue", "hub", "watching", "naming", "adapters", "automatic"),
    *("analysis", "export", "publishing", "server", "commands"),
)


def place(folder: Path) -> tuple[int, str]:
    """Where a room stands in the table."""
    parts = folder.relative_to(ROOT / "bpexporter").parts
    return (HOUSE.index(parts[0]) if parts else -1, folder.as_posix())


TABLES: dict[str, Callable[[], str]] = {"alerts": alert_table, "metrics": markdown_table, "rooms": room_table}


def made(text: str) -> str:
    """`text` with each of its generated parts as it would be made now."""
    for name, table in TABLES.items():
        head, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"\n<!-- /{name} -->")
        if begin and end:
            text = f"{head}{begin}{table()}{end}{tail}"
    return text


def pages() -> dict[Path, str]:
    """Every page of the docs, as it would be written."""
    found = [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    return {path: made(path.read_text()) for path in found}
