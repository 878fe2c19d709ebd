"""The line at the end of a program."""

import pytest

from bpexporter.commands.seeing import NO_RESOURCES, summary
from bpexporter.publishing.names_seen import Seen


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ({"queue": 2, "loop": 1}, "seen: 2 queues, 1 loop"),
        ({"queue": 0, "loop": 1}, f"seen: 1 loop: {NO_RESOURCES}"),
        ({"queue": 0, "loop": 0}, f"seen: nothing: {NO_RESOURCES}"),
    ],
)
def test_what_was_seen_is_said(names, line):
    """A program that has nothing but a loop is told both: the loop that was seen, and what was looked for."""
    assert summary(Seen(names, 1, 0)).startswith(line)
