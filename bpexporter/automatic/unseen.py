"""Libraries that the program has loaded, in which it may wait, and that are not seen."""

from __future__ import annotations

import sys
from typing import Any

# Libraries in which a program waits without asyncio: by the module that it has loaded.
ELSEWHERE = {
    "trio": "what trio runs",
    "curio": "what curio runs",
    "gevent": "what gevent runs",
    "eventlet": "what eventlet runs",
    "twisted.internet.defer": "Twisted's queues",
    "tornado.queues": "Tornado's queues",
    "multiprocessing.queues": "multiprocessing's queues",
}
NOT_ASYNCIO = "it waits by itself, and not with asyncio"


def unseen() -> list[dict[str, str]]:
    """Returns what is not seen of this process, and why."""
    choosing: Any = sys.modules.get("bpexporter.adapters.choosing")
    left_alone: dict[str, str] = choosing.left_alone if choosing is not None else {}
    elsewhere = [{"what": text, "why": NOT_ASYNCIO} for module, text in ELSEWHERE.items() if module in sys.modules]
    return elsewhere + [{"what": f"what {what} holds", "why": why} for what, why in left_alone.copy().items()]
