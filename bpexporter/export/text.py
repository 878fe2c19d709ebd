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
from operator import attrgetter
from typing import Any, NamedTuple

from prometheus_client.utils import floatToGoString

from bpexporter.catalogue.metrics import METRICS
from bpexporter.hub.snapshot import Labelled, Labelling, Snapshot, Source
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.declaration import Metric

# Stands in a template where the name of a resource goes; no name is searched for it, since names come last.
NAME = "\x00"
# After so many samples of a family rendering gives way to other threads: they take about half a millisecond,
# and giving way costs a tenth of that.
GIVE_WAY = 200


def render(
    source: Source, *, openmetrics: bool = False, names: Collection[str] = frozenset(), others: Iterable[bytes] = ()
) -> bytes:
    """The whole page: what `source` says now, then the lines of `others`.

    `names` keeps only the samples of these names, as ``name[]=`` asks.
    """
    ours = render_snapshots(snapshots_of(source), openmetrics=openmetrics, names=names)
    return b"".join((ours, *others, b"# EOF\n" if openmetrics else b""))


def snapshots_of(source: Source) -> list[Labelled]:
    """Returns the views of `source`: one snapshot, or several with labels of their own."""
    if isinstance(source, Labelling):
        return source.labelled()
    return [({}, source.snapshot())]


def render_snapshot(snapshot: Snapshot, *, openmetrics: bool = False, names: Collection[str] = frozenset()) -> bytes:
    """The families of the catalogue with the samples of `snapshot`, without the closing ``# EOF``."""
    return render_snapshots([({}, snapshot)], openmetrics=openmetrics, names=names)


def render_snapshots(
    snapshots: Iterable[Labelled], *, openmetrics: bool = False, names: Collection[str] = frozenset()
) -> bytes:
    """The families of the catalogue with the samples of all `snapshots`, each with its own labels."""
    lines: list[str] = []
    parts = [_part(labels, snapshot) for labels, snapshot in snapshots]
    chosen = frozenset(names)
    for metric in METRICS:
        header = _header(metric, openmetrics)
        lines.append(header)
        for own, named in parts:
            _samples(lines, metric, named[metric.subject], _Choice(own, chosen))
        # A family of which nothing is known of what there is, or of which nothing was chosen, is not worth its lines.
        if lines[-1] is header and (chosen or any(named[metric.subject] for _, named in parts)):
            lines.pop()
    return "".join(lines).encode()


def _part(labels: Mapping[str, str], snapshot: Snapshot) -> tuple[tuple[str, ...], dict[str, list[tuple[str, Any]]]]:
    own = tuple(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    kinds = snapshot.kinds.items()
    return own, {kind: [(_escaped(name), reading) for name, reading in named.items()] for kind, named in kinds}


class _Choice(NamedTuple):
    own: tuple[str, ...]  # labels that all samples of a snapshot have
    names: frozenset[str]  # of the samples that are asked for; empty for all


class _Template(NamedTuple):
    text: str
    kept: tuple[int, ...] | None  # indices of the name's values that it takes; None for all


@lru_cache(maxsize=4096)
def _template(metric: Metric, choice: _Choice, bounds: tuple[float, ...]) -> _Template | None:
    samples = _sample_lines(metric, bounds, choice.own)
    if choice.names and not any(sample in choice.names for sample, _ in samples):
        return None
    every = not choice.names
    kept = None if every else tuple(index for index, (sample, _) in enumerate(samples) if sample in choice.names)
    chosen = samples if kept is None else [samples[index] for index in kept]
    return _Template("".join(f"{sample}{labels} %s\n" for sample, labels in chosen), kept)


def _header(metric: Metric, openmetrics: bool) -> str:
    name = metric.family if openmetrics else metric.name
    help_text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        help_text = help_text.replace('"', r"\"")
    return f"# HELP {name} {help_text}\n# TYPE {name} {metric.kind}\n"


def _sample_lines(metric: Metric, bounds: tuple[float, ...], more: tuple[str, ...]) -> list[tuple[str, str]]:
    """Name and labels of each sample of one resource, in the order of the values of `_values`."""
    own = [*more, f'{metric.label}="{NAME}"'] if metric.label else [*more]
    if metric.kind == "histogram":
        edges = [*map(floatToGoString, bounds), "+Inf"]
        buckets = [(f"{metric.name}_bucket", _braced([f'le="{edge}"', *own])) for edge in edges]
        return [*buckets, (f"{metric.name}_count", _braced(own)), (f"{metric.name}_sum", _braced(own))]
    if metric.split:
        return [(metric.name, _braced(sorted([*own, f'{metric.split}="{part}"']))) for part in metric.parts]
    return [(metric.name, _braced(own))]


def _braced(labels: list[str]) -> str:
    return "{" + ",".join(sorted(labels)) + "}" if labels else ""


def _samples(lines: list[str], metric: Metric, named: list[tuple[str, Any]], choice: _Choice) -> None:
    bounds: tuple[float, ...] = ()
    told = metric.value_of if metric.is_conditional else attrgetter(metric.field)
    template = None if metric.kind == "histogram" else _template(metric, choice, ())
    for number, (name, reading) in enumerate(named, 1):
        if not number % GIVE_WAY:
            time.sleep(0)
        value = told(reading)
        if value is None:
            continue
        if metric.kind == "histogram" and value.bounds is not bounds:  # those of one hub are the same
            bounds = value.bounds
            template = _template(metric, choice, bounds)
        if template is None:
            return
        if metric.table:
            lines.extend(_rows(metric, name, value, choice.own))
            continue
        texts = _texts(value)
        if template.kept is not None:
            texts = [texts[index] for index in template.kept]
        lines.append((template.text % tuple(texts)).replace(NAME, name))


def _rows(metric: Metric, name: str, table: Mapping[tuple[str, ...], float], more: tuple[str, ...]) -> Iterator[str]:
    """A line for each row of a table; `name` is escaped already."""
    name = name if metric.label else ""
    for values, number in table.items():
        before, after = _row(metric, values, more)
        yield f"{before}{name}{after} {number_text(number)}\n"


@lru_cache(maxsize=4096)
def _row(metric: Metric, values: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, str]:
    """The parts of a row's line before and after the name of the resource."""
    rows = [f'{label}="{_escaped(value)}"' for label, value in zip(metric.table, values, strict=True)]
    if not metric.label:
        return f"{metric.name}{_braced([*more, *rows])}", ""
    own = f'{metric.label}="{NAME}"'  # stands in no value, whose quotation marks are escaped
    before, _, after = f"{metric.name}{_braced([*more, own, *rows])}".partition(own)
    return f'{before}{metric.label}="', f'"{after}'


def _texts(value: Any) -> list[str]:
    if isinstance(value, HistogramReading):
        counts = [*map(_SMALL.__getitem__, accumulate(value.counts))]
        return [*counts, counts[-1], number_text(value.sum)]
    return [*map(number_text, value)] if isinstance(value, tuple) else [number_text(value)]


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


class _Counts(dict[float, str]):
    """The texts of small counts; larger ones are written when they are asked for."""

    def __missing__(self, count: float) -> str:
        return number_text(count)


# Most values of a page are small counts.
_SMALL = _Counts({number: f"{number}.0" for number in range(1_000)})
