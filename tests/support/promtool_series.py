"""Series of promtool's tests as lists of samples: read, spoilt as a real scrape is, and written again.

A sample is a number, or ``None`` for a scrape that gave nothing. Steps are those of the case.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from promql_parts import declared

Samples = list[float | None]
Case = dict[str, Any]

NOTATION = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?)(?:([+-])([\d.]+))?(?:x(\d+))?")
UNITS = {"s": 1, "m": 60, "h": 3600}
AGES = ("age_seconds", "longest_block_seconds")
# What a process has from its first moment on, or Prometheus itself says.
LASTING = ("members", "open_writers", "capacity_items", "capacity_permits", "build_info")


def seconds(duration: str) -> int:
    """A duration of Prometheus in seconds."""
    return int(duration[:-1]) * UNITS[duration[-1]]


def samples(values: str) -> Iterator[float | None]:
    """The samples of promtool's notation, ``a+bxn`` and the like."""
    for word in values.split():
        if word == "stale" or word.startswith("_"):
            yield from [None] * int(word[2:] or 1) if word.startswith("_") else [None]
            continue
        first, sign, step, times = NOTATION.fullmatch(word).groups()
        slope = float(f"{sign or ''}{step or 0}")
        yield from (float(first) + slope * number for number in range(int(times or 0) + 1))


def notation(of: Samples) -> str:
    """Samples in promtool's notation; what was not scraped is stale."""
    return " ".join("stale" if sample is None else f"{sample:.10g}" for sample in of)


def changed(case: Case, how: Callable[[str, Samples, int], Samples]) -> Case:
    """The case with each series changed; `how` takes its name, its samples and the seconds between two of them."""
    step = seconds(case["interval"])
    series = [
        {
            "series": each["series"],
            "values": notation(how(each["series"].partition("{")[0], list(samples(str(each["values"]))), step)),
        }
        for each in case["input_series"]
    ]
    return {**case, "input_series": series}


def failed(name: str, sample: float | None) -> float | None:
    """What a scrape that fails leaves: `up` is 0, and everything else is missing."""
    return sample if sample is None else 0.0 if name == "up" else None


def with_lost_scrapes(case: Case) -> Case:
    """Every third scrape fails."""
    return changed(case, lambda name, of, _: [failed(name, x) if number % 3 == 2 else x for number, x in enumerate(of)])


def restarted(name: str, of: Samples, every: int, step: int) -> Samples:
    """Samples of a process that begins anew every so many steps: one scrape fails, the next finds nothing yet."""
    result: Samples = []
    counted, last = 0.0, None
    metric = declared(name)
    counts = metric is not None and metric[0].kind != "gauge"
    for number, sample in enumerate(of):
        since = number % every if number >= every else number + every
        if sample is not None and last is not None:
            counted += sample - last if sample >= last else sample
        elif sample is not None:
            counted = sample
        last = last if sample is None else sample
        if since <= 1 and counts:
            counted = 0.0
        fresh = {0: failed(name, sample), 1: sample if name.endswith(LASTING) or metric is None else 0.0}
        usual = counted if counts else min(sample or 0, (since - 1) * step) if name.endswith(AGES) else sample
        result.append(None if sample is None else fresh.get(since, usual))
    return result


def with_restarts(minutes: int) -> Callable[[Case], Case]:
    """A process that is restarted every so many minutes, by the same name."""
    return lambda case: changed(case, lambda name, of, step: restarted(name, of, minutes * 60 // step, step))


def in_cluster(case: Case, cluster: str) -> list[dict[str, str]]:
    """The series of a case with the label of a cluster."""
    return [
        {**each, "series": each["series"].replace("{", f'{{cluster="{cluster}", ', 1)} for each in case["input_series"]
    ]
