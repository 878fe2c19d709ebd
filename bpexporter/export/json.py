"""A verdict as JSON: what ``bpexporter diagnose --json`` prints and the state holds.

An object of ``state`` (``healthy`` or ``backpressure``), ``seconds`` (over which it is), ``findings`` (the worst first)
and ``notes`` (what else is worth saying). A finding has ``cause``, ``kind``, ``name``, ``since_seconds``, ``held_up``,
``evidence``, ``advice``, and ``says``, the same in one sentence. Fields may be added; none is renamed or removed.
"""

from __future__ import annotations

import json
from typing import Any

from bpexporter.analysis.findings import Finding, Verdict
from bpexporter.analysis.judging import concluded
from bpexporter.hub.snapshot import Snapshot


def judged(first: Snapshot, second: Snapshot, seconds: float) -> dict[str, Any]:
    """The verdict over two snapshots so many seconds apart."""
    return verdict_as_json(concluded(first.kinds, second.kinds, seconds), seconds)


def verdict_as_json(verdict: Verdict, seconds: float) -> dict[str, Any]:
    """A verdict over so many seconds, as what `json` can write."""
    return {
        "state": verdict.state,
        "seconds": round(seconds, 3),
        "findings": [finding_as_json(finding) for finding in verdict.findings],
        "notes": list(verdict.notes),
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """One finding."""
    return {
        "cause": finding.cause,
        "kind": finding.kind,
        "name": finding.name,
        "says": finding.says,
        "since_seconds": round(finding.since_seconds, 3),
        "held_up": list(finding.held_up),
        "evidence": list(finding.evidence),
        "advice": list(finding.advice),
    }


def written(document: Any) -> str:
    """`document` as text for people and programs."""
    return json.dumps(document, indent=2, ensure_ascii=False)
