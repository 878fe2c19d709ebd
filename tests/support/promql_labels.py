"""Which labels the series of a query have, found without data; and what cannot match, or matches too much, for that.

A grouping by a label that is not there gives one nameless sum, a join of unlike label sets nothing, one on too few
labels is many-to-many as soon as there are two jobs: all three parse, and none is seen on a small Prometheus.
"""

from collections.abc import Callable, Mapping
from typing import Any

import promql_parser as p
from promql_parts import OF_ALERTS, OF_SOME_TARGETS, OF_TARGETS, declared, substituted

from bpexporter.catalogue.metrics import METRICS

Node = Any
# `None` is a number or a text: no series at all.
Labels = set[str] | None

KEEPING = {"topk", "bottomk"}
SETS = {"and", "unless", "or"}
NAMELESS = {"vector", "absent", "absent_over_time"}
NUMBERS = {"scalar", "time"}


class Reader:
    """Goes through a query; what is wrong gathers in `told`. `recorded` are the labels of recorded series by name."""

    def __init__(self, recorded: Mapping[str, set[str]]) -> None:
        self.recorded = recorded
        self.told: list[str] = []

    def read(self, node: Node) -> Labels:
        """The labels of what a node gives."""
        return READERS[type(node)](self, node)

    def missing(self, wanted: set[str], there: set[str], what: str) -> None:
        """Tell of labels that are not there."""
        if strange := sorted(wanted - there - OF_SOME_TARGETS):
            self.told.append(f"{what} {', '.join(strange)}, which nothing has")

    def selector(self, node: Node) -> Labels:
        """A metric's own labels and those of its target."""
        if node.name in self.recorded:
            return set(self.recorded[node.name])
        if node.name == "ALERTS":
            return OF_TARGETS | OF_ALERTS | {metric.label for metric in METRICS if metric.label}
        found = declared(node.name or "")
        return OF_TARGETS | (set(found[0].labels) | ({"le"} if found[1] == "bucket" else set()) if found else set())

    def aggregate(self, node: Node) -> Labels:
        """What is left after grouping."""
        there, modifier = self.read(node.expr) or set(), node.modifier
        listed = set(modifier.labels) if modifier else set()
        self.missing(listed, there, "grouped by")
        if str(node.op) in KEEPING:
            return there
        left = there - listed if modifier and modifier.type == p.AggModifierType.Without else listed
        if "le" in there - left:
            self.told.append("buckets of a histogram are added up over le")
        return left

    def call(self, node: Node) -> Labels:
        """What a function makes of its first series."""
        name = node.func.name
        given = [self.read(argument) for argument in node.args]
        if name in NUMBERS | NAMELESS:
            return None if name in NUMBERS else set()
        there = next((labels for labels in given if labels is not None), None)
        return CHANGING.get(name, unchanged)(self, node, there)

    def quantile(self, _node: Node, there: Labels) -> Labels:
        """A quantile uses `le` up."""
        self.missing({"le"}, there or set(), "histogram_quantile needs")
        return (there or set()) - {"le"}

    def replaced(self, node: Node, there: Labels) -> Labels:
        """A label more, out of one that must be there."""
        _, made, _, source, _ = node.args
        self.missing({source.val} - {""}, there or set(), "label_replace takes")
        return (there or set()) | {made.val}

    def binary(self, node: Node) -> Labels:
        """Two sides that meet."""
        left, right = self.read(node.lhs), self.read(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        if str(node.op) == "or":
            return left | right
        matching = node.modifier.matching if node.modifier else None
        return self.joined(node, left, right) if matching else self.alike(left, right)

    def alike(self, left: set[str], right: set[str]) -> Labels:
        """Sides without `on` or `ignoring` meet where all labels are the same."""
        if left != right:
            self.told.append(f"never match: {', '.join(sorted(left ^ right))} are on one side only")
        return left

    def joined(self, node: Node, left: set[str], right: set[str]) -> Labels:
        """Sides with `on` or `ignoring`: the one that is not many must have no further labels."""
        matching, card = node.modifier.matching, node.modifier.card
        listed = set(matching.labels)
        on = listed if matching.type == p.LabelModifierType.Include else (left | right) - listed
        self.missing(on, left & right, "joined on")
        if str(node.op) in SETS:
            return left
        sides = ((p.VectorMatchCardinality.ManyToOne, left), (p.VectorMatchCardinality.OneToMany, right))
        many = next((side for kind, side in sides if kind == card), None)
        for side in (left, right):
            if side is not many and side - on:
                self.told.append(f"many match: joined without {', '.join(sorted(side - on))}")
        return on if many is None else many | set(node.modifier.group_labels or [])


def unchanged(_reader: Reader, _node: Node, there: Labels) -> Labels:
    """Most functions keep the labels."""
    return there


def inner(name: str) -> Callable[[Reader, Node], Labels]:
    """The reader of a node that only wraps another."""
    return lambda reader, node: reader.read(getattr(node, name))


CHANGING: dict[str, Callable[[Reader, Node, Labels], Labels]] = {
    "histogram_quantile": Reader.quantile,
    "label_replace": Reader.replaced,
}
READERS: dict[type, Callable[[Reader, Node], Labels]] = {
    p.NumberLiteral: lambda _reader, _node: None,
    p.StringLiteral: lambda _reader, _node: None,
    p.VectorSelector: Reader.selector,
    p.MatrixSelector: inner("vector_selector"),
    p.SubqueryExpr: inner("expr"),
    p.ParenExpr: inner("expr"),
    p.UnaryExpr: inner("expr"),
    p.AggregateExpr: Reader.aggregate,
    p.Call: Reader.call,
    p.BinaryExpr: Reader.binary,
}


def labels_of(query: str) -> Labels:
    """The labels of the series that a query gives."""
    return Reader({}).read(p.parse(substituted(query)))


def wrong_matches(query: str, recorded: Mapping[str, set[str]]) -> list[str]:
    """Groupings by what is not there, and joins that match nothing or too much."""
    reader = Reader(recorded)
    reader.read(p.parse(substituted(query)))
    return reader.told
