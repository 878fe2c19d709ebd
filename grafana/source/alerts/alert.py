"""One alert, and the words that its texts are made of."""

from __future__ import annotations

from typing import Literal, NamedTuple

from grafana.source.queries import anywhere, expand

RUNBOOK = "https://github.com/bpexporter/bpexporter/blob/main/grafana/RUNBOOK.md"
WHERE = "{{ with $labels.cluster }}{{ . }}, {{ end }}{{ $labels.job }}, {{ $labels.instance }}"
QUEUE, STREAM, LIMITER, LOOP = (f"{{{{ $labels.{label} }}}}" for label in ("queue", "stream", "limiter", "loop"))
PERCENT = "{{ $value | humanizePercentage }}"
DURATION = "{{ $value | humanizeDuration }}"

Severity = Literal["critical", "warning", "info"]


class Alert(NamedTuple):
    """One alert. `group` is what it is about, `template` its condition, `held` the time for which that must hold."""

    group: str
    name: str
    severity: Severity
    held: str
    template: str
    summary: str
    description: str

    def rule(self) -> dict[str, object]:
        """The rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": expand(self.template.strip("\n"), anywhere),
            "for": self.held,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOK}#{self.name.lower()}",
            },
        }
