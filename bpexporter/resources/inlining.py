"""Puts the body of a standard library's method in the place of the call of it, so that a replacing method is one frame.

A frame more at each put and get costs a queue a fifth to a third of its speed, watched or not. Where the source of
the interpreter is not known its methods are called; here that call is replaced by what is called, taken from the
interpreter's own source. That is done only where the source at hand compiles to exactly what runs and the two fit
together; else, as in a frozen program that brings no source, the call stays.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Mapping
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any, NamedTuple

from bpexporter.resources.fingerprints import fingerprint

# The name in the code of the object that holds ours; each name more that a function holds by itself costs it.
OURS = "bpexporter_names"
Definition = ast.FunctionDef | ast.AsyncFunctionDef


class UnfitError(Exception):
    """The original cannot stand where it is called."""


def inlined(function: Any, calls: Mapping[str, type | None], original: Any) -> Any:
    """`function` with the body of `original` where it calls that by one of the names of `calls`.

    Where a class goes with the name, the object is known to have the methods of that class: those which the body calls
    are put in their places too, as far as they can be. `function` itself comes back where none of it can be.
    """
    try:
        return _inlined(function, calls, original)
    except (UnfitError, OSError, SyntaxError, TypeError):
        return function


def _inlined(function: Any, calls: Mapping[str, type | None], original: Any) -> Any:
    ours, theirs = _definition(function), _known_definition(original)
    outer = {name for name in _names(function.__code__) if name in function.__globals__ and name not in calls}
    _check(function.__code__, original.__code__, outer)
    used = {*function.__code__.co_varnames, *outer, OURS, *original.__code__.co_varnames, *_names(original.__code__)}
    bodies = {call: _body(theirs if kind is None else within(theirs, kind, used)) for call, kind in calls.items()}
    _Inliner(bodies, theirs.lineno, outer).visit(ours)
    return _bound(ours, original, SimpleNamespace(**{name: function.__globals__[name] for name in outer}))


def _known_definition(function: Any) -> Definition:
    """The definition of `function`, where it is the source of what runs."""
    definition = _definition(function)
    if fingerprint([_compiled(definition, function)]) != fingerprint([function]):
        raise UnfitError("another source")
    return definition


def _definition(function: Any) -> Definition:
    """The definition in the source, each line with its number there."""
    lines, first = inspect.getsourcelines(function)
    node = ast.parse(textwrap.dedent("".join(lines))).body[0]
    if not isinstance(node, Definition) or node.decorator_list:
        raise UnfitError("no plain definition")
    ast.increment_lineno(node, first - 1)
    return node


def _check(ours: CodeType, theirs: CodeType, outer: set[str]) -> None:
    inputs = ours.co_varnames[: ours.co_argcount]
    if theirs.co_varnames[: theirs.co_argcount] != inputs or theirs.co_kwonlyargcount or theirs.co_freevars:
        raise UnfitError("other arguments")
    own = {*ours.co_varnames[ours.co_argcount :], *outer, OURS}
    if not own.isdisjoint({*theirs.co_varnames, *theirs.co_cellvars, *_names(theirs)}):
        raise UnfitError("a name that both use")


def _names(code: CodeType) -> set[str]:
    """Returns the names that `code`, and what is defined in it, takes from outside or asks of objects."""
    return set(code.co_names).union(*(_names(one) for one in code.co_consts if isinstance(one, CodeType)))


def _body(theirs: Definition) -> list[ast.stmt]:
    """The statements without the docstring; they return at their end, or not at all."""
    body = theirs.body[ast.get_docstring(theirs) is not None :]
    returns = [node for node in ast.walk(theirs) if isinstance(node, ast.Return)]
    if not body or any(node is not body[-1] for node in returns):
        raise UnfitError("returns before its end")
    return body


class _Inliner(ast.NodeTransformer):
    """Replaces the statement that consists of the call, and looks our own names up in one object."""

    def __init__(self, bodies: dict[str, list[ast.stmt]], line: int, outer: set[str]) -> None:
        self.bodies = bodies
        self.line = line
        self.outer = outer

    def visit(self, node: ast.AST) -> Any:
        """Our own lines are shown where the original begins: a traceback knows one file only."""
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = self.line  # type: ignore[attr-defined]
        if isinstance(node, ast.Name) and node.id in self.outer:
            name = ast.Name(OURS, ast.Load())
            return ast.fix_missing_locations(ast.copy_location(ast.Attribute(name, node.id, ast.Load()), node))
        called = self._called(node.value) if isinstance(node, (ast.Expr, ast.Assign, ast.Return)) else None
        if called is None:
            return self.generic_visit(node)
        *body, last = called
        result = last.value or ast.Constant(None) if isinstance(last, ast.Return) else ast.Constant(None)
        if not isinstance(last, ast.Return):
            body.append(last)
        node.value = ast.copy_location(result, last)  # type: ignore[attr-defined]
        return [*body, ast.fix_missing_locations(ast.copy_location(node, last))]

    def _called(self, value: ast.expr | None) -> list[ast.stmt] | None:
        called = value.value if isinstance(value, ast.Await) else value
        known = isinstance(called, ast.Call) and isinstance(called.func, ast.Name)
        return self.bodies.get(called.func.id) if known else None  # type: ignore[union-attr]


# What is called on the object itself -----------------------------------------------------------------------


def within(theirs: Definition, kind: type, used: set[str]) -> Definition:
    """A copy of the definition with the bodies of the methods of `kind` where it calls them on its own object."""
    inner = _Within(kind, used)
    definition: Definition = inner.visit(copy.deepcopy(theirs))
    return definition


class _Within(ast.NodeTransformer):
    """Replaces calls of methods that are one expression, or that return nothing and are called as a statement."""

    def __init__(self, kind: type, used: set[str]) -> None:
        self.kind = kind
        self.used = used

    def visit_Expr(self, node: ast.Expr) -> Any:
        """A call that is a statement."""
        called = self._called(node.value)
        if called is None or any(isinstance(one, ast.Return) for one in ast.walk(called.definition)):
            return self.generic_visit(node)
        inputs = [_assigned(name, value) for name, value in called.given.items() if not _is_name(value, name)]
        return [*inputs, *called.body]

    def visit_Call(self, node: ast.Call) -> Any:
        """A call whose result is used."""
        called = self._called(node)
        result = None if called is None or called.given else _as_expression(called.body)
        return self.generic_visit(node if result is None else result)

    def _called(self, call: ast.expr) -> _Called | None:
        """The method that is called, where it can stand in the place of the call."""
        if not isinstance(call, ast.Call) or call.keywords or not isinstance(call.func, ast.Attribute):
            return None
        function = getattr(self.kind, call.func.attr, None)
        if not _is_name(call.func.value, "self") or not isinstance(function, FunctionType):
            return None
        if function.__module__ != self.kind.__module__:  # its names are others there
            return None
        names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        if len(names) != len(call.args):
            return None
        given = dict(zip(names, call.args, strict=True))
        try:
            _check_inner(
                function.__code__, self.used - {name for name, value in given.items() if _is_name(value, name)}
            )
            definition = _known_definition(function)
            body = definition.body[ast.get_docstring(definition) is not None :]
            return _Called(definition, body, given) if body else None
        except (UnfitError, OSError, SyntaxError, TypeError):
            return None


def _as_expression(body: list[ast.stmt]) -> ast.expr | None:
    """Returns the result of `body` as one expression; ``None`` where it is more than that."""
    match body:
        case [ast.Return(value)]:
            return value
        case [ast.If(test, yes, no)]:
            first, second = _as_expression(yes), _as_expression(no)
            return (
                None if first is None or second is None else ast.copy_location(ast.IfExp(test, first, second), body[0])
            )
    return None


class _Called(NamedTuple):
    """A method that is called, and what is given to it."""

    definition: Definition
    body: list[ast.stmt]
    given: dict[str, ast.expr]


def _check_inner(code: CodeType, used: set[str]) -> None:
    if code.co_varnames[:1] != ("self",) or code.co_kwonlyargcount or code.co_freevars or code.co_cellvars:
        raise UnfitError("other arguments")
    if not used.isdisjoint(code.co_varnames[1:]):
        raise UnfitError("a name that both use")


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _assigned(name: str, value: ast.expr) -> ast.stmt:
    target = ast.copy_location(ast.Name(name, ast.Store()), value)
    return ast.fix_missing_locations(ast.copy_location(ast.Assign([target], value), value))


def _bound(ours: Definition, original: Any, names: SimpleNamespace) -> Any:
    """A function with the original's globals, to which all that ours needs comes as closure."""
    for argument in ours.args.args:
        argument.annotation = None
    ours.returns = None
    maker = ast.parse(f"def maker({OURS}):\n    return {ours.name}").body[0]
    assert isinstance(maker, ast.FunctionDef)
    ast.increment_lineno(maker, ours.lineno - 1)
    maker.body.insert(0, ours)
    return _executed(maker, original)["maker"](names)


def _compiled(definition: Definition, original: Any) -> Any:
    return _executed(definition, original)[definition.name]


def _executed(definition: ast.stmt, original: FunctionType) -> dict[str, Any]:
    made: dict[str, Any] = {}
    module = ast.Module(body=[definition], type_ignores=[])
    exec(compile(module, original.__code__.co_filename, "exec", dont_inherit=True), original.__globals__, made)
    return made
