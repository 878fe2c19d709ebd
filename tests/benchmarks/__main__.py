"""``python -m tests.benchmarks [--quick] [--only REGEX]``."""

import argparse
import os
import platform
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

from . import comparing, figures
from .scale import FULL, QUICK, Scale
from .tables import head, line
from .works import ROWS


def alone(function: Callable[..., Any], subject: Any, scale: Scale) -> Any:
    """What the function returns, called in a new interpreter, which inherits neither heap nor caches."""
    environment = getattr(subject, "environment", {})
    with (
        patch.dict(os.environ, environment),
        ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(function, subject, scale).result()


def lines_of(function: Callable[..., Any], subject: Any, scale: Scale) -> list[str]:
    """The lines of a work or a figure; where it fails, one line that says how, and the rest goes on."""
    try:
        return [line(cells) for cells in alone(function, subject, scale)]
    except Exception as error:
        return [line((getattr(subject, "title", subject), f"failed: {error!r}"))]


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="What watching costs.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a first look")
    parser.add_argument(
        "--only", type=re.compile, default=re.compile(""), metavar="REGEX",
        help="only works whose line, and figures whose name, match: " + ", ".join(figures.FIGURES),
    )  # fmt: skip
    return parser.parse_args()


def show(*lines: str) -> None:
    """Print at once, for the rest takes minutes."""
    print(*lines, sep="\n", flush=True)


def main() -> None:
    """Measure and print."""
    os.environ["BPEXPORTER_RAISE"] = "1"  # what records nothing must not look fast, nor slow
    options = arguments()
    scale = QUICK if options.quick else FULL
    rows = [row for row in ROWS if options.only.search(row.title)]
    names = [name for name in figures.FIGURES if options.only.search(name)]
    show(f"{platform.python_implementation()} {platform.python_version()}; bold: over its target", "")
    if rows:
        show(head(comparing.HEADER))
    for row in rows:
        show(*lines_of(comparing.measure, row, scale))
    if names:
        show("", head(figures.HEADER))
    for name in names:
        show(*lines_of(figures.measure, name, scale))


if __name__ == "__main__":
    main()
