"""``bpexporter top``: parse, call, exit code."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bpexporter.commands.top.source import DEFAULT_URL, Source, UrlSource
from bpexporter.commands.top.words import BLOCKS, PLAIN_BLOCKS, lines

# Rates and a verdict over less say little.
ENOUGH_SECONDS, PATIENCE_SECONDS = 2.0, 6.0
TOP = "Shows what is backing up in a terminal, as it changes"
MISSING = "the screen needs `textual`: pip install 'bpexporter[top]'; `bpexporter top --once` prints text without it"


def word_top(commands: Any) -> None:
    """Add the command to the words of the command line."""
    top = commands.add_parser("top", help=TOP, description=f"{TOP}. q quits, / filters, s sorts, r reverses.")
    where = top.add_mutually_exclusive_group()
    where.add_argument("url", nargs="?", default=DEFAULT_URL, help="an exporter or a sidecar (default: %(default)s)")
    where.add_argument("--dir", type=Path, help="the programs that publish in this folder, without a sidecar")
    top.add_argument("--once", action="store_true", help="print it once as text, as for a ticket")
    top.set_defaults(call=run_top)


def run_top(options: argparse.Namespace) -> int:
    """Print the state once, or show it until the user leaves."""
    source = source_of(options)
    try:
        if options.once:
            print(as_text(settled(source)))
            return 0
        if find_spec("textual") is None:
            raise OSError(MISSING)
        from bpexporter.commands.top.screen import run

        return run(source)
    finally:
        source.close()


def source_of(options: argparse.Namespace) -> Source:
    """The source that the words of the call ask for."""
    if options.dir is None:
        return UrlSource(options.url)
    from bpexporter.commands.top.folder import FolderSource

    return FolderSource(options.dir)


def settled(source: Source) -> dict[str, Any]:
    """The state, over some time: whoever is asked for the first time has no rates and no verdict yet."""
    until = time.monotonic() + PATIENCE_SECONDS
    state = source.state()
    while state["interval_seconds"] < ENOUGH_SECONDS and time.monotonic() < until:
        time.sleep(state["poll_seconds"])
        state = source.state()
    return state


def as_text(state: dict[str, Any]) -> str:
    """The whole state, as wide as the terminal, in characters that it has."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    blocks = BLOCKS if encoding.startswith("utf") else PLAIN_BLOCKS
    width = shutil.get_terminal_size((100, 24)).columns
    text = "\n".join(lines(state, width=width, blocks=blocks))
    return text.encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii")
