"""``bpexporter run``: a program as it is, with all that it makes watched.

Exit codes: those of the program; 1 where its metrics cannot be served, 2 where the words of the call, or the
environment, are off.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT, VARIABLES, from_environment

USAGE = "bpexporter run [options] script.py [arguments]\n       bpexporter run [options] -m module [arguments]"
RUN = "Run a program with everything that it makes watched, and its metrics served"
DETAILS = (
    f"{RUN}. The program needs no change. Options come before the program; what comes after is the program's. "
    "BPEXPORTER_HOST, BPEXPORTER_PORT, BPEXPORTER_ALLOW and BPEXPORTER_DENY in the environment do what the options do."
)


def port(text: str) -> int:
    """`text` as a port, for argparse."""
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, not {text}")
    return value


def host(text: str) -> str:
    """`text` as a host, for argparse."""
    return text


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and from ``run`` on those of the program: from the first on that is no option of ours."""
    if not words or words[0] != "run":
        return list(words), []
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-" and not words[at].startswith("-m"):
        if words[at] == "--":
            return list(words[:at]), list(words[at + 1 :])
        at += 1 if "=" in words[at] or words[at] in ("-h", "--help") else 2
    return list(words[:at]), list(words[at:])


def word_run(commands: Any) -> None:
    """Add the command to the words of the command line."""
    run = commands.add_parser("run", help=RUN, description=DETAILS, usage=USAGE)
    run.add_argument("--host", help=f"address to listen on (default: {DEFAULT_HOST})")
    run.add_argument("--port", type=port, help=f"port, 0 for any (default: {DEFAULT_PORT})")
    run.add_argument("--allow", action="append", metavar="PATTERN", help="watch only these modules or names")
    run.add_argument("--deny", action="append", metavar="PATTERN", help="do not watch these modules or names")
    run.set_defaults(call=None, fail=run.error)


def chosen(options: argparse.Namespace, setting: str, read: Callable[[str], Any], default: Any) -> Any:
    """The option, else what the environment says, else `default`."""
    given, text = getattr(options, setting), from_environment(setting)
    if given is not None or not text:
        return default if given is None else given
    try:
        return read(text)
    except argparse.ArgumentTypeError as error:
        options.fail(f"{VARIABLES[setting]}: {error}")
    except ValueError:
        options.fail(f"{VARIABLES[setting]}: invalid {setting} value: {text!r}")


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
        from bpexporter.automatic.install import install
        from bpexporter.automatic.programs import prepared
        from bpexporter.server.endpoint import AddressError, start

    if not program or program == ["-m"]:
        options.fail("a script, or -m and a module, is needed")
    address = chosen(options, "host", host, DEFAULT_HOST), chosen(options, "port", port, DEFAULT_PORT)
    try:
        run = prepared(program)
    except OSError as error:
        options.fail(f"can't open file {str(Path(program[0]).absolute())!r}: [Errno {error.errno}] {error.strerror}")
    try:
        exporter = start(*address)
    except AddressError as error:
        options.fail(str(error))
    except OSError as error:
        return say(str(error), 1)
    install(allow=patterns(options.allow), deny=patterns(options.deny))
    say(f"the metrics of this program are at {exporter.url}", 0)
    # Python tells a program that forks of threads: they are ours.
    warnings.filterwarnings("ignore", r"This process .*multi-threaded, use of fork", DeprecationWarning)
    run()
    return 0


def say(line: str, code: int) -> int:
    """`line` on stderr, where there is one; `code`."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:  # else print() takes stdout, which is the program's
            print(f"bpexporter: {line}", file=sys.stderr, flush=True)
    return code
