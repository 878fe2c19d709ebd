"""The state as lines of text: for ``top --once``, for tickets, and for the cells of the terminal's table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN_BLOCKS = "_.-=+*#@"
UNKNOWN = "-"
# The least width of a line of text, whatever the terminal says of itself.
NARROWEST = 60
# Title, width, and where the cells stand; a narrow terminal has the first of them.
COLUMNS = (
    ("kind", 7, "<"),
    ("util", 5, ">"),
    ("pressure", 8, ">"),
    ("blocked", 7, ">"),
    ("longest", 8, ">"),
    ("out", 9, ">"),
    ("10 min", 12, ">"),
)
# A name that is shorter says nothing.
LEAST_NAME = 20


def columns(width: int, *, gap: int = 1) -> int:
    """Returns how many columns besides the name a terminal of this width has room for."""
    left = width - LEAST_NAME
    for count, (_, wide, _) in enumerate(COLUMNS):
        left -= wide + gap
        if left < 0:
            return count
    return len(COLUMNS)


def share(value: float | None) -> str:
    """A ratio in per cent."""
    return UNKNOWN if value is None else f"{value:.0%}"


def seconds(value: float | None) -> str:
    """Seconds in the unit that is read most easily."""
    if value is None:
        return UNKNOWN
    if value < 1:
        return "0" if not value else f"{value * 1e3:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def rate(value: float | None, kind: str = "") -> str:
    """Returns a rate in words: so many a second; of a stream bytes."""
    if value is None:
        return UNKNOWN
    if kind == "stream":
        return (
            f"{value:.0f}B/s" if value < 1e3 else f"{value / 1e3:.0f}kB/s" if value < 1e6 else f"{value / 1e6:.1f}MB/s"
        )
    return f"{value:.0f}/s" if value < 1e4 else f"{value / 1e3:.0f}k/s" if value < 1e6 else f"{value / 1e6:.1f}M/s"


def number(value: float | None) -> str:
    """A count."""
    return UNKNOWN if value is None else f"{value:g}"


def sparkline(values: Sequence[float | None], width: int, *, blocks: str = BLOCKS) -> str:
    """The last values in `width` characters, each the highest of those that it stands for; a gap is not known."""
    if not values:
        return " " * width
    step = max(1, -(-len(values) // width))
    groups = [values[start : start + step] for start in range(0, len(values), step)]
    text = "".join(_block([one for one in group if one is not None], blocks) for group in groups)
    return text[-width:].rjust(width)


def _block(known: Sequence[float], blocks: str) -> str:
    return " " if not known else blocks[min(len(blocks) - 1, int(max(known) * len(blocks)))]


def badness(resource: dict[str, Any]) -> tuple[float, float, float, str]:
    """Returns the key of the order: the most held up first, then the longest blocked, the fullest, then by name."""
    held = (resource["pressure"], resource["longest_block_seconds"], resource["utilization_ratio"])
    first, second, third = (-(value or 0.0) for value in held)
    return first, second, third, resource["name"]


def cells(resource: dict[str, Any], *, blocks: str = BLOCKS) -> tuple[str, ...]:
    """The texts of one resource: its name, and one for each column."""
    history = resource["history"]
    spark = history["pressure"] if any(history["pressure"]) else history["utilization_ratio"]
    return (
        resource["name"],
        resource["kind"],
        share(resource["utilization_ratio"]),
        share(resource["pressure"]),
        number(resource["blocked"]),
        seconds(resource["longest_block_seconds"]),
        rate(resource["out_per_second"], resource["kind"]),
        sparkline(spark, COLUMNS[-1][1], blocks=blocks),
    )


def clean(text: str) -> str:
    """`text` without what a terminal would take as an order: names may be called anything."""
    return "".join(one if one.isprintable() else "?" for one in text)


def shortened(name: str, width: int) -> str:
    """`name` in `width` characters; the middle gives way, since beginnings are often the same."""
    plain = clean(name)
    if len(plain) <= width:
        return plain.ljust(width)
    head = (width - 1) // 2
    return f"{plain[:head]}~{plain[len(plain) - (width - 1 - head) :]}"


def lines(state: dict[str, Any], *, width: int, blocks: str = BLOCKS) -> Iterator[str]:
    """The whole state for people: the verdict first, then stages, then every resource, worst first."""
    room = max(NARROWEST, width)
    yield from verdict_lines(state["verdict"])
    if state["stages"]:
        yield ""
        yield from stage_lines(state["stages"], room)
    yield ""
    shown = COLUMNS[: columns(room)]
    name_width = room - sum(wide + 1 for _, wide, _ in shown)
    yield "name".ljust(name_width) + "".join(f" {title:{side}{wide}}" for title, wide, side in shown)
    for resource in sorted(state["resources"], key=badness):
        name, *others = cells(resource, blocks=blocks)
        texts = (f" {text:{side}{wide}}" for text, (_, wide, side) in zip(others, shown, strict=False))
        yield (shortened(name, name_width) + "".join(texts)).rstrip()
    if not state["resources"]:
        yield "nothing has been seen yet"


def verdict_lines(verdict: dict[str, Any] | None) -> Iterator[str]:
    """The verdict in words, with evidence and advice below each finding."""
    findings = (verdict or {}).get("findings", [])
    if not findings:
        yield "Nothing is held up." if (verdict or {}).get("state") == "healthy" else "It cannot be told yet."
    for finding in findings:
        since = finding.get("since_seconds")
        yield clean(finding["says"]) + (f" (for {seconds(since)})" if since is not None else "")
        yield from (f"  - {clean(line)}" for line in (*finding["evidence"], *finding["advice"]))


def stage_lines(stages: Sequence[dict[str, Any]], room: int) -> Iterator[str]:
    """A line for each stage, the one that works most first."""
    name_width = room - 36
    yield "stage".ljust(name_width) + "   tasks  working     idle  blocked"
    for one in sorted(stages, key=lambda stage: -stage["working"]):
        shares = "".join(f" {share(one[state]):>8}" for state in ("working", "idle", "blocked"))
        yield f"{shortened(one['name'], name_width)} {one['tasks']:>7}{shares}"
