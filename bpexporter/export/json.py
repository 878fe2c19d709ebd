"""Readings and verdicts as JSON, and back.

The form, version 1, is an object:

- ``version``: 1. Fields may be added to a version; none is renamed, removed or given another meaning.
- ``readings``: by kind (``queue``, ``stream``, ``limiter``, ``loop``, ``stage``, ``culprit``, ``itself``), by name, the
  fields of the reading, as the docs give them in Python. What is not known is ``null``. A histogram is an object of
  ``bounds``, ``counts`` (not cumulative) and ``sum``; a table is a list of rows, each the values of its labels and
  the number last.

A verdict is what ``bpexporter diagnose --json`` prints: ``state``, ``seconds``, ``findings``, ``notes``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from bpexporter.analysis.findings import Finding, Verdict
from bpexporter.catalogue.metrics import READINGS, metrics_of
from bpexporter.primitives.histogram import HistogramReading

VERSION = 1


def readings_as_json(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All readings, as what `json` can write."""
    return {
        "version": VERSION,
        "readings": {
            kind: {name: _reading(reading) for name, reading in named.items()} for kind, named in kinds.items()
        },
    }


def _reading(reading: Any) -> dict[str, Any]:
    return {field: _value(value) for field, value in reading._asdict().items()}


def _value(value: Any) -> Any:
    if isinstance(value, HistogramReading):
        return {"bounds": list(value.bounds), "counts": list(value.counts), "sum": _value(value.sum)}
    if isinstance(value, Mapping):
        return [[*key, _value(number)] for key, number in value.items()]
    if isinstance(value, tuple):
        return list(map(_value, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def readings_from_json(document: Any) -> dict[str, dict[str, Any]]:
    """The readings of such an object; kinds and fields that are not known here are left out.

    Raises ``ValueError`` where it is none, or one of a version that is not known here.
    """
    if not isinstance(document, dict) or not isinstance(document.get("readings"), dict):
        raise ValueError("this is no JSON of readings")
    if document.get("version") != VERSION:
        raise ValueError(f"readings of version {document.get('version')!r}: this is version {VERSION}")
    return {
        kind: {name: _reading_back(kind, fields) for name, fields in named.items()}
        for kind, named in document["readings"].items()
        if kind in READINGS
    }


def _reading_back(kind: str, fields: Mapping[str, Any]) -> Any:
    tables = {metric.field for metric in metrics_of(kind) if metric.table}
    values = {field: _value_back(fields.get(field), table=field in tables) for field in READINGS[kind]._fields}
    return READINGS[kind](**values)


def _value_back(value: Any, *, table: bool) -> Any:
    if isinstance(value, dict):
        return HistogramReading(tuple(value["bounds"]), tuple(value["counts"]), value["sum"])
    if isinstance(value, list):
        return {tuple(row[:-1]): row[-1] for row in value} if table else tuple(value)
    return value


# Verdicts -------------------------------------------------------------------------------------------------


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
        "since_seconds": round(finding.since_seconds, 3),
        "held_up": list(finding.held_up),
        "evidence": list(finding.evidence),
        "advice": list(finding.advice),
    }


def written(document: Any) -> str:
    """`document` as text for people and programs."""
    return json.dumps(document, indent=2, ensure_ascii=False)
