"""One line at the end of a program: what was seen of it, and what could not be."""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path

from bpexporter.automatic.unseen import unseen
from bpexporter.commands.words import say
from bpexporter.hub.hub import default_hub
from bpexporter.publishing.names_seen import Seen, seen_in
from bpexporter.publishing.publisher import published_by
from bpexporter.resources.kinds import LOOP, RESOURCES

NO_RESOURCES = "it made no queue, stream or limiter of asyncio's, or only in what --allow and --deny leave out"


def tell_at_the_end(folder: Path | None) -> None:
    """Say at the end of this process what was seen in it, and in those that published in `folder`."""
    atexit.register(_tell, folder, os.getpid())


def _tell(folder: Path | None, pid: int) -> None:
    if pid != os.getpid():  # a forked child ends, and the program goes on
        return
    with contextlib.suppress(Exception):
        publisher = published_by()
        if publisher is not None:
            publisher.end()
        say(summary(seen_in(folder) if folder is not None else own()))


def own() -> Seen:
    """Returns the counts of what was seen in this process alone."""
    kinds = default_hub.snapshot().kinds
    return Seen({kind: len(kinds[kind]) for kind in RESOURCES}, 1, 0)


def summary(seen: Seen) -> str:
    """The line."""
    counts = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in seen.names.items() if count]
    line = f"seen: {', '.join(counts) or 'nothing'}"
    if not any(count for kind, count in seen.names.items() if kind != LOOP):
        line += f": {NO_RESOURCES}"
    if seen.processes > 1:
        line += f", in {seen.processes} processes"
    return line + "".join(f"; {part}" for part in not_seen(seen))


def not_seen(seen: Seen) -> list[str]:
    """Returns the parts of the line on what could not be seen."""
    parts = [f"{seen.killed} killed, the last second of each lost"] if seen.killed else []
    elsewhere = ", ".join(one["what"] for one in unseen())
    return parts + ([f"not seen: {elsewhere}"] if elsewhere else [])
