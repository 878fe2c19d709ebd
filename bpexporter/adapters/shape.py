"""The shape of an adapter: which classes of a library are resources, and what is known of each.

An adapter imports nothing of its library: it names modules, classes and methods, and functions that read attributes.
It is loaded when the program has imported the library, and heeded where the version is one that was tried.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.reading import UNKNOWN, Level


def itself(obj: Any) -> Any:
    """`obj`."""
    return obj


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquiring:
    """A method, of a coroutine or not, in which callers of a limiter wait for a permit."""

    method: str
    """The method."""
    has_to_wait: Callable[..., bool]
    """True where a caller that comes now waits; is given what the method is given."""
    of: str = ""
    """The class of the same module that has it, where that is not the limiter's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A method that is called once a permit was got: what `Acquiring` goes on with, such as connecting, is no wait."""

    method: str
    """The method."""
    of: str = ""
    """The class of the same module that has it, where that is not the limiter's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacing:
    """A method whose place is taken by one that records in its own way."""

    method: str
    """The method."""
    making: Callable[[Limiter, Any], Any]
    """Makes the one that takes its place, from the sort and the original."""
    of: str = ""
    """The class of the same module that has it, where that is not the limiter's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """A class of a library whose objects are resources."""

    module: str
    """The module that defines it."""
    name: str
    """Its name there."""
    former: tuple[str, ...] = ()
    """Names that it has in other versions."""
    made: str = "__init__"
    """The method after which an object is whole."""
    behind: Callable[[Any], Any] = itself
    """The object itself, or a part of it, that lives as long and can be referred to weakly."""
    others: tuple[str, ...] = ()
    """Further classes of the module whose objects stand for one of this sort: `behind` leads from them to it."""
    libraries: tuple[str, ...] = ()
    """Packages, besides the library's own, whose frames say nothing about where an object was made."""
    inside: int | None = None
    """The index of the object, or what stands for it, in the tuple that the library hands out."""
    is_named: bool = False
    """True where its name begins with package and class, and not with where it was made alone."""
    instrument: str = "bpexporter.adapters.limiters"
    """The module whose class `Instrument`, made with the sort, watches it."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """By the function of the library that makes it: its name; empty where it is a part of another and left out."""

    def classes(self) -> tuple[type, ...]:
        """The classes, the one that is made first, as far as the program has loaded them and this version has them."""
        module = sys.modules.get(self.module)
        found = (getattr(module, name, None) for name in (self.name, *self.former, *self.others))
        return tuple(kind for kind in found if isinstance(kind, type))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter(Sort):
    """A limiter: a number of permits."""

    level: Callable[[Any], Level]
    """The present state, read from the object behind it; runs on any thread, and none of the host's code."""
    methods: tuple[Acquiring | Landing | Replacing, ...]
    """The methods in which its callers wait."""
    free: Callable[[Any], float] | None = None
    """Permits that are free: where `level` knows no capacity, it is the most that were."""

    def level_of(self, ledger: LimiterLedger, behind: Any) -> Level:
        """Returns the limiter's own account, or what is known of it by its free permits."""
        level = self.level(behind)
        if level is UNKNOWN and self.free is not None:
            free = self.free(behind)
            ledger.capacity = max(ledger.capacity, free)
            return Level(ledger.capacity or None, ledger.capacity - free)
        return level

    def note(self, ledger: LimiterLedger, behind: Any) -> None:
        """Date the level at which the limiter is now, and tell who is at work."""
        level, now = self.level_of(ledger, behind), ledger.clock()
        if level.capacity is not None and level.in_use is not None:
            ledger.capacity = level.capacity
            free = level.capacity - level.in_use
            if now >= ledger.dated_until or free < ledger.lowest:
                ledger.left(level.in_use, now)
                ledger.lowest = free
        if ledger.listener is not None:
            ledger.tell_operation(ledger.blocked, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An adapter: makes classes of a library resources."""

    library: str
    """The distribution, as it is installed."""
    tried: tuple[str, str]
    """The first and the last version that were tried; patches of the last one are taken to be as that is."""
    sorts: tuple[Sort, ...]
    """The classes."""
    inner: Mapping[str, str] = field(default_factory=dict)
    """Modules whose own queues, locks and semaphores are left out, unless they are allowed, each with the reason."""
