"""Methods of a class, replaced while something is watched, and a private attribute that holds the ledger."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from bpexporter.faults import faults

ATTRIBUTE = "_bpexporter_ledger"
HOOK = "__init_subclass__"
ATTRIBUTES_OF_ITS_OWN = frozenset({"__getattr__", "__getattribute__"})
# Of a class, whatever its metaclass makes of the question.
NAMES, BASES = type.__dict__["__dict__"], type.__dict__["__mro__"]
# Classes without code for the look-up of attributes: there an answer that nothing is held needs no exception.
PLAIN = frozenset({
    *(asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue),
    *(asyncio.Semaphore, asyncio.BoundedSemaphore, asyncio.Lock),
})  # fmt: skip
SEEN = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__")


def dressed(function: Any, original: Any) -> Any:
    """`function`, so that help(), inspect and pickle see what they saw before."""
    for attribute in SEEN:
        setattr(function, attribute, getattr(original, attribute))
    return function


def subclasses(kind: type) -> Iterator[type]:
    """All classes below `kind`."""
    below: list[type] = type.__subclasses__(kind)
    for one in below:
        yield one
        yield from subclasses(one)


def own(obj: Any, name: str) -> Any:
    """Returns what `obj` itself holds as `name`, ``None`` where there is nothing; runs none of the host's code.

    No object is ever asked for its `__dict__`: that would cost it its inline values, and make each further use of it
    half as slow again.
    """
    names = [NAMES.__get__(base) for base in BASES.__get__(type(obj))]
    kept = next((one[name] for one in names if name in one), None)
    if hasattr(type(kept), "__get__"):
        return None
    try:
        return object.__getattribute__(obj, name)
    except AttributeError:
        return None


def held(obj: Any) -> Any:
    """Returns what the private attribute of `obj` holds, ``None`` where there is none; runs none of the host's code."""
    if type(obj) in PLAIN:
        return getattr(obj, ATTRIBUTE, None)
    try:
        return object.__getattribute__(obj, ATTRIBUTE)
    except AttributeError:
        return None


def unwatched(obj: Any) -> None:
    """Let the next look for a ledger find one at once: that there is none."""
    try:
        object.__setattr__(obj, ATTRIBUTE, None)
    except Exception as error:
        faults.swallow(error, "an object that is not watched")


def guarded(record: Callable[..., Any], *arguments: Any) -> None:
    """Record; an error of ours is swallowed."""
    try:
        record(*arguments)
    except Exception as error:
        faults.swallow(error, getattr(record, "__qualname__", "recording"))


class Replaced:
    """The methods of `owner` that are replaced while something is watched."""

    def __init__(self, owner: type, replacements: Mapping[str, Any]) -> None:
        self.owner = owner
        self.originals = {name: vars(owner)[name] for name in replacements}
        self.replacements = {name: dressed(new, self.originals[name]) for name, new in replacements.items()}
        self._present = itemgetter(*replacements)
        self._ours = self._present(self.replacements)
        self._shielded: weakref.WeakSet[type] = weakref.WeakSet()
        self.hook: Any = classmethod(self._hook())

    def _hook(self) -> Callable[..., None]:
        """Shields the classes that are made later."""

        def __init_subclass__(cls: Any, **keywords: Any) -> None:  # noqa: N807
            super(self.owner, cls).__init_subclass__(**keywords)  # type: ignore[arg-type]
            guarded(self._shield, cls)

        return __init_subclass__

    def install(self) -> None:
        """Replace them, once."""
        names = NAMES.__get__(self.owner)
        if names.get(HOOK) is not self.hook:
            self.shield()
        if self._present(names) == self._ours:
            return
        originals = self.originals
        for name, function in self.replacements.items():
            if names[name] is originals[name]:
                setattr(self.owner, name, function)

    def uninstall(self) -> None:
        """Put the originals back, except where somebody else has replaced ours in the meantime."""
        for name, function in self.replacements.items():
            if vars(self.owner)[name] is function:
                setattr(self.owner, name, self.originals[name])
        if vars(self.owner).get(HOOK) is self.hook:
            type.__delattr__(self.owner, HOOK)
        for kind in list(self._shielded):
            type.__delattr__(kind, ATTRIBUTE)
        self._shielded.clear()

    def shield(self) -> None:
        """Shield the classes that there are by now: one may have kept from its base that it was made."""
        for kind in subclasses(self.owner):
            guarded(self._shield, kind)
        if HOOK not in vars(self.owner):
            type.__setattr__(self.owner, HOOK, self.hook)

    def _shield(self, kind: type) -> None:
        # Keeps our look for a ledger from a host's own `__getattr__`, which might answer with another object's.
        names = NAMES.__get__(kind)
        if not ATTRIBUTES_OF_ITS_OWN.isdisjoint(names) and ATTRIBUTE not in names:
            type.__setattr__(kind, ATTRIBUTE, None)
            self._shielded.add(kind)
