"""The highest level of the last minute."""

from __future__ import annotations

from collections.abc import Sequence

# The window that the metric's name promises; entries nearer to one another than a slot are one.
PEAK_WINDOW = 60.0


PEAK_SLOT = 0.25


class PeakWindow:
    """The highest level of the last 60 s, whoever reads and how often."""

    __slots__ = ("levels",)

    def __init__(self) -> None:
        # Ascending in time, descending in level: what is lower and older can never be the peak again.
        self.levels: Sequence[tuple[float, float]] = ()

    def add(self, level: float, now: float) -> None:
        """`level` was left at `now`."""
        oldest = now - PEAK_WINDOW - PEAK_SLOT  # a date at the end of a slot is ahead of the readers by as much
        levels = [entry for entry in self.levels if entry[1] > level and entry[0] >= oldest]
        if levels and levels[-1][0] // PEAK_SLOT == now // PEAK_SLOT:
            levels[-1] = (now, levels[-1][1])
        else:
            levels.append((now, level))
        self.levels = levels

    def read(self, now: float) -> float:
        """The highest level that was left in the 60 s before `now`; 0 when there is none."""
        levels, oldest = self.levels, now - PEAK_WINDOW
        # The first that is not too old is the highest.
        return next((level for left, level in levels if left >= oldest), 0) if levels else 0
