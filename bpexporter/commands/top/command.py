"""``bpexporter top``: parse, call, exit code."""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bpexporter.commands.top.source import DEFAULT_URL, DirSource, UrlSource, settled
from bpexporter.commands.top.words import BLOCKS, PLAIN_BLOCKS, lines

TOP = "Shows what is backing up in a terminal, as it changes"
MISSING = "the screen needs `textual`: pip install 'bpexporter[top]'; `bpexporter top --once` prints text without it"


def word_top(commands: Any) -> None:
    """Add the command to the words of the command line."""
    top = commands.add_parser("top", help=TOP, description=f"{TOP}. q quits, / filters, s sorts, r reverses.")
    source = top.add_mutually_exclusive_group()
    source.add_argument("url", nargs="?", metavar="URL", help=f"of an exporter or a sidecar (default: {DEFAULT_URL})")
    source.add_argument("--dir", metavar="DIR", type=Path, help="the folder to which programs publish")
    top.add_argument("--once", action="store_true", help="print it once as text, as for a ticket")
    top.set_defaults(call=run_top)


def run_top(options: argparse.Namespace) -> int:
    """Print the state once, or show it until the user leaves."""
    if not options.once and find_spec("textual") is None:
        raise OSError(MISSING)
    with UrlSource(options.url or DEFAULT_URL) if options.dir is None else DirSource(options.dir) as source:
        if options.once:
            print(as_text(settled(source)))
            return 0
        from bpexporter.commands.top.screen import run

        return run(source)


def as_text(state: dict[str, Any]) -> str:
    """The whole state, as wide as the terminal, in characters that it has."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    blocks = BLOCKS if encoding.startswith("utf") else PLAIN_BLOCKS
    width = shutil.get_terminal_size((100, 24)).columns
    text = "\n".join(lines(state, width=width, blocks=blocks))
    return text.encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii")
