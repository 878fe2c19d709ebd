"""Targets: where a value may be put, and how that is told by what stands on the stack."""

from __future__ import annotations

from typing import Any, NamedTuple

# Methods that put their argument into their receiver.
CONTAINING = {"add", "append", "appendleft", "insert", "put", "put_nowait", "setdefault", "extend", "update", "push"}
# Functions whose result holds their argument, or is it.
PASSING = {"list", "tuple", "set", "frozenset", "deque", "dict", "cast"}
UNKNOWN = "?"
NULL = "NULL"


class Constant(NamedTuple):
    """A constant on the stack."""

    value: Any


class Value:
    """The value that is followed."""


VALUE = Value()


class Target(NamedTuple):
    """The kind of target."""

    how: str
    """``name``, ``global``, ``attribute``, ``argument``, or ``returned``."""
    text: str = ""
    """The name, attribute or parameter."""
    owner: str = ""
    """The expression whose attribute it becomes, or the function that is called."""
    key: str = ""
    """The constant key in a mapping."""
    inside: int | None = None
    """Its index in a tuple that is returned."""


def text_of(entry: Any) -> str:
    """An entry of the stack as an expression."""
    return entry if isinstance(entry, str) else UNKNOWN


def key_of(entry: Any) -> str:
    """A constant key, or a name in capitals, as text; what varies gives none."""
    if isinstance(entry, Constant) and isinstance(entry.value, (str, int)):
        return str(entry.value)[:100]
    return entry if isinstance(entry, str) and entry.rpartition(".")[2].isupper() and entry != NULL else ""


def placed(owner: str, key: str) -> Target:
    """The value has become an element of `owner`, a name or an attribute."""
    head, _, last = owner.rpartition(".")
    return Target("attribute", last, head, key) if head else Target("name", last, key=key)


def argument_of(function: str, bound: str, arguments: list[Any], names: tuple[str, ...]) -> Target | None:
    """Returns the target to which a call puts one of its arguments, as far as that can be told."""
    index = arguments.index(VALUE)
    method = function.rpartition(".")[2]
    keyword = index - (len(arguments) - len(names))
    if keyword >= 0:
        return Target("argument", names[keyword], function)
    if method in ("setattr", "__setattr__") and index and isinstance(arguments[index - 1], Constant):
        owner = text_of(arguments[index - 2]) if index > 1 else bound
        return Target("attribute", str(arguments[index - 1].value), owner)
    if method in CONTAINING and bound not in (NULL, UNKNOWN):
        return placed(bound, key_of(arguments[0]) if method == "setdefault" and index else "")
    return None
