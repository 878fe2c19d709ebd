"""The shape of an adapter: which classes of a library are resources, and what is known of each.

An adapter imports nothing of its library: it names modules, classes and methods, and functions that read attributes.
It is loaded when the program has imported the library, and heeded where the version is one that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.reading import UNKNOWN, Level


def itself(obj: Any) -> Any:
    """`obj`."""
    return obj


def caller(_obj: Any, frame: FrameType) -> Any:
    """The object whose method has called."""
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquiring:
    """A method, of a coroutine or not, in which callers of a limiter wait for a permit."""

    method: str
    """The method."""
    has_to_wait: Callable[..., bool]
    """Whether a caller that comes now waits; is given what the method is given."""
    of: str = ""
    """The class of the same module that has the method, where that is not the limiter's own."""
    limiter: Callable[[Any, FrameType], Any] | None = None
    """Then: the limiter, from the object of that class and the frame of the call; ``None`` where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A method that is called once a permit was got: what `Acquiring` goes on with, such as connecting, is no wait."""

    method: str
    """The method."""
    of: str = ""
    """The class of the same module that has it, where that is not the limiter's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """A class of a library whose objects are resources."""

    module: str
    """The module that defines it."""
    name: str
    """Its name there."""
    made: str = "__init__"
    """The method after which an object is whole."""
    behind: Callable[[Any], Any] = itself
    """What lives as long as the object and can be referred to weakly: the object itself, or a part of it."""
    others: tuple[str, ...] = ()
    """Further classes of the module whose objects stand for one of this sort: `behind` leads from them to it."""
    libraries: tuple[str, ...] = ()
    """Packages, besides the library's own, whose frames say nothing about where an object was made."""
    inside: int | None = None
    """The index of the object, or what stands for it, in the tuple that the library hands out."""
    is_named: bool = False
    """Whether its name begins with package and class, and not with where it was made alone."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """By the function of the library that makes it: its name; empty where it is a part of another and left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter(Sort):
    """A limiter: a number of permits."""

    level: Callable[[Any], Level]
    """What it says of itself now, read from what stands behind it; runs on any thread, and none of the host's code."""
    methods: tuple[Acquiring | Landing, ...]
    """Where its callers wait."""
    free: Callable[[Any], float] | None = None
    """Permits that are free: where `level` knows no capacity, it is the most that were."""

    def level_of(self, ledger: LimiterLedger, behind: Any) -> Level:
        """What the limiter says of itself, or what is known of it by its free permits."""
        level = self.level(behind)
        if level is UNKNOWN and self.free is not None:
            free = self.free(behind)
            ledger.capacity = max(ledger.capacity, free)
            return Level(ledger.capacity or None, ledger.capacity - free)
        return level


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Sort):
    """A queue: its instrument is the adapter's own, since what goes in and out is counted there."""

    instrument: str
    """The class of its instrument, in the module of the adapter; it is made with this sort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What makes classes of a library resources."""

    library: str
    """The distribution, as it is installed."""
    tried: tuple[str, str]
    """The first and the last version that were tried; patches of the last one are taken to be as that is."""
    sorts: tuple[Sort, ...]
    """The classes."""
    inner: Mapping[str, str] = field(default_factory=dict)
    """Modules whose own queues, locks and semaphores are left out, unless they are allowed, each with the reason."""
