"""Where users find a public class: in the package itself, whichever room it stands in."""

from __future__ import annotations

from typing import TypeVar

Kind = TypeVar("Kind", bound=type)


def public(kind: Kind) -> Kind:
    """Returns the class, which says that it is the package's own: so it is shown, and pickled."""
    kind.__module__ = "bpexporter"
    return kind
