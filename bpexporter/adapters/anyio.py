"""anyio's memory object streams, capacity limiters and semaphores, on asyncio."""

from __future__ import annotations

import math
from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Limiter, Sort
from bpexporter.resources.limiter.reading import UNKNOWN, Level


def taken(limiter: Any) -> Level:
    """Tokens that are borrowed."""
    total = limiter._total_tokens
    return Level(None if math.isinf(total) else total, len(limiter._borrowers))


def none_to_borrow(limiter: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no token is left, or others came first."""
    return bool(limiter._wait_queue) or len(limiter._borrowers) >= limiter._total_tokens


def permits_of(semaphore: Any) -> Level:
    """Permits that are held, where a most is set; else they are known by those that are free."""
    most = semaphore._max_value
    return Level(most, most - semaphore._value) if most is not None else UNKNOWN


def free_of(semaphore: Any) -> float:
    """Permits that are free."""
    value: float = semaphore._value
    return value


def none_free(semaphore: Any, *_others: Any, **_more: Any) -> bool:
    """Returns whether no permit is free, or others came first."""
    return semaphore._value <= 0 or bool(semaphore._waiters)


# What is made outside every loop makes what it stands for at its first use. -----------------------------------------


def taken_later(limiter: Any) -> Level:
    """Tokens that are borrowed, none before the first use."""
    inner = limiter._internal_limiter
    return Level(limiter._total_tokens, 0) if inner is None else taken(inner)


def none_to_borrow_later(limiter: Any, *_others: Any, **_more: Any) -> bool:
    """The same as `none_to_borrow`."""
    inner = limiter._internal_limiter
    return limiter._total_tokens < 1 if inner is None else none_to_borrow(inner)


def permits_later(semaphore: Any) -> Level:
    """Permits that are held, none before the first use."""
    inner = semaphore._internal_semaphore
    return Level(semaphore._initial_value, 0) if inner is None else permits_of(inner)


def free_later(semaphore: Any) -> float:
    """Permits that are free."""
    inner = semaphore._internal_semaphore
    value: float = semaphore._initial_value if inner is None else free_of(inner)
    return value


def none_free_later(semaphore: Any, *_others: Any, **_more: Any) -> bool:
    """The same as `none_free`."""
    inner = semaphore._internal_semaphore
    return semaphore._initial_value < 1 if inner is None else none_free(inner)


ADAPTER = Adapter(
    library="anyio",
    tried=("4.9.0", "4.16"),
    sorts=(
        Sort(
            module="anyio.streams.memory",
            name="_MemoryObjectStreamState",
            former=("MemoryObjectStreamState",),
            others=("MemoryObjectSendStream", "MemoryObjectReceiveStream"),
            behind=lambda stream: getattr(stream, "_state", stream),
            inside=0,
            instrument="bpexporter.adapters.memory_streams",
        ),
        Limiter(
            module="anyio._backends._asyncio",
            name="CapacityLimiter",
            functions={"current_default_thread_limiter": "anyio:default thread limiter", "_limiter": ""},
            level=taken,
            methods=(Acquiring(method="acquire_on_behalf_of", has_to_wait=none_to_borrow),),
        ),
        Limiter(
            module="anyio._backends._asyncio",
            name="Semaphore",
            functions={"_semaphore": ""},
            level=permits_of,
            free=free_of,
            methods=(Acquiring(method="acquire", has_to_wait=none_free),),
        ),
        Limiter(
            module="anyio._core._synchronization",
            name="CapacityLimiterAdapter",
            level=taken_later,
            methods=tuple(
                Acquiring(method=method, has_to_wait=none_to_borrow_later)
                for method in ("__aenter__", "acquire", "acquire_on_behalf_of")
            ),
        ),
        Limiter(
            module="anyio._core._synchronization",
            name="SemaphoreAdapter",
            level=permits_later,
            free=free_later,
            methods=(Acquiring(method="acquire", has_to_wait=none_free_later),),
        ),
    ),
)
