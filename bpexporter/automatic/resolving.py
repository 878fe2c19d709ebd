"""Resolving the program that is meant: a script, a module, or a command of this Python's environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Foreign(NamedTuple):
    """A command that this Python cannot run in its own process."""

    path: str
    words: list[str]


def resolved(words: Sequence[str]) -> list[str] | Foreign:
    """`words` with a script first, or ``-m``, as the interpreter takes them; or a command that is to be executed.

    A file that is there is a script; else the name is looked for in PATH, as a shell does: ``uvicorn app:app``.
    """
    first, *arguments = words
    if first.startswith("-") or os.sep in first or Path(first).exists():
        return list(words)
    path = found(first)
    if path is None:
        return list(words)
    if is_this_python(path):
        plain = arguments and (not arguments[0].startswith("-") or arguments[0].startswith("-m"))
        return arguments if plain else Foreign(path, list(words))
    return [path, *arguments] if is_script_of_ours(path) else Foreign(path, list(words))


def found(name: str) -> str | None:
    """Returns the path of a command; beside the interpreter first, since its environment need not be active."""
    for folder in (str(Path(sys.executable).parent), *os.get_exec_path()):
        path = Path(folder, name)
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return None


def is_this_python(path: str) -> bool:
    """Returns whether the command at `path` is the interpreter that runs."""
    name = Path(path).name
    return name.startswith("python") and os.path.realpath(path) == os.path.realpath(sys.executable)


def is_script_of_ours(path: str) -> bool:
    """Returns whether a script says that the interpreter that runs, or any Python, is to run it."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(1024).splitlines()[:3]
    except OSError:
        return False
    if not head or not head[0].startswith(b"#!"):
        return False
    asked = os.fsdecode(head[0][2:]).split()
    if asked and Path(asked[0]).name == "env":
        interpreter = found(asked[-1])
        return interpreter is not None and is_this_python(interpreter)
    # a long path is hidden from the kernel in the second line: #!/bin/sh '''exec' "/long/python" ...
    places = [os.fsdecode(word) for line in head for word in line[2:].replace(b'"', b" ").split()]
    return any(_is_here(place) for place in places)


def _is_here(place: str) -> bool:
    path, here = Path(place), Path(sys.executable).parent
    return path.name.startswith("python") and path.parent.resolve() == here.resolve()
