"""The state as text."""

import pytest

from bpexporter.commands.top import words


def resource(name="jobs", **fields):
    """A resource as the state has it."""
    shown = {
        "kind": "queue", "name": name, "utilization_ratio": 0.5, "pressure": 0.0, "blocked": 0,
        "longest_block_seconds": 0.0, "out_per_second": 12.0,
        "history": {"utilization_ratio": [0.1, 0.5], "pressure": [0.0, 0.0]},
    }  # fmt: skip
    return {**shown, **fields}


def state(*resources, verdict=None, stages=()):
    """A state of these resources."""
    return {"verdict": verdict, "resources": list(resources), "stages": list(stages)}


FINDING = {
    "cause": "stage", "kind": "stage", "name": "store", "since_seconds": 14.0, "says": "store is too slow",
    "held_up": ["parse"], "evidence": ["parsed is full"], "advice": ["4 workers"],
}  # fmt: skip


def test_the_verdict_comes_first():
    """Who is to blame, since when, by which figures, and what would help."""
    verdict = {"state": "backpressure", "findings": [FINDING]}
    lines = list(words.lines(state(resource(), verdict=verdict), width=80))
    assert lines[:3] == ["store is too slow (for 14.0 s)", "  - parsed is full", "  - 4 workers"]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [({"state": "healthy", "findings": []}, "Nothing is held up."), (None, "It cannot be told yet.")],
)
def test_no_finding_is_said_too(verdict, said):
    """Healthy is not the same as not known."""
    assert next(words.lines(state(verdict=verdict), width=80)) == said


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    """Long names give way in their middle, so that beginnings and ends are told apart."""
    stage = {"name": "s" * 300, "tasks": 3, "working": 0.9, "idle": 0.1, "blocked": 0.0}
    shown = state(resource("a" * 300), resource("short"), stages=[stage])
    assert max(map(len, words.lines(shown, width=width))) <= width


def test_the_worst_stands_first():
    """Held up before full, full before empty."""
    rows = [
        resource("calm", utilization_ratio=0.1),
        resource("full", utilization_ratio=1.0),
        resource("held", pressure=0.9),
    ]
    lines = list(words.lines(state(*rows), width=80))
    assert [line.split()[0] for line in lines[-3:]] == ["held", "full", "calm"]


def test_a_name_gives_the_terminal_no_orders():
    """Control characters of a name are shown as question marks."""
    text = "\n".join(words.lines(state(resource("\x1b[2Jevil\n\x07")), width=80))
    assert "\x1b" not in text
    assert "?[2Jevil??" in text


def test_what_is_not_known_is_a_dash():
    """An unbounded queue has no utilisation, and not one of 0."""
    row = list(words.lines(state(resource(utilization_ratio=None, out_per_second=None)), width=80))[-1]
    assert row.split()[2] == "-"


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([], "    "), ([0.0, 1.0], "  ▁█"), ([None, 0.5], "   ▅"), ([0.0] * 7 + [1.0], "▁▁▁█"), ([5.0], "   █")],
)
def test_sparkline(values, drawn):
    """The newest stands on the right, peaks are kept, gaps stay empty."""
    assert words.sparkline(values, 4) == drawn


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (0.25, "250 ms"), (3.21, "3.2 s"), (600.0, "10.0 min")],
)
def test_seconds(value, text):
    """Seconds stand in the unit that is read most easily."""
    assert words.seconds(value) == text
