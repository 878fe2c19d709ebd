"""How large each measurement is."""

from typing import NamedTuple


class Scale(NamedTuple):
    """Sizes of everything that is measured."""

    rounds: int = 41
    """Rounds of each work; in each, every variant runs once."""
    seconds: float = 0.015
    """How long the bare variant runs in one round."""
    imports: int = 21
    """Interpreters that are started to import the package."""
    remembered: int = 10_000
    """Queues whose memory is measured."""
    scraped: int = 1_000
    """Queues that are scraped."""
    writers: int = 10_000
    """Writers that are open at once."""
    scrapes: int = 9
    """Scrapes of which the median is taken."""
    lag_seconds: float = 5.0
    """Length of each of the two stretches with scrapes, and of the two without."""
    churned: int = 1_000_000
    """Queues that are watched and dropped."""
    idle: float = 20.0
    """Seconds that a loop idles."""
    processes: int = 64
    """Processes whose publications are merged."""
    served: float = 5.0
    """Seconds of load on a service, in each of some rounds."""


FULL = Scale()
QUICK = Scale(
    rounds=15,
    seconds=0.006,
    imports=5,
    remembered=2_000,
    scrapes=3,
    lag_seconds=2.0,
    churned=50_000,
    idle=10.0,
    served=2.0,
)
# For the smoke test: everything runs, and no number means a thing.
TINY = Scale(
    rounds=2,
    seconds=0.0002,
    imports=1,
    remembered=20,
    scraped=5,
    writers=5,
    scrapes=1,
    lag_seconds=0.2,
    churned=200,
    idle=0.5,
    processes=3,
    served=0.2,
)
