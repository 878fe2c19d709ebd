"""Watches limiters of libraries, as their adapters describe them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from bpexporter.adapters.acquiring import acquiring, landing
from bpexporter.adapters.ledgers import drop, keep, ledger_of
from bpexporter.adapters.replacing import Replacements
from bpexporter.adapters.shape import Acquiring, Landing, Limiter, Replacing, Sort
from bpexporter.resources.limiter.instrument import LimiterInstrument
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.reading import Level


def part_of(sort: Sort, obj: Any) -> Any:
    """Returns the object behind `obj`, which may be that already."""
    return sort.behind(obj) if issubclass(type(obj), sort.classes()) else obj


class Instrument(LimiterInstrument):
    """Watches the limiters of one sort."""

    def __init__(self, sort: Limiter) -> None:
        self.sort = sort
        self._replaced = Replacements()

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        self._replaced.undo()

    def install(self) -> None:
        """Put the methods in that record."""
        if self._replaced:
            return
        module = sys.modules[self.sort.module]
        for how in self.sort.methods:
            self._replaced.replace(getattr(module, how.of or self.sort.name), how.method, self._making(how))

    def _making(self, how: Acquiring | Landing | Replacing) -> Callable[[Any], Any]:
        if isinstance(how, Replacing):
            return partial(how.making, self.sort)
        return partial(acquiring, self.sort, how) if isinstance(how, Acquiring) else partial(landing, self.sort)

    def owner_of(self, limiter: Any) -> Any:
        """Returns the object behind `limiter`."""
        return part_of(self.sort, limiter)

    def ledger_of(self, limiter: Any) -> LimiterLedger | None:
        """The ledger of `limiter`, ``None`` where it is not watched."""
        ledger = ledger_of(self.owner_of(limiter))
        return ledger if isinstance(ledger, LimiterLedger) else None

    def attach(self, limiter: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> LimiterLedger:
        """Give `limiter` a ledger. Raises ``TypeError`` where it is not ready to be watched yet."""
        behind = self.owner_of(limiter)
        if behind is None:
            raise TypeError(f"cannot watch a {type(limiter).__qualname__} that is not open yet")
        self.install()
        ledger = LimiterLedger(bounds=bounds, clock=clock)
        ledger.capacity = self.sort.level_of(ledger, behind).capacity or 0
        keep(behind, ledger)
        return ledger

    def join(self, limiter: Any, ledger: LimiterLedger) -> None:
        """`limiter` stands for what is recorded already."""

    def detach(self, limiter: Any) -> None:
        """Take the ledger from `limiter`."""
        drop(self.owner_of(limiter))

    def level(self, ledger: LimiterLedger, limiter: Any, now: float) -> Level:
        """Returns the present state of the limiter by its own account."""
        return self.sort.level_of(ledger, limiter)
