"""The functions that take the place of a library's methods in which callers of a limiter wait.

They call the originals, and record around them. Whoever need not wait costs a look at the ledger and at the limiter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import iscoroutinefunction, unwrap
from typing import Any

from bpexporter.adapters.ledgers import ledger_of
from bpexporter.adapters.shape import Acquiring, Limiter
from bpexporter.faults import faults
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import guarded

# Who waits, in which ledger: a time-out of the library's own may run what follows in a task of its own.
_present: ContextVar[tuple[LimiterLedger, object] | None] = ContextVar("bpexporter_acquiring", default=None)


def acquiring(sort: Limiter, how: Acquiring, original: Any) -> Any:
    """Returns what takes the place of `original`, a method in which callers wait."""
    begun = _beginning(sort, how)

    async def acquire(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _acquired(sort, begun(self, args, kwargs)):
            return await original(self, *args, **kwargs)

    def acquire_here(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _acquired(sort, begun(self, args, kwargs)):
            return original(self, *args, **kwargs)

    return functools.wraps(original)(acquire if iscoroutinefunction(unwrap(original)) else acquire_here)


def landing(_sort: Limiter, original: Any) -> Any:
    """Returns what takes the place of `original`, a method that is called once a permit was got."""

    def landed() -> None:
        present = _present.get()
        if present is not None and present[1] in present[0].blocked.waiting:
            guarded(present[0].acquired, present[1])

    async def go_on(self: Any, *args: Any, **kwargs: Any) -> Any:
        landed()
        return await original(self, *args, **kwargs)

    def go_on_here(self: Any, *args: Any, **kwargs: Any) -> Any:
        got = original(self, *args, **kwargs)  # here it is the one that gets the permit
        landed()
        return got

    return functools.wraps(original)(go_on if iscoroutinefunction(unwrap(original)) else go_on_here)


# A call --------------------------------------------------------------------------------------------------

Begun = tuple[Any, LimiterLedger, object]


def _beginning(sort: Limiter, how: Acquiring) -> Callable[..., Begun | None]:
    """Begins a call: the limiter, its ledger, and the token of the wait where there is one."""

    def begin(self: Any, args: Any, kwargs: Any) -> Begun | None:
        try:
            limiter = sort.behind(self)
            ledger = ledger_of(limiter)
            if ledger is None:
                return None
            token = waiting_token(ledger.blocked) if how.has_to_wait(self, *args, **kwargs) else None
            if token is not None:
                ledger.begin(token)
            return limiter, ledger, token
        except Exception as error:
            faults.swallow(error, f"a caller of {sort.name}")
            return None

    return begin


@contextmanager
def _acquired(sort: Limiter, begun: Begun | None) -> Iterator[None]:
    """Around a call: records how it ends."""
    if begun is None:
        yield
        return
    limiter, ledger, token = begun
    outer = _present.set((ledger, token)) if token is not None else None
    try:
        yield
    except BaseException:
        if token in ledger.blocked.waiting:  # else it had its permit
            guarded(ledger.gave_up, token)
        raise
    finally:
        if outer is not None:
            _present.reset(outer)
    if token in ledger.blocked.waiting:
        guarded(ledger.acquired, token)
    elif token is None:
        ledger.acquires += 1
    guarded(sort.note, ledger, limiter)
