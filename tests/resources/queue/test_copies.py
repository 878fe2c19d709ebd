"""What stands a second time in the frames of the hot path does what its original does."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.queue import fallback, methods
from bpexporter.resources.queue.ledger import QueueLedger


class Effect(NamedTuple):
    """A value that is written, and under which conditions."""

    target: str
    value: str
    conditions: tuple[str, ...]


def effects(statements: list[ast.stmt], conditions: tuple[str, ...] = ()) -> Iterator[Effect]:
    """Everything that the statements write, in order."""
    for node in statements:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from (Effect(ast.unparse(target), ast.unparse(value), conditions) for target in targets)
            case ast.AugAssign(target=target, value=value):
                yield Effect(ast.unparse(target), f"{type(node.op).__name__} {ast.unparse(value)}", conditions)
            case ast.Delete(targets=targets):
                yield from (Effect(ast.unparse(target), "deleted", conditions) for target in targets)
            case ast.If(test=test, body=body, orelse=orelse):
                yield from effects(body, (*conditions, ast.unparse(test)))
                yield from effects(orelse, (*conditions, f"not ({ast.unparse(test)})"))
            case ast.Try(body=body, handlers=handlers, orelse=orelse):
                yield from effects([*body, *(one for handler in handlers for one in handler.body), *orelse], conditions)
            case ast.While(body=body):
                yield from effects(body, conditions)


def body_of(function: Callable[..., Any]) -> list[ast.stmt]:
    """The statements of a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    return tree.body


class Copy(NamedTuple):
    """A copy: in which function, of which methods in turn, with other names, less what is not needed there."""

    where: Callable[..., Any]
    originals: tuple[Callable[..., Any], ...]
    names: dict[str, str]
    without: tuple[str, ...] = ()


CLOCK = {r"self\.waiting": "waiting", "self": "stall"}
# A get from a queue in order never asks this.
IN_ORDER = ("ledger.fast_get_min", "falling_depth")
COPIES = (
    Copy(methods.put, (StallClock.begin, StallClock.end), CLOCK),
    Copy(methods.get, (StallClock.begin, StallClock.end), CLOCK),
    Copy(methods.put_nowait, (QueueLedger.rise,), {"self": "ledger"}, IN_ORDER),
    Copy(methods.get_nowait, (QueueLedger.fall,), {"self": "ledger"}, IN_ORDER),
    Copy(fallback.put_nowait, (QueueLedger.rise,), {"self": "ledger"}, IN_ORDER),
    Copy(fallback.get_nowait, (QueueLedger.fall,), {"self": "ledger"}, IN_ORDER),
)
# The time is read, and a caller known, in a way of its own; the rest of what is written must be the same.
LOCAL = {"now", "waited"}


def renamed(text: str, names: dict[str, str]) -> str:
    """`text` with the names of the copy."""
    for old, new in names.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


def expected(copy: Copy) -> list[Effect]:
    """What the originals write, in the words of the copy."""
    found = []
    for original in copy.originals:
        names = dict(copy.names)
        if original is StallClock.begin:
            names |= {"token": "caller", "now": "began"}
        for effect in effects(body_of(original)):
            conditions = tuple(renamed(one, names) for one in effect.conditions)
            found.append(Effect(renamed(effect.target, names), renamed(effect.value, names), conditions))
    return [one for one in found if one.target not in (*LOCAL, "waiting", *copy.without)]


def copied(copy: Copy, targets: set[str]) -> list[Effect]:
    """What the copy writes of that."""
    return [one for one in effects(body_of(copy.where)) if one.target in targets]


@pytest.mark.parametrize(
    "copy", COPIES, ids=lambda copy: f"{copy.where.__module__.rpartition('.')[2]}.{copy.where.__name__}"
)
def test_a_copy_writes_what_its_original_writes(copy: Copy):
    """The same values to the same places, in the same order, under the same conditions besides those around it."""
    wanted = expected(copy)
    found = copied(copy, {one.target for one in wanted})
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        assert not theirs.conditions or ours.conditions[-len(theirs.conditions) :] == theirs.conditions


def test_a_copy_that_differs_is_found():
    """The check is no formality: a line that is gone, and one that is changed, are told."""
    copy = COPIES[2]
    wanted = expected(copy)
    assert len(wanted) > 7
    lines = ast.unparse(ast.Module(body_of(copy.where), []))
    for before, after in (("ledger.band_since = now", "pass"), ("= band.up", "= band.down")):
        assert before in lines
        changed = list(effects(ast.parse(lines.replace(before, after)).body))
        assert [one for one in changed if one.target in {effect.target for effect in wanted}] != copied(
            copy, {effect.target for effect in wanted}
        )
