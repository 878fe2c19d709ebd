"""The alert that names who is to blame."""

from __future__ import annotations

from grafana.source import recording, thresholds
from grafana.source.alerts.alert import PERCENT, WHERE, Alert
from grafana.source.thresholds import HELD

NAMED = "{{ $labels.kind }} {{ $labels.name }}"
CULPRIT_ALERTS = (
    Alert(
        "culprit",
        "BackpressureCulprit",
        "warning",
        HELD,
        f"{recording.CULPRIT.record} > {thresholds.CULPRIT}",
        f"{{{{ if eq $labels.cause `unknown` }}}}{NAMED} holds others up, and the culprit is not known."
        f"{{{{ else }}}}{NAMED} is what others wait for.{{{{ end }}}}",
        f"For {PERCENT} of ten minutes the verdict of {WHERE} was: {NAMED}, cause {{{{ $labels.cause }}}}. "
        "`bpexporter diagnose` says by which figures, who is held up, and what would help.",
    ),
)
