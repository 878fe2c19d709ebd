"""Markdown."""

from collections.abc import Iterable, Iterator

# The lines of a figure: what, measured, beside what, target.
Figures = Iterator[tuple[str, str, str, str]]


def line(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def head(cells: tuple[str, ...]) -> str:
    """The two lines that begin a table; all columns but the first stand at the right."""
    return line(cells) + "\n" + line(["---", *["---:"] * (len(cells) - 1)])


def times(ratio: float | None) -> str:
    """A ratio, or what stands where there is none."""
    return "n/a" if ratio is None else f"{ratio:.2f}x"


def over(text: str, value: float | None, target: float | None) -> str:
    """`text`, bold where the value is over its target."""
    return f"**{text}**" if value is not None and target is not None and value > target else text


def under(text: str, value: float, target: float) -> str:
    """`text`, bold where the value is under its target."""
    return f"**{text}**" if value < target else text
