"""The page at /metrics: our own families written fast, those of other registries by `prometheus_client`.

`prometheus_client` takes 7 to 10 microseconds a line; a constant template for each family, filled with
all values of a name at once, takes less than one. The text is the same, byte for byte, and tested to be.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from math import inf, isnan
from typing import Any, NamedTuple

from prometheus_client.utils import floatToGoString

from bpexporter.catalogue.metrics import METRICS
from bpexporter.hub.hub import Hub
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.declaration import Metric

# Stands in a template where the name of a resource goes; no name is searched for it, since names come last.
NAME = "\x00"
# After so many samples of a family rendering gives way to other threads: they take about half a millisecond,
# and giving way costs a tenth of that.
GIVE_WAY = 200


def render(
    hub: Hub, *, openmetrics: bool = False, names: Collection[str] = frozenset(), others: Iterable[bytes] = ()
) -> bytes:
    """The whole page: what `hub` records now, then the lines of `others`.

    `names` keeps only the samples of these names, as ``name[]=`` asks.
    """
    ours = render_snapshot(hub.snapshot(), openmetrics=openmetrics, names=names)
    return b"".join((ours, *others, b"# EOF\n" if openmetrics else b""))


def render_snapshot(snapshot: Snapshot, *, openmetrics: bool = False, names: Collection[str] = frozenset()) -> bytes:
    """The families of the catalogue with the samples of `snapshot`, without the closing ``# EOF``."""
    lines: list[str] = []
    escaped = {
        kind: [(_escaped(name), reading) for name, reading in named.items()] for kind, named in snapshot.kinds.items()
    }
    for metric in METRICS:
        for template in _templates(metric, openmetrics, frozenset(names), _bounds(snapshot, metric)):
            lines.append(template.header)
            _samples(lines, metric, template, escaped[metric.subject])
            if names and lines[-1] is template.header:  # a choice leaves out families of which nothing is left
                lines.pop()
    return "".join(lines).encode()


class _Template(NamedTuple):
    header: str
    text: str
    kept: tuple[int, ...] | None  # which of a name's values it takes; None for all


def _bounds(snapshot: Snapshot, metric: Metric) -> tuple[float, ...]:
    if metric.kind != "histogram":
        return ()
    values = (getattr(reading, metric.field) for reading in snapshot.kinds[metric.subject].values())
    return next((value.bounds for value in values if value is not None), ())


@lru_cache(maxsize=512)
def _templates(
    metric: Metric, openmetrics: bool, names: frozenset[str], bounds: tuple[float, ...]
) -> tuple[_Template, ...]:
    samples = _sample_lines(metric, bounds)
    if names and not any(sample in names for sample, _ in samples):
        return ()
    kept = None if not names else tuple(index for index, (sample, _) in enumerate(samples) if sample in names)
    chosen = samples if kept is None else [samples[index] for index in kept]
    text = "".join(f"{sample}{labels} %s\n" for sample, labels in chosen)
    return (_Template(_header(metric, openmetrics), text, kept),)


def _header(metric: Metric, openmetrics: bool) -> str:
    name = metric.family if openmetrics else metric.name
    help_text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        help_text = help_text.replace('"', r"\"")
    return f"# HELP {name} {help_text}\n# TYPE {name} {metric.kind}\n"


def _sample_lines(metric: Metric, bounds: tuple[float, ...]) -> list[tuple[str, str]]:
    """Name and labels of each sample of one resource, in the order of the values of `_values`."""
    own = [f'{metric.label}="{NAME}"'] if metric.label else []
    if metric.kind == "histogram":
        edges = [*map(floatToGoString, bounds), "+Inf"]
        buckets = [(f"{metric.name}_bucket", _braced([f'le="{edge}"', *own])) for edge in edges]
        return [*buckets, (f"{metric.name}_count", _braced(own)), (f"{metric.name}_sum", _braced(own))]
    if metric.split:
        return [(metric.name, _braced(sorted([*own, f'{metric.split}="{part}"']))) for part in metric.parts]
    return [(metric.name, _braced(own))]


def _braced(labels: list[str]) -> str:
    return "{" + ",".join(sorted(labels)) + "}" if labels else ""


def _samples(lines: list[str], metric: Metric, template: _Template, named: list[tuple[str, Any]]) -> None:
    field = metric.field
    for number, (name, reading) in enumerate(named, 1):
        if not number % GIVE_WAY:
            time.sleep(0)
        value = getattr(reading, field)
        if value is None:
            continue
        if metric.table:
            lines.extend(_rows(metric, name, value))
            continue
        values = _values(value)
        if template.kept is not None:
            values = [values[index] for index in template.kept]
        lines.append((template.text % tuple(map(number_text, values))).replace(NAME, name))


def _rows(metric: Metric, name: str, table: Mapping[tuple[str, ...], float]) -> Iterator[str]:
    """A line for each row of a table; `name` is escaped already."""
    own = [f'{metric.label}="{name}"'] if metric.label else []
    for values, number in table.items():
        rows = [f'{label}="{_escaped(value)}"' for label, value in zip(metric.table, values, strict=True)]
        yield f"{metric.name}{_braced([*own, *rows])} {number_text(number)}\n"


def _values(value: Any) -> list[float]:
    if isinstance(value, HistogramReading):
        cumulative = list(accumulate(value.counts))
        return [*cumulative, cumulative[-1], value.sum]
    return list(value) if isinstance(value, tuple) else [value]


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number_text(number: float) -> str:
    """`number` as `prometheus_client` writes it."""
    if number in _SMALL:  # 0.0 and -0.0 are equal, and have a text each
        return _SMALL[number] if number or type(number) is int else repr(float(number))
    text = repr(float(number))
    if number >= 1e6 or isnan(number) or number in (inf, -inf):
        return str(floatToGoString(number))  # type: ignore[no-untyped-call]
    return text


# Most values of a page are small counts.
_SMALL: dict[float, str] = {number: f"{number}.0" for number in range(1_000)}
