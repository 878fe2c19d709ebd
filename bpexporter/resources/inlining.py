"""Puts the body of a standard library's method in the place of the call of it, so that a replacing method is one frame.

A frame more at each put and get costs a queue a fifth to a third of its speed, watched or not. Where the source of
the interpreter is not known its methods are called; here that call is replaced by what is called, taken from the
interpreter's own source. That is done only where the source at hand compiles to exactly what runs and the two fit
together; else, as in a frozen program that brings no source, the call stays.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

from bpexporter.resources.fingerprints import fingerprint

# The name in the code of the object that holds ours; each name more that a function holds by itself costs it.
OURS = "bpexporter_names"
Definition = ast.FunctionDef | ast.AsyncFunctionDef


class UnfitError(Exception):
    """The original cannot stand where it is called."""


def inlined(function: Any, call: str, original: Any) -> Any:
    """`function` with the body of `original` where it calls that as `call`; `function` itself where that cannot be."""
    try:
        return _inlined(function, call, original)
    except (UnfitError, OSError, SyntaxError, TypeError):
        return function


def _inlined(function: Any, call: str, original: Any) -> Any:
    ours, theirs = _definition(function), _definition(original)
    if fingerprint([_compiled(theirs, original)]) != fingerprint([original]):
        raise UnfitError("another source")
    outer = {name for name in _names(function.__code__) if name in function.__globals__ and name != call}
    _check(function.__code__, original.__code__, outer)
    _Inliner(call, _body(theirs), theirs.lineno, outer).visit(ours)
    return _bound(ours, original, SimpleNamespace(**{name: function.__globals__[name] for name in outer}))


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

    def __init__(self, call: str, body: list[ast.stmt], line: int, outer: set[str]) -> None:
        self.call = call
        self.body = body
        self.line = line
        self.outer = outer

    def visit(self, node: ast.AST) -> Any:
        """Our own lines are shown where the original begins: a traceback knows one file only."""
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = self.line  # type: ignore[attr-defined]
        if isinstance(node, ast.Name) and node.id in self.outer:
            name = ast.Name(OURS, ast.Load())
            return ast.fix_missing_locations(ast.copy_location(ast.Attribute(name, node.id, ast.Load()), node))
        if not isinstance(node, (ast.Expr, ast.Assign, ast.Return)) or not self._calls(node.value):
            return self.generic_visit(node)
        *body, last = self.body
        result = last.value or ast.Constant(None) if isinstance(last, ast.Return) else ast.Constant(None)
        if not isinstance(last, ast.Return):
            body.append(last)
        node.value = ast.copy_location(result, last)
        return [*body, ast.fix_missing_locations(ast.copy_location(node, last))]

    def _calls(self, value: ast.expr | None) -> bool:
        called = value.value if isinstance(value, ast.Await) else value
        return isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id == self.call


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
