"""Python processes that a watched program starts: they are reached by a module beside this package.

It is `startup/_bpexporter_children.py` in the sources, and says itself how it works.
"""

from __future__ import annotations

from importlib.machinery import PathFinder

TOP = "_bpexporter_children"


def reaches_children() -> bool:
    """Returns whether this installation has what begins the watching of children."""
    return PathFinder.find_spec(TOP) is not None
