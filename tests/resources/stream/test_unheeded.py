"""Writes over the mark count when nobody waits in `drain()` for a while after them."""

from bpexporter.resources.stream.unheeded import GRACE, Unheeded


def test_several_writes_and_a_drain():
    """What is followed by a drain at once was heeded, however often."""
    unheeded = Unheeded()
    for now in range(100):
        unheeded.add(10, now)
        unheeded.add(10, now)
        unheeded.heeded(now + GRACE / 2, drains=True)
        assert unheeded.read(now + GRACE / 2, drains=True) == (0, 0)
    assert unheeded.read(1_000, drains=True) == (0, 0)


def test_a_burst_that_no_drain_follows():
    """One burst that nobody follows up counts after the grace, and stays counted when somebody drains then."""
    unheeded = Unheeded()
    for _ in range(5):
        unheeded.add(10, 1.0)
    assert unheeded.read(1.0 + GRACE / 2, drains=True) == (0, 0)
    assert unheeded.read(1.0 + GRACE, drains=True) == (5, 50)
    unheeded.heeded(2.0, drains=True)
    assert unheeded.read(2.0, drains=True) == (5, 50)


def test_who_writes_on():
    """Each write of one that goes on and on counts, from the first."""
    unheeded = Unheeded()
    for write in range(10):
        unheeded.add(10, write * GRACE)
        assert unheeded.read(write * GRACE, drains=True) == ((write + 1, (write + 1) * 10) if write else (0, 0))


def test_where_drains_are_not_known():
    """A protocol with flow control of its own that stops in time was heeded; one that writes on was not."""
    unheeded = Unheeded()
    unheeded.add(10, 1.0)
    assert unheeded.read(9.0, drains=False) == (0, 0)
    unheeded.heeded(9.0, drains=False)
    unheeded.add(10, 20.0)
    assert unheeded.read(20.0, drains=False) == (0, 0)
    unheeded.add(10, 20.0 + GRACE)
    assert unheeded.read(20.0 + GRACE, drains=False) == (2, 20)
