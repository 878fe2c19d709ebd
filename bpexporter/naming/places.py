"""Places: where an object was made, and what it is called there.

The name is that of the attribute or variable to which the object is assigned, and where: ``app.main:Crawler.todo``,
``app.main:jobs``; else module and line. It depends on the place in the code alone, so it is the same in each run
and one for all objects that are made there. What was found out is kept for each place, which makes a further
object cheap.
"""

from __future__ import annotations

import functools
import weakref
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

from bpexporter.naming.bytecode import target_of
from bpexporter.naming.machine import instructions_of
from bpexporter.naming.targets import UNKNOWN, Target
from bpexporter.resources.awaiting import awaiting
from bpexporter.resources.origins import is_inner, join, module_name, plain, written

# So many places are kept; a program that has more makes its code as it goes.
MOST_PLACES = 4_096
# A factory calls a factory: further up nobody knows what it is about.
MOST_FRAMES = 16
CO_NEWLOCALS = 0x2
OPENING = ("open_connection", "open_unix_connection")


class Place(NamedTuple):
    """The module and line at which an object was made."""

    name: str
    """Its name there."""
    modules: tuple[str, ...]
    """The modules whose code took part, that of the call itself first."""
    adapted: bool = False
    """True where it is an object of a library for which there is an adapter, and no inner working of one."""


class Step(NamedTuple):
    """Knowledge of one place in the code."""

    code: weakref.ref[CodeType]
    module: str
    line: str
    """Module and line."""
    function: str
    """The function."""
    name: str
    """The object's name here; empty where it is not assigned."""
    returned: bool
    """True where the object goes up to the caller."""
    inside: int | None
    """Its index in a tuple that goes up."""
    building: bool
    """True for a constructor of the object itself."""
    inner: bool
    """True where the code is the standard library's or our own."""


_steps: dict[tuple[int, int, int | None], Step] = {}


def forget() -> None:
    """Find everything out anew."""
    _steps.clear()
    instructions_of.cache_clear()


def place_of(obj: object, frame: FrameType | None, *, inside: int | None = None) -> Place | None:
    """Returns the place where the code of `frame` made `obj`; ``None`` for inner workings of Python's and our own.

    `inside` is its index in the tuple that `frame` is given.
    """
    modules: list[str] = []
    line, function = "", ""
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        step = step_of(obj, frame, inside)
        inside = step.inside
        if not step.building:
            if not line and step.inner:
                return None
            line = line or step.line
            modules.append(step.module)
            if step.name and not step.inner:
                return Place(step.name, tuple(modules))
            if not step.returned:
                if step.module == "functools" and step.name:  # a cached property is called what it computes
                    line = f"{modules[-2]}:{function}"
                break
            function = step.function
        frame = frame.f_back
    return Place(line, tuple(modules)) if line else None


def place_of_executor(executor: object, frame: FrameType | None) -> Place | None:
    """Returns the place of `executor`; the one of `to_thread()` and `run_in_executor()` is the default one."""
    found = place_of(executor, frame)
    if found is None and frame is not None and module_name(frame.f_globals).partition(".")[0] == "asyncio":
        return Place("default executor", ("asyncio",))
    return found


def place_of_writer(obj: object, frame: FrameType | None) -> Place | None:
    """The same for a stream, which the standard library makes for whoever connects or is connected to."""
    while frame is not None and step_of(obj, frame, None).building:
        frame = frame.f_back
    if frame is None or not step_of(obj, frame, None).inner:
        return place_of(obj, frame)
    step = step_of(obj, frame, None)
    if frame.f_code.co_name in OPENING:
        return _place_of_opening(obj, frame) or Place(f"asyncio:{frame.f_code.co_name}", (step.module,))
    handler = _handler_of(frame)
    return handler or Place(step.name or step.line, (step.module,))


def _place_of_opening(obj: object, frame: FrameType) -> Place | None:
    inside: int | None = 1  # of the pair of reader and writer
    for caller, alone in awaiting(frame):
        step = step_of(obj, caller, inside)
        if step.inner:
            continue
        if not alone:  # where it stands says nothing of this one
            return Place(f"{join(step.module, step.function)}:{frame.f_code.co_name}", (step.module,))
        inside = step.inside
        found = step.name or (step.line if not step.returned else "")
        if found:
            return Place(found, (step.module,))
    return None


