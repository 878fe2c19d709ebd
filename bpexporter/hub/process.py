"""All registries of the process, and the lock that is held by who gives or takes a ledger."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from bpexporter.hub.registry import Registry

# Makes the judge of a registry's successive readings. Judging lies above the hub: the room that knows of both sets it.
judging: Callable[[], Any] | None = None
registries: weakref.WeakSet[Registry] = weakref.WeakSet()
lock = threading.RLock()


def all_registries() -> list[Registry]:
    """Every registry whose hub is alive."""
    # To iterate over a set to which another thread adds fails; to copy it does not.
    found = (reference() for reference in registries.data.copy())  # type: ignore[attr-defined]
    return [registry for registry in found if registry is not None]
