"""The rule files of Prometheus, as text."""

from __future__ import annotations

from typing import Any

import yaml

from grafana.source import thresholds
from grafana.source.alerts import ALERTS
from grafana.source.recording import RECORDINGS

HEAD = """\
Written by `python -m grafana.source` out of grafana/source/{source}: change that and not this, where you can.
"""
GROUPS = tuple(dict.fromkeys(alert.group for alert in ALERTS))


class Dumper(yaml.SafeDumper):
    """Multi-line text as it stands, lists indented, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whatever occurs twice is written twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Lists stand deeper than what holds them."""
        super().increase_indent(flow, False)


def text(dumper: Dumper, data: str) -> yaml.ScalarNode:
    """A string, as a block where it has several lines."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


Dumper.add_representer(str, text)


def comment(lines: str) -> str:
    """`lines` as a YAML comment."""
    return "\n".join(f"# {line}".rstrip() for line in lines.splitlines()) + "\n"


def to_yaml(data: Any, head: str = "") -> str:
    """`data` as YAML under a comment."""
    body: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return (comment(head) if head else "") + body


def recording_groups() -> list[dict[str, Any]]:
    """The groups of the recording rules."""
    return [{"name": "backpressure-recording", "rules": [recording.rule() for recording in RECORDINGS]}]


def alert_groups() -> list[dict[str, Any]]:
    """The groups of the alerts."""
    return [
        {"name": f"backpressure-{group}-alerts", "rules": [alert.rule() for alert in ALERTS if alert.group == group]}
        for group in GROUPS
    ]


def files() -> dict[str, str]:
    """Text by path, below grafana/."""
    numbers = f"Thresholds, all from grafana/source/thresholds.py:\n\n{thresholds.described()}\n"
    head = HEAD.format(source="alerts/")
    return {
        "rules/backpressure-recording.yml": to_yaml({"groups": recording_groups()}, HEAD.format(source="recording.py")),
        "rules/backpressure-alerts.yml": to_yaml({"groups": alert_groups()}, f"{head}\n{numbers}"),
    }
