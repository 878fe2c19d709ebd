"""What holds for every test: errors of ours raise, and hypothesis knows no deadline."""

import collections
import os

import hypothesis
import pytest

# Before anything imports bpexporter: what production counts and swallows must fail a test.
os.environ["BPEXPORTER_RAISE"] = "1"

hypothesis.settings.register_profile(
    "bpexporter",
    deadline=None,  # a busy machine is no bug
    derandomize=os.environ.get("CI") == "true",  # CI fails for the change at hand, not by luck
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("bpexporter")


@pytest.fixture(autouse=True)
def rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is the first of its process to watch and unwatch."""
    monkeypatch.setattr("bpexporter.watching.watch._rounds", collections.Counter())
