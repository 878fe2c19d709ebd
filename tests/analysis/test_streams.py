"""The verdict on streams by their buffers: of those that are written to without `drain()`, and of floods."""

from types import SimpleNamespace

import pytest

from bpexporter.analysis.judging import is_troubled
from bpexporter.analysis.verdict import judge

SECONDS = 10.0


def stream(*, stalled, paused, ratio, members=1):
    """What a verdict asks of the reading of a stream."""
    return SimpleNamespace(
        open_writers=members, stalled_seconds=stalled, paused_seconds=paused, paused_writers=1,
        longest_block_seconds=None if stalled is None else 0.0, utilization_ratio=ratio, written_bytes=None,
        buffered_bytes=0.0, buffer_limit_bytes=65536.0,
    )  # fmt: skip


def found(before, after):
    """Cause and name of the findings; what is found is troubled."""
    first, second = ({"stream": {"clients": one}} for one in (before, after))
    findings = judge(first, second, SECONDS).findings
    assert is_troubled(first, second, SECONDS) or not findings
    return [(one.cause, one.name) for one in findings], [line for one in findings for line in one.evidence]


@pytest.mark.parametrize(("members", "accused"), [(1, [("peer", "clients")]), (100, [])])
def test_a_stream_without_drain_is_stalled_while_it_is_over_its_mark(members, accused):
    """A slow client of a server that waits by itself is a peer; one of hundreds, who take their time, is none."""
    before = stream(stalled=None, paused=3.0, ratio=1.1, members=members)
    after = stream(stalled=None, paused=12.0, ratio=1.2, members=members)
    names, evidence = found(before, after)
    assert names == accused
    assert not names or "was over its mark for 90% of the time" in evidence[0]


@pytest.mark.parametrize("stalled", [None, 0.0])
def test_a_stream_that_is_written_to_without_waiting(stalled):
    """A buffer that stays far over its mark is a peer that does not read, among however many that do."""
    before = stream(stalled=stalled, paused=3.0, ratio=20.0, members=500)
    after = stream(stalled=stalled, paused=13.0, ratio=500.0, members=500)
    names, evidence = found(before, after)
    assert names == [("peer", "clients")]
    assert "it holds 20 times what its mark allows" in evidence[0]


@pytest.mark.parametrize(("ratio", "paused"), [(0.0, 10.0), (64.0, 0.2)])
def test_large_writes_that_are_taken_are_well(ratio, paused):
    """One that is gone at the next look, or many that are over the mark for moments."""
    assert found(stream(stalled=0.0, paused=0.0, ratio=64.0), stream(stalled=0.0, paused=paused, ratio=ratio)) == (
        [],
        [],
    )
