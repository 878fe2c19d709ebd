"""The table of alerts in the README."""

from __future__ import annotations

import re

from grafana.source.alerts import ALERTS, PERCENT, Alert

# The kind stands before a name, where the table says of what kind the resource is.
KIND = "{{ $labels.kind }} {{"


def anonymous(named: re.Match[str]) -> str:
    """`a queue` in place of a queue and its name."""
    noun = named[1].lower()
    return f"{'an' if noun[0] in 'eu' else 'a'} {noun}"


def in_words(alert: Alert) -> str:
    """The summary, of no resource in particular."""
    usual = re.sub(r"\{\{ if [^}]*\}\}.*?\{\{ else \}\}(.*?)\{\{ end \}\}", r"\1", alert.summary)
    plain = re.sub(
        r"((?:unbounded |event )?\w+) \{\{ \$labels\.\w+ \}\}",
        anonymous,
        usual.replace(KIND, "Resource {{"),
        flags=re.IGNORECASE,
    )
    plain = plain.replace(f" {PERCENT}", " for much").replace("of of a", "of a").rstrip(".")
    return plain[0].upper() + plain[1:]


def alert_table() -> str:
    """The table of alerts in the README."""
    link = "[{0}](grafana/RUNBOOK.md#{1})"
    rows = (
        f"| {link.format(alert.name, alert.name.lower())} | {alert.severity} | {in_words(alert)} | {alert.held} |"
        for alert in ALERTS
    )
    return "\n".join(["| alert | severity | when | for |", "| --- | --- | --- | --- |", *rows])
