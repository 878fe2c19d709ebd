"""aiolimiter's rate limiter: what may be taken at once, what has not leaked away yet, and who waits."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bpexporter.adapters.shape import Acquiring, Adapter, Limiter
from bpexporter.resources.limiter.reading import Level


def held(limiter: Any, now: float) -> float:
    """Returns the level of the bucket: it leaks all the time, and does so in its own figures when somebody asks it."""
    return max(0.0, float(limiter._level - (now - limiter._last_check) * limiter._rate_per_sec))


def level(limiter: Any) -> Level:
    """Returns the level of the bucket now; event loops tell the time by this clock."""
    return Level(limiter.max_rate, held(limiter, time.monotonic()))


def has_to_wait(limiter: Any, amount: float = 1, **_more: Any) -> bool:
    """Returns whether the bucket has no room for so much."""
    return bool(0 <= amount <= limiter.max_rate < held(limiter, asyncio.get_running_loop().time()) + amount)


ADAPTER = Adapter(
    library="aiolimiter",
    tried=("1.2.0", "1.3"),
    sorts=(
        Limiter(
            module="aiolimiter.leakybucket",
            name="AsyncLimiter",
            level=level,
            methods=(Acquiring(method="acquire", has_to_wait=has_to_wait),),
        ),
    ),
)
