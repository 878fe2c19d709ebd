"""What holds for every test of safety: a hang is said to be one, and no error of ours is swallowed."""

import faulthandler
import gc
import sys
from collections.abc import Iterator

import pytest
from threads_at_work import PATIENCE

from bpexporter import Hub
from bpexporter.faults import faults


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Ends the run with the stacks of all threads where one of them hangs: no exception reaches a held lock."""
    faulthandler.dump_traceback_later(2 * PATIENCE, exit=True)
    before = faults.count
    yield
    faulthandler.cancel_dump_traceback_later()
    assert faults.count == before, "an error of ours"


@pytest.fixture
def hub() -> Hub:
    """A hub of its own."""
    return Hub()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change at every opportunity, so that what can be seen half done is."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def collecting() -> Iterator[None]:
    """The garbage collector runs at almost every allocation."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)
