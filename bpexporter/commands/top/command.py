"""``bpexporter top``: parse, call, exit code."""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib.util import find_spec
from typing import Any

from bpexporter.commands.top.source import DEFAULT_URL, UrlSource
from bpexporter.commands.top.words import BLOCKS, PLAIN_BLOCKS, lines

TOP = "Shows what is backing up in a terminal, as it changes"
MISSING = "the screen needs `textual`: pip install 'bpexporter[top]'; `bpexporter top --once` prints text without it"


def word_top(commands: Any) -> None:
    """Add the command to the words of the command line."""
    top = commands.add_parser("top", help=TOP, description=f"{TOP}. q quits, / filters, s sorts, r reverses.")
    top.add_argument("url", nargs="?", default=DEFAULT_URL, help="an exporter or a sidecar (default: %(default)s)")
    top.add_argument("--once", action="store_true", help="print it once as text, as for a ticket")
    top.set_defaults(call=run_top)


def run_top(options: argparse.Namespace) -> int:
    """Print the state once, or show it until the user leaves."""
    source = UrlSource(options.url)
    if options.once:
        print(as_text(source.state()))
        return 0
    if find_spec("textual") is None:
        raise OSError(MISSING)
    from bpexporter.commands.top.screen import run

    return run(source)


def as_text(state: dict[str, Any]) -> str:
    """The whole state, as wide as the terminal, in characters that it has."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    blocks = BLOCKS if encoding.startswith("utf") else PLAIN_BLOCKS
    width = shutil.get_terminal_size((100, 24)).columns
    text = "\n".join(lines(state, width=width, blocks=blocks))
    return text.encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii")
