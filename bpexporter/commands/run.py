"""``bpexporter run``: a program as it is, with all that it makes watched.

The program keeps the process and publishes; a process of ours, begun before the program is loaded, serves.
Exit codes: those of the program; 1 where its metrics cannot be served, 2 where the words of the call, or the
environment, are off.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bpexporter.commands.wishes import Settings
from bpexporter.commands.words import WEB_CONFIG, chosen, port, say, text
from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT

USAGE = (
    "bpexporter run [options] script.py [arguments]\n"
    "       bpexporter run [options] -m module [arguments]\n"
    "       bpexporter run [options] command [arguments]"
)
RUN = "Run a program with everything that it makes watched, and its metrics served"
DETAILS = (
    f"{RUN}.\nThe program needs no change. It runs in this process, and a detached process of ours serves.\n"
    "Python processes that the program starts are shown too, under the same address.\n"
    "Options come before the program; what comes after is the program's."
)
EXAMPLES = """\
examples:
  bpexporter run app.py --its own --options
  bpexporter run -m uvicorn app:app --workers 4
  bpexporter run uvicorn app:app --workers 4        a command of this Python's environment
  bpexporter run --allow 'myapp' --deny 'myapp.tests,*:cache' -m myapp

PATTERN is one or several with commas between, as of a shell (* ? [ab]): a module, a package (which stands for all
its modules), or a name, such as app.main:jobs or Crawler.*. With --allow only what fits is watched; what fits --deny
is not. An option may be given again.

environment: BPEXPORTER_HOST, BPEXPORTER_PORT, BPEXPORTER_ALLOW and BPEXPORTER_DENY do what the options do. With
BPEXPORTER_DIR the program publishes in that folder, for a sidecar to serve, and serves nothing itself.
"""
TEXTS: dict[str, Any] = {
    "description": DETAILS,
    "usage": USAGE,
    "epilog": EXAMPLES,
    "formatter_class": partial(argparse.RawDescriptionHelpFormatter, width=110),  # else it loads shutil to ask
    "allow_abbrev": False,
}
FLAGS = ("--strict-port", "--in-process", "--no-children", "-h", "--help")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and from ``run`` on those of the program: from the first on that is no option of ours."""
    if not words or words[0] != "run":
        return list(words), []
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-" and not words[at].startswith("-m"):
        if words[at] == "--":
            return list(words[:at]), list(words[at + 1 :])
        at += 1 if "=" in words[at] or words[at] in FLAGS else 2
    return list(words[:at]), list(words[at:])


def word_run(commands: Any) -> None:
    """Add the command to the words of the command line."""
    fill(commands.add_parser("run", help=RUN, **TEXTS))


def parser() -> argparse.ArgumentParser:
    """The words of `run` alone: a program under it is not to find loaded what other commands need."""
    alone = argparse.ArgumentParser(prog="bpexporter run", **TEXTS)
    fill(alone)
    return alone


def fill(run: argparse.ArgumentParser) -> None:
    """Give the parser of `run` its options."""
    run.add_argument("--host", help=f"address to listen on (default: {DEFAULT_HOST})")
    run.add_argument("--port", type=port, help=f"port, 0 for any (default: {DEFAULT_PORT}; another where it is taken)")
    run.add_argument("--strict-port", action="store_true", help="where the port is taken, end with exit code 1")
    run.add_argument("--allow", action="append", metavar="PATTERN", help="watch only these modules or names")
    run.add_argument("--deny", action="append", metavar="PATTERN", help="do not watch these modules or names")
    run.add_argument("--no-children", action="store_true", help="leave Python processes that the program starts alone")
    run.add_argument(
        "--in-process", action="store_true", help="serve on a thread of the program, which then loads aiohttp"
    )
    run.add_argument("--web-config", metavar="FILE", help=WEB_CONFIG)
    run.set_defaults(call=None, fail=run.error)


def patterns(given: list[str] | None) -> str | None:
    """The patterns of one option, however often it was given."""
    return None if given is None else ",".join(given)


@contextlib.contextmanager
def passing_over_the_first() -> Iterator[None]:
    """Nothing is loaded from the first folder: with ``python -m bpexporter`` that may be the program's."""
    first = [] if sys.flags.safe_path else sys.path[:1]
    del sys.path[: len(first)]
    try:
        yield
    finally:
        sys.path[:0] = first


def run_under_watch(options: argparse.Namespace, program: list[str]) -> int:
    """Run `program`; it ends as it does alone. The exit code, where it just returns."""
    with passing_over_the_first():
        from bpexporter.automatic.programs import prepared
        from bpexporter.automatic.resolving import Foreign, resolved
        from bpexporter.commands.serving import CannotServe, begin, execute

        if not program or program == ["-m"]:
            options.fail("a script, or -m and a module, is needed; or a command")
        settings, words = settings_of(options), resolved(program)
    try:
        run = partial(execute, words) if isinstance(words, Foreign) else prepared(words)
    except OSError as error:
        options.fail(f"can't open file {str(Path(program[0]).absolute())!r}: [Errno {error.errno}] {error.strerror}")
    try:
        with passing_over_the_first():
            begin(settings)
    except CannotServe as error:
        if error.wrong_words:
            options.fail(str(error))
        say(str(error))
        return 1
    # Python tells a program that forks of threads: they are ours.
    warnings.filterwarnings("ignore", r"This process .*multi-threaded, use of fork", DeprecationWarning)
    run()
    return 0


def settings_of(options: argparse.Namespace) -> Settings:
    """Returns the wishes of the call's words and of the environment; words that make no sense end the process."""
    return Settings(
        host=chosen(options, "host", text, DEFAULT_HOST),
        port=chosen(options, "port", port, DEFAULT_PORT),
        strict_port=options.strict_port,
        in_process=options.in_process,
        children=not options.no_children,
        allow=patterns(options.allow),
        deny=patterns(options.deny),
        web_config=str(Path(options.web_config).absolute()) if options.web_config else None,
    )
