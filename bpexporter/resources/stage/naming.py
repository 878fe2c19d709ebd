"""The stage of a task: the outermost coroutine of the application's own code, or a name given by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from bpexporter.resources.awaiting import CO_ASYNC_GENERATOR, CO_COROUTINE, suspended_frames, waiter_for
from bpexporter.resources.origins import FOREIGN, INNER, MAIN, OWN, is_ours, origin, plain, written

# The name given by hand to the code that runs in a context.
given: ContextVar[str | None] = ContextVar("bpexporter_stage", default=None)
# Frames of one task that are looked through; a coroutine deeper than this is not looked for.
MOST_FRAMES = 64
# The most names that are kept; a program that has more makes its code as it goes.
MOST_NAMES = 1_024
# A task waits for a task that waits for a task: further up nobody knows what it is about.
MOST_TASKS = 4


class Role(NamedTuple):
    """The stage that a task is counted for."""

    name: str
    """The stage."""
    lasting: bool
    """True where it stays so as long as the task lives: its outermost coroutine says so."""


@lru_cache(maxsize=MOST_NAMES)
def called(module: str, qualname: str) -> str:
    """Returns the name of a coroutine's stage."""
    return written(f"{module}:{plain(qualname) or qualname}")


def role_of(task: Any, frame: FrameType | None) -> Role | None:
    """Returns the stage of `task`; `frame` is the innermost one that runs in it, ``None`` where none does.

    ``None`` where no coroutine of it is the application's own.
    """
    root = task.get_coro()
    code, outermost = getattr(root, "cr_code", None), getattr(root, "cr_frame", None)
    if code is not None and outermost is not None:
        place = origin(code, outermost.f_globals)
        if place.whose == OWN:  # called what it wraps, where it says so
            return Role(called(place.module, root.__qualname__), lasting=True)
    frames = suspended_frames(root) if frame is None else reversed(list(_running(frame, code)))
    return _first(frames)


def _running(frame: FrameType | None, root: CodeType | None) -> Iterator[FrameType]:
    """The frames of coroutines from `frame` on, up to that of `root`."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        if frame.f_code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR):
            yield frame
        if frame.f_code is root:
            return
        frame = frame.f_back


def _first(frames: Iterable[FrameType]) -> Role | None:
    """The first of the application's own; where there is none, the first of the program that is run."""
    second: Role | None = None
    for frame in frames:
        place = origin(frame.f_code, frame.f_globals)
        if place.whose in (OWN, MAIN) and (place.whose == OWN or second is None):
            role = Role(called(place.module, frame.f_code.co_qualname), lasting=False)
            if place.whose == OWN:
                return role
            second = role
    return second


def parent_of(task: Any) -> Any:
    """The task that awaits `task`, one that runs nothing but the standard library's code and ours; else ``None``."""
    for _ in range(MOST_TASKS):
        if not runs_inner(task):
            return task
        waiter = waiter_for(task, alone=True)
        if waiter is None:
            return None
        task = waiter.task
    return None


def runs_inner(task: Any) -> bool:
    """Returns whether the outermost coroutine of `task` is the standard library's or ours."""
    root = task.get_coro()
    frame = getattr(root, "cr_frame", None)
    return frame is not None and origin(frame.f_code, frame.f_globals).whose == INNER


def awaited_by(task: Any) -> str:
    """Returns what a task awaits in the end: the innermost function of a library, else one of the standard library.

    Empty where that is its own code. What is ours is never named.
    """
    awaited, root = "", task.get_coro()
    if getattr(root, "cr_running", False):
        return awaited
    for frame in list(suspended_frames(root))[-MOST_FRAMES:]:
        place = origin(frame.f_code, frame.f_globals)
        if place.whose in (OWN, MAIN):
            awaited = ""
        elif place.whose == FOREIGN or not (awaited or is_ours(place.module)):
            awaited = called(place.module, frame.f_code.co_qualname)
    return awaited


def give(name: str) -> Token[str | None]:
    """The code that runs in this context works for the stage `name`."""
    return given.set(name)


def take_back(token: Token[str | None]) -> None:
    """It works for what it did before; where that was another context, nothing is to be taken back."""
    try:
        given.reset(token)
    except ValueError:
        given.set(token.old_value if isinstance(token.old_value, str) else None)
