"""Numbers that are never reached: what is not limited is compared with them."""

from __future__ import annotations

import math

INFINITY = math.inf
NEVER = 1 << 62  # a count that is not reached
# A depth that is not reached. It is the largest integer that CPython compares fast: infinity, or a longer one,
# takes three times as long on the hot path.
DEEP = (1 << 30) - 1
