"""A plugin for pytest that writes what came of each test; with BPEXPORTER_LEG=watched it installs bpexporter first.

Needs nothing but pytest and the standard library, so that it runs in the environment of any library.
"""

import json
import os
from pathlib import Path
from typing import Any

outcomes: dict[str, str] = {}
WATCHED = os.environ.get("BPEXPORTER_LEG") == "watched"

if WATCHED:  # when the plugin is loaded, before the library and its tests are
    import bpexporter

    bpexporter.install()


def pytest_runtest_logreport(report: Any) -> None:
    """The worst of the phases of a test is its outcome."""
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome if report.when == "call" else f"{report.outcome} in {report.when}"


def pytest_sessionfinish(session: Any) -> None:
    """Write it all."""
    report: dict[str, Any] = {"outcomes": outcomes, "seen": {}, "errors": 0}
    if WATCHED:
        kinds = bpexporter.snapshot().kinds
        report["seen"] = {kind: list(named) for kind, named in kinds.items() if kind != "itself"}
        report["errors"] = kinds["itself"][""].collect_errors
    Path(os.environ["BPEXPORTER_OUTCOMES"]).write_text(json.dumps(report))
