"""The declaration of a metric: its name, what it counts, what it means, how it is read and merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["gauge", "counter", "histogram"]

Merge = Literal["sum", "max", "min"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One declaration.

    `field` names the attribute of the subject's reading, `label` the label that carries the resource's name, where
    there is one. `split` is a further label with the values `parts`; the field is then a tuple in that order. `table`
    are further labels whose values are found as the program runs; the field is then a mapping from tuples of their
    values to numbers. `merge` says how readings of several members, or of several processes, become one. `ages` says
    that the number, where it is not 0, grows by itself as time passes, also where nobody reads it. `needs_bound` says
    that it could only be 0 where nothing is bounded, and is left out there. `needs_wait` is the field that counts those
    who had to wait: before the first one, there is nothing to tell of resources that were found by themselves.
    """

    name: str
    kind: Kind
    unit: str
    subject: str
    label: str
    field: str
    help: str
    meaning: str
    merge: Merge = "sum"
    split: str = ""
    parts: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    ages: bool = False
    needs_bound: bool = False
    needs_wait: str = ""

    def value_of(self, reading: Any) -> Any:
        """Returns the value in `reading`; ``None`` where that is not known, or could be nothing but 0."""
        if self.needs_bound and reading.members == reading.unbounded_members and not reading.blocked_puts:
            return None
        if self.needs_wait and reading.requested == 0 and not getattr(reading, self.needs_wait):
            return None
        return getattr(reading, self.field)

    @property
    def is_conditional(self) -> bool:
        """Returns whether `value_of` looks at more than the field."""
        return self.needs_bound or bool(self.needs_wait)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of exposition, without a histogram's ``le``."""
        return tuple(label for label in (self.label, self.split, *self.table) if label)

    @property
    def family(self) -> str:
        """The name of the family: without ``_total``."""
        return self.name.removesuffix("_total")


def declaring(subject: str, prefix: str, *, label: str = "") -> Callable[..., Metric]:
    """A function that declares metrics of `subject`, whose names begin with `prefix`."""

    def declare(name: str, kind: Kind, unit: str, field: str, help: str, meaning: str, **more: Any) -> Metric:
        return Metric(
            name=prefix + name,
            kind=kind,
            unit=unit,
            subject=subject,
            label=label,
            field=field,
            help=help,
            meaning=meaning,
            **more,
        )

    return declare
