"""Names of loops: by the thread, or, where nobody has named that, by what runs in it."""

from __future__ import annotations

import functools
import re
import sys
import threading
from typing import Any

from bpexporter.resources.origins import module_name

# Names that `threading` gives to threads which nobody has named.
UNNAMED = re.compile(r"Thread-\d+( \(.*\))?")
# Modules that run a loop on behalf of somebody else, who is more worth knowing.
RUNNERS = ("asyncio", "uvloop", "threading", "concurrent")
LONGEST = 200


def thread_name(ident: int | None) -> str:
    """`main`, the name of the thread without what counts threads up, or what an unnamed thread runs."""
    if ident == threading.main_thread().ident:
        return "main"
    thread = next((one for one in threading.enumerate() if one.ident == ident), None)
    if thread is None:
        return "loop"
    name = _what_runs(thread) if UNNAMED.fullmatch(thread.name) else re.sub(r"[-_ ]?\d+", "", thread.name)
    return name.encode("utf-8", "replace").decode()[:LONGEST] or "loop"


def _what_runs(thread: threading.Thread) -> str:
    """The function, or the coroutine that is run, as ``module:name``; else the class of the thread."""
    given: list[Any] = [getattr(thread, "_target", None), *getattr(thread, "_args", ())]
    found = (_described(one) for one in [type(thread), *given] if one is not None)
    return next(
        (f"{module}:{name}" for module, name in found if module.partition(".")[0] not in ("", *RUNNERS)), "thread"
    )


def _described(thing: Any) -> tuple[str, str]:
    """Module and name of a class, a function or a coroutine of Python's; empty for anything else."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    thing = getattr(thing, "__func__", thing)
    frame = getattr(thing, "cr_frame", None)
    if frame is not None:
        return _module(frame.f_globals), frame.f_code.co_qualname
    if isinstance(thing, type):
        return _module(getattr(sys.modules.get(thing.__module__), "__dict__", {})), str(thing.__qualname__)
    if hasattr(thing, "__code__"):
        return _module(thing.__globals__), str(thing.__qualname__)
    return "", ""


def _module(names: dict[str, Any]) -> str:
    """Returns the module whose globals these are, of a program its file; empty where they do not say."""
    return module_name(names) if names.get("__name__") else ""
