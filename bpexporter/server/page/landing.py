"""The landing page: what is watched and how it is, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from bpexporter.hub.snapshot import Snapshot
from bpexporter.settings import SATURATED

# Which attribute of a reading answers the question of a column; the first that there is.
COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("utilization", ("utilization_ratio",)),
    ("blocked now", ("blocked_producers", "blocked_writers", "waiting_tasks", "paused_writers")),
    ("longest block", ("longest_block_seconds",)),
    ("tasks", ("tasks",)),
)
TITLES = {"queue": "Queues", "stream": "Streams", "limiter": "Limiters", "stage": "Stages", "loop": "Loops"}

HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>bpexporter</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="5">
<style>
:root { color-scheme: light dark; --line: #8884; --dim: #888; --bad: #c0392b; --bar: #3b82f633; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff7b6b; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: right;
  font-variant-numeric: tabular-nums; }
th { color: var(--dim); font-weight: 500; }
th:first-child, td:first-child { text-align: left; width: 50%; overflow-wrap: anywhere; }
.bad { color: var(--bad); font-weight: 600; }
</style></head><body>
<h1>bpexporter</h1>
<p><a href="metrics">/metrics</a> for Prometheus.
<span class="dim">This page renews itself every 5 s.</span></p>
"""
NOTHING = (
    '<p>Nothing is watched yet: <code>bpexporter.watch(it, "name")</code>, '
    "where it is a queue, a stream's writer or a semaphore.</p>\n"
)


def landing(snapshot: Snapshot) -> bytes:
    """The page, UTF-8; names are escaped, and come in the order worst first."""
    kinds = snapshot.kinds
    tables = [table(title, kinds[kind]) for kind, title in TITLES.items() if kinds.get(kind)]
    page = HEAD + ("".join(tables) or NOTHING) + "</body></html>\n"
    return page.encode("utf-8", "replace")


def table(title: str, readings: Mapping[str, Any]) -> str:
    """One kind: a row for each name."""
    columns = present(readings.values())
    head = "".join(f'<th scope="col">{label}</th>' for label in ("name", *columns))
    rows = (row(name, reading, columns) for name, reading in sorted(readings.items(), key=badness))
    body = "".join(rows)
    return f"<h2>{title}</h2>\n<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"


def present(readings: Iterable[Any]) -> dict[str, str]:
    """Label and attribute of the columns that this kind of reading has."""
    sample = next(iter(readings))
    found: dict[str, str] = {}
    for label, fields in COLUMNS:
        for field in fields:
            if hasattr(sample, field):
                found.setdefault(label, field)
    return found


def badness(item: tuple[str, Any]) -> tuple[float, float, str]:
    """What to sort by: the longest blocked first, then the fullest, then by name."""
    name, reading = item
    block = getattr(reading, "longest_block_seconds", None) or 0.0
    return -block, -(getattr(reading, "utilization_ratio", None) or 0.0), name


def row(name: str, reading: Any, columns: dict[str, str]) -> str:
    """One name."""
    cells = "".join(cell(field, getattr(reading, field)) for field in columns.values())
    return f"<tr><td>{escape(name)}</td>{cells}</tr>\n"


def cell(field: str, value: float | None) -> str:
    """One value; saturated or blocked stands out."""
    if value is None:
        return '<td class="dim">&ndash;</td>'
    bad = value >= SATURATED if field == "utilization_ratio" else value > 0 and field != "tasks"
    mark = ' class="bad"' if bad else ""
    return f"<td{mark}>{shown(field, value)}</td>"


def shown(field: str, value: float) -> str:
    """`value` with its unit."""
    if field.endswith("_ratio"):
        return f"{value:.0%}"
    return f"{value:.1f} s" if field.endswith("_seconds") else f"{value:g}"
