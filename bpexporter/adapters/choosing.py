"""The adapters that fit what is installed, and the instruments of their sorts."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

from bpexporter.adapters.installed import version_of
from bpexporter.adapters.known import modules, modules_of, targets
from bpexporter.adapters.shape import Adapter, Sort, itself
from bpexporter.faults import faults
from bpexporter.resources import kinds

_instruments: dict[tuple[str, str], Any] = {}
left_alone: dict[str, str] = {}
"""By library or class: why it is not watched."""


@cache
def adapter_for(module: str) -> Adapter | None:
    """The adapter for classes of `module`; ``None`` where there is none, or none for the version that is installed."""
    where, _, name = targets()[module].partition(":")
    try:
        adapter = getattr(import_module(where), name)
    except Exception as error:
        faults.swallow(error, f"loading the adapter for {module}")
        return None
    if not isinstance(adapter, Adapter):
        faults.warn("bpexporter: the adapter for %s is no Adapter but %r", module, type(adapter))
        return None
    return adapter if is_tried(adapter) else None


def is_tried(adapter: Adapter) -> bool:
    """Returns whether the version that is installed is one for which `adapter` is made; else it is said, once."""
    version = installed_version(adapter)
    first, last = map(numbers, adapter.tried)
    if first <= numbers(version) and numbers(version)[: len(last[:2])] <= last[:2]:
        return True
    if adapter.library not in left_alone:
        first_tried, last_tried = adapter.tried
        why = f"{version or 'of no known version'} was never tried ({first_tried} to {last_tried} were)"
        left_alone[adapter.library] = why
        faults.warn("bpexporter: %s %s: what it holds is not watched", adapter.library, why)
    return False


def installed_version(adapter: Adapter) -> str:
    """The version that is installed; empty where nobody says it."""
    top = sys.modules.get(adapter.sorts[0].module.partition(".")[0])
    return version_of(adapter.library) or str(getattr(top, "__version__", ""))


def numbers(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version."""
    found = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def inner_workings(package: str) -> dict[str, str]:
    """By module of `package` and below: why its own queues and semaphores are left out where its adapter is heeded."""
    adapters = [adapter_for(module) for module in modules_of(package) if module in sys.modules]
    return {module: reason for adapter in adapters if adapter for module, reason in adapter.inner.items()}


# Instruments ---------------------------------------------------------------------------------------------


def sorts_of(module: str) -> tuple[Sort, ...]:
    """The sorts whose classes `module` defines."""
    adapter = adapter_for(module)
    return () if adapter is None else tuple(one for one in adapter.sorts if one.module == module and can_be_kept(one))


def can_be_kept(sort: Sort) -> bool:
    """Returns whether an object of this sort can be referred to weakly; else it is said, once."""
    kind = next(iter(sort.classes()), None)
    if sort.behind is not itself or kind is None or kind.__weakrefoffset__:
        return True
    what = f"{sort.module}.{sort.name}"
    if what not in left_alone:
        left_alone[what] = "it cannot be referred to weakly on this Python"
        faults.warn("bpexporter: %s cannot be referred to weakly on this Python: it is not watched", sort.name)
    return False


def instrument_of(sort: Sort) -> Any:
    """The instrument of a sort, one for the whole process."""
    key = sort.module, sort.name
    if key not in _instruments:
        made = import_module(sort.instrument).Instrument(sort)
        _instruments[key] = made
        kinds.join(made)
    return _instruments[key]


def fitting(kind: type) -> Any:
    """The instrument for objects of this class, of a library that the program has imported; ``None``: there is none."""
    for module in modules():
        if module in sys.modules:
            for sort in sorts_of(module):
                if issubclass(kind, sort.classes()):
                    return instrument_of(sort)
    return None
