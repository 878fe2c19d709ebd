"""Fingerprints of the interpreter's methods: our replacing methods were written for certain ones.

Where they are not, the originals are called, and the cost is accepted rather than the behaviour changed. A
method is known by what it compiles to, so no source file is read, and frozen programs are known too.

With ``BPEXPORTER_UNKNOWN_SOURCES=1`` no source is known: that is how tests go this way on any interpreter.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from types import CodeType
from typing import Any


def fingerprint(methods: Iterable[Any]) -> str:
    """A short digest of what `methods` compile to, docstrings and line numbers left out."""
    digest = hashlib.sha256()
    for method in methods:
        digest.update(repr(_parts(getattr(method, "fget", method).__code__, method.__doc__)).encode())
    return digest.hexdigest()[:16]


def _parts(code: CodeType, doc: str | None) -> tuple[Any, ...]:
    constants = [one for one in code.co_consts if one != doc]
    inner = [_parts(one, None) if isinstance(one, CodeType) else one for one in constants]
    return code.co_code, code.co_names, code.co_varnames, inner


def is_known(methods: Iterable[Any], known: dict[tuple[int, int], str]) -> bool:
    """Returns whether the digest of `methods` is the one in `known` for the running version of Python."""
    if os.environ.get("BPEXPORTER_UNKNOWN_SOURCES") == "1":
        return False
    return known.get(sys.version_info[:2]) == fingerprint(methods)
