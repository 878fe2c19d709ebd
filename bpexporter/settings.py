"""Settings of the environment, and every default: address, patterns, version. Touches nothing else of ours."""

from __future__ import annotations

import os

VERSION = "0.1.0"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 9877
# A resource whose utilisation is at or over this is saturated.
SATURATED = 0.8
# By setting: the variable of the environment that gives it.
VARIABLES = {
    "host": "BPEXPORTER_HOST",
    "port": "BPEXPORTER_PORT",
    "allow": "BPEXPORTER_ALLOW",
    "deny": "BPEXPORTER_DENY",
    "dir": "BPEXPORTER_DIR",
    "raise": "BPEXPORTER_RAISE",
}


def from_environment(setting: str) -> str:
    """Returns the value of `setting` in the environment; empty where it says nothing."""
    return os.environ.get(VARIABLES[setting], "").strip()
