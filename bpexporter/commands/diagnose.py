"""``bpexporter diagnose``: what is wrong, since when, whose fault it is, by which figures, and what would help.

Exit codes: 0 healthy; 1 backpressure; 2 could not tell, or the words of the call are off.
"""

from __future__ import annotations

import argparse
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from bpexporter.analysis.findings import Finding, Verdict, plural
from bpexporter.analysis.flow import COLUMNS, LOOP
from bpexporter.analysis.judging import concluded
from bpexporter.commands.requests import request_of, without_password
from bpexporter.commands.words import CouldNotTellError
from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT

HOME = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}/metrics"
HEALTHY, BACKPRESSURE, NO_ANSWER = 0, 1, 2
TIMEOUT = 10.0
# So much of a page is read; 10,000 resources take 60 MB.
MOST_BYTES = 256 << 20

Readings = dict[str, dict[str, Any]]


def run(options: argparse.Namespace) -> int:
    """Print the diagnosis; the exit code."""
    try:
        verdict, seconds, second, where = diagnosis(options)
    except CouldNotTellError as error:
        print(f"bpexporter: could not tell: {error}", file=sys.stderr)
        return NO_ANSWER
    if options.json:
        from bpexporter.export.json import verdict_as_json, written

        print(written(verdict_as_json(verdict, seconds)))
    else:
        print("\n".join(told(verdict, seconds, second, where)))
    return BACKPRESSURE if verdict.findings else HEALTHY


def diagnosis(options: argparse.Namespace) -> tuple[Verdict, float, Readings, str]:
    """The verdict, the seconds it is about, the later reading, and where that is from."""
    if options.dir is not None:
        from bpexporter.commands.autopsy import of_folder

        return of_folder(options.dir, options.seconds)
    url = address(options.url or HOME)
    first, second, seconds = twice(lambda: fetched(url), options.seconds)
    return answered(first, second, seconds), seconds, second, without_password(url)


def twice(read: Callable[[], Readings], seconds: float) -> tuple[Readings, Readings, float]:
    """Two readings, and the seconds between them."""
    first, begun = read(), time.monotonic()
    time.sleep(seconds)
    second, ended = read(), time.monotonic()
    return first, second, ended - begun


def answered(first: Readings, second: Readings, seconds: float) -> Verdict:
    """The verdict, where there is anything to judge."""
    if not any(second.get(kind) for kind in (*COLUMNS, LOOP)):
        raise CouldNotTellError("nothing is watched there")
    return concluded(first, second, seconds)


# Over HTTP ------------------------------------------------------------------------------------------------


def address(url: str) -> str:
    """`url` with its scheme and path, where they are left out."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise CouldNotTellError(f"{url!r} is no address of an exporter")
    path = parts.path.removesuffix("/api/state").rstrip("/")
    return urllib.parse.urlunsplit(parts._replace(path=path or "/metrics"))


def fetched(url: str) -> Readings:
    """The readings on a page of metrics."""
    from bpexporter.export.parsing import names_for, readings_from_text

    chosen = urllib.parse.urlencode(
        [("name[]", name) for name in names_for((*COLUMNS, LOOP, "stage", "culprit", "itself"))]
    )
    request = request_of(f"{url}{'&' if '?' in url else '?'}{chosen}", Accept="text/plain")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return readings_from_text(answer.read(MOST_BYTES).decode())
    except (OSError, ValueError) as error:
        raise CouldNotTellError(f"{without_password(url)}: {error}") from error


# In words -------------------------------------------------------------------------------------------------


def told(verdict: Verdict, seconds: float, second: Readings, where: str) -> Iterator[str]:
    """The diagnosis for people, good to paste into a ticket."""
    watched = ", ".join(plural(len(second.get(kind, {})), kind) for kind in (*COLUMNS, "loop", "stage"))
    yield f"{verdict.state}: {where}, over {seconds:.1f} s ({watched})"
    if not verdict.findings:
        yield "nobody was held up, and no loop was short of time"
    for number, finding in enumerate(verdict.findings, 1):
        yield ""
        yield from told_finding(number, finding)
    for note in verdict.notes:
        yield ""
        yield f"note: {note}"


def told_finding(number: int, finding: Finding) -> Iterator[str]:
    """One finding."""
    yield f"{number}. {finding.says} (cause: {finding.cause}, for {finding.since_seconds:.1f} s)"
    yield from _lines("held up", (", ".join(finding.held_up),) if finding.held_up else ())
    yield from _lines("evidence", finding.evidence)
    yield from _lines("advice", finding.advice)


def _lines(head: str, lines: tuple[str, ...]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"   {f'{head}:' if not number else '':<10} {line}"
