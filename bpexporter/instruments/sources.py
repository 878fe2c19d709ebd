"""Whether the running interpreter's methods are those that our replacing methods were written for.

Where they are not, the originals are called, and the cost is accepted rather than the behaviour changed. A
method is known by what it compiles to, so no source file is read, and frozen programs are known too.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from typing import Any


def fingerprint(methods: Iterable[Any]) -> str:
    """A short digest of what `methods` compile to, docstrings and line numbers left out."""
    digest = hashlib.sha256()
    for method in methods:
        code = getattr(method, "fget", method).__code__
        constants = [one for one in code.co_consts if one != method.__doc__]
        digest.update(repr((code.co_code, code.co_names, code.co_varnames, constants)).encode())
    return digest.hexdigest()[:16]


def is_known(methods: Iterable[Any], known: dict[tuple[int, int], str]) -> bool:
    """Whether the digest of `methods` is the one in `known` for the running version of Python."""
    return known.get(sys.version_info[:2]) == fingerprint(methods)
