"""Classes that users know by the name ``bpexporter.X``, wherever they are defined."""

from __future__ import annotations

from typing import TypeVar

C = TypeVar("C", bound=type)


def public(kind: C) -> C:
    """`kind`, which says that it is bpexporter's own: so it shows in messages, documentation and pickles."""
    kind.__module__ = __name__.partition(".")[0]
    return kind
