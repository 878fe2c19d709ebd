"""Words that several commands share: ports, what the environment says, and a line on stderr."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from typing import Any

from bpexporter.settings import VARIABLES, from_environment

WEB_CONFIG = "TLS, client certificates and passwords, in the form of Prometheus' exporter-toolkit"


def port(text: str) -> int:
    """`text` as a port, for argparse."""
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, not {text}")
    return value


def text(given: str) -> str:
    """Returns the text of the user as it is, for argparse."""
    return given


def chosen(options: argparse.Namespace, setting: str, read: Callable[[str], Any], default: Any) -> Any:
    """The option, else what the environment says, else `default`."""
    given, said = getattr(options, setting), from_environment(setting)
    if given is not None or not said:
        return default if given is None else given
    try:
        return read(said)
    except argparse.ArgumentTypeError as error:
        options.fail(f"{VARIABLES[setting]}: {error}")
    except ValueError:
        options.fail(f"{VARIABLES[setting]}: invalid {setting} value: {said!r}")


def say(line: str) -> None:
    """`line` on stderr, where there is one."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:  # else print() takes stdout, which is the program's
            print(f"bpexporter: {line}", file=sys.stderr, flush=True)


class CouldNotTellError(Exception):
    """There is no answer; the text says why."""
