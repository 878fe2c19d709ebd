"""The hub as its users see it, and the one that the process has by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bpexporter.hub import beginnings, process
from bpexporter.hub.loops import find_loop, find_loops
from bpexporter.hub.registry import MAX_NAMES, Registry
from bpexporter.primitives.histogram import DEFAULT_BUCKETS, checked_buckets
from bpexporter.primitives.public import public

if TYPE_CHECKING:
    from bpexporter.hub.snapshot import Snapshot


@public
class Hub:
    """Names, and what is recorded under each.

    `buckets`: upper bounds in seconds of all histograms. `max_names`: how many names each kind may have before
    further ones are counted as ``__other__``. `clock`: monotonic seconds; for tests.

    Raises ``ValueError`` or ``TypeError`` for buckets that do not ascend above zero, and for a limit under 1.
    """

    def __init__(
        self,
        *,
        buckets: Iterable[float] = DEFAULT_BUCKETS,
        max_names: int = MAX_NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(max_names, int) or max_names < 1:
            raise ValueError(f"max_names must be a whole number from 1 on, not {max_names!r}")
        self._registry = Registry(
            buckets=checked_buckets(buckets), max_names=max_names, clock=clock, find_loop=find_loop
        )
        process.registries.add(self._registry)

    def __repr__(self) -> str:
        return f"<bpexporter.Hub with {self._registry!r}>"

    @property
    def buckets(self) -> tuple[float, ...]:
        """Upper bounds of all histograms in seconds, without the infinite one."""
        return self._registry.buckets

    @property
    def clock(self) -> Callable[[], float]:
        """The clock: a function that returns monotonic seconds."""
        return self._registry.clock

    def snapshot(self) -> Snapshot:
        """All readings now. May be called from any thread; runs none of the application's code."""
        from bpexporter.hub.reading import read_registry  # whoever imports us need not wait for it

        find_loops(self._registry)
        return read_registry(self._registry)


default_hub = Hub()


def checked_hub(hub: object) -> Hub:
    """`hub`, by default the process's. Raises ``TypeError`` where it is none."""
    if hub is None:
        return default_hub
    if not isinstance(hub, Hub):
        raise TypeError(f"hub must be a bpexporter.Hub, not {type(hub).__name__}")
    return hub


def registry_of(hub: Hub) -> Registry:
    """The names and members of `hub`, which are no business of its users."""
    return hub._registry


def _load() -> None:
    """Load what reads when something is watched: a child that is forked while a thread loads it could never read."""
    from bpexporter.hub import reading as _reading  # noqa: F401


beginnings.on_first_watched(_load)
