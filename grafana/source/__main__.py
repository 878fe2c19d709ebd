"""Writes dashboards, rules, Kubernetes files and tables of the docs, or says what is not as made (``--check``)."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.source import docs, kubernetes, rules
from grafana.source.dashboards import DETAIL, OVERVIEW, to_json
from grafana.source.detail import detail
from grafana.source.overview import overview

HERE = Path(__file__).parents[1]


def files() -> dict[str, str]:
    """All texts by path, below grafana/."""
    boards = {f"dashboards/{OVERVIEW}.json": to_json(overview()), f"dashboards/{DETAIL}.json": to_json(detail())}
    return {**rules.files(), **boards, **kubernetes.files()}


def stale(folder: Path = HERE) -> list[str]:
    """The files that are not as they would be written."""
    return [
        name for name, text in files().items() if not (folder / name).is_file() or (folder / name).read_text() != text
    ]


def main(words: list[str]) -> int:
    """Write, or with ``--check`` look only; the exit code."""
    names = stale()
    pages = {path: text for path, text in docs.pages().items() if path.read_text() != text}
    if words != ["--check"]:
        for name in names:
            (HERE / name).parent.mkdir(parents=True, exist_ok=True)
            (HERE / name).write_text(files()[name])
        for path, text in pages.items():
            path.write_text(text)
    names += [path.relative_to(docs.ROOT).as_posix() for path in pages]
    for name in names:
        print(name)
    return int(bool(names) and words == ["--check"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