def _handler_of(frame: FrameType) -> Place | None:
    """A server's stream is called what the parameter of the function that handles its clients is called."""
    protocol = frame.f_locals.get("self") if frame.f_code.co_name == "connection_made" else None
    handler = getattr(protocol, "_client_connected_cb", None)
    while type(handler) is functools.partial:
        handler = handler.func
    bound = type(handler) is MethodType
    function = handler.__func__ if type(handler) is MethodType else handler
    if type(function) is not FunctionType:
        return None
    names = function.__code__.co_varnames[: function.__code__.co_argcount][bound:]
    module = module_name(function.__globals__)
    where = join(module, plain(function.__qualname__))
    return Place(f"{where}:{names[1] if len(names) > 1 else 'writer'}", (module,))


# One step -------------------------------------------------------------------------------------------------


def step_of(obj: object, frame: FrameType, inside: int | None) -> Step:
    """Returns the knowledge of the place at which `frame` is."""
    code = frame.f_code
    key = (id(code), frame.f_lasti, inside)
    step = _steps.get(key)
    if step is None or step.code() is not code:
        if len(_steps) >= MOST_PLACES:
            _steps.clear()
        step = _steps[key] = _found_out(obj, frame, inside)
    return step


def _found_out(obj: object, frame: FrameType, inside: int | None) -> Step:
    code = frame.f_code
    module = module_name(frame.f_globals)
    first = first_argument(frame)
    building = first is obj
    target = None if building else target_of(code, frame.f_lasti, inside)
    returned = target is not None and target.how == "returned"
    return Step(
        code=weakref.ref(code),
        module=module,
        line=written(f"{module}:{frame.f_lineno}"),
        function=plain(code.co_qualname),
        name="" if target is None or returned else written(name_of(target, code, module, first)),
        returned=returned,
        inside=target.inside if target is not None else None,
        building=building,
        inner=is_inner(module, code.co_filename),
    )


def first_argument(frame: FrameType) -> Any:
    """The first argument of the function that runs in `frame`; ``None`` where there is none."""
    code = frame.f_code
    if not code.co_argcount or not code.co_flags & CO_NEWLOCALS:
        return None
    return frame.f_locals.get(code.co_varnames[0])


# Names ----------------------------------------------------------------------------------------------------


def name_of(target: Target, code: CodeType, module: str, first: Any) -> str:
    """Returns the name of an object that `code` puts at `target`."""
    key = f"[{target.key}]" if target.key else ""
    function = plain(code.co_qualname)
    if target.how == "argument":
        callee = target.owner.removeprefix("?.")
        return f"{join(module, function)}:{callee}({target.text})" if callee != UNKNOWN else ""
    if target.how == "global":
        return f"{module}:{target.text}"
    if target.how == "name":
        is_class = not code.co_flags & CO_NEWLOCALS and code.co_name != "<module>"
        return (f"{module}:{function}.{target.text}" if is_class else f"{join(module, function)}:{target.text}") + key
    head, *rest = target.owner.split(".")
    owner = owner_of(head, code, first)
    attribute = unmangled(target.text, owner)
    if owner:
        return f"{module}:{join(owner, *rest, attribute)}{key}"
    return f"{join(module, function)}:{join(target.owner.replace(UNKNOWN, '').strip('.'), attribute)}{key}"


def owner_of(head: str, code: CodeType, first: Any) -> str:
    """The class whose instance or self `head` is in a method; empty where it is no method's first argument."""
    is_first = bool(code.co_argcount) and head == code.co_varnames[0]
    if not is_first and head not in ("self", "cls"):
        return ""
    kind = first if issubclass(type(first), type) else type(first)
    if is_first:
        for base in type.__dict__["__mro__"].__get__(kind):
            defined = type.__dict__["__dict__"].__get__(base).get(code.co_name)
            if type(defined) is FunctionType and defined.__code__ is code:
                return plain(type.__dict__["__qualname__"].__get__(base))
    scope = code.co_qualname.rpartition("<locals>.")[2] if is_first else code.co_qualname.partition(".<locals>")[0]
    return plain(scope.rpartition(".")[0])


def unmangled(attribute: str, owner: str) -> str:
    """A private name of a class as it is written."""
    prefix = f"_{owner.rpartition('.')[2].lstrip('_')}__"
    return f"__{attribute.removeprefix(prefix)}" if owner and attribute.startswith(prefix) else attribute
