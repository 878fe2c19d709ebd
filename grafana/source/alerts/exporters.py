"""The alerts about the exporter itself."""

from __future__ import annotations

from grafana.source.alerts.alert import WHERE, Alert
from grafana.source.alerts.conditions import TOGETHER, counted, known_jobs, known_targets
from grafana.source.thresholds import GRACE, HELD, KNOWN, LONG, RATE, REMEMBERED, SOON

EXPORTER_ALERTS = (
    Alert(
        "exporter",
        "BackpressureExporterDown",
        "critical",
        SOON,
        f"""
max_over_time(up[{GRACE}]) == 0
# Of all targets, those that have shown metrics of bpexporter before: by all their labels, the cluster among them.
and {known_targets(KNOWN)}
""",
        "An application with bpexporter does not answer.",
        f"Prometheus cannot scrape {WHERE}, which showed its backpressure before: the process is gone, or the machine "
        "gives it no time.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterMissing",
        "warning",
        HELD,
        f"""
{known_targets(REMEMBERED)}
unless {known_targets(RATE)}
# It is there and answers; one that does not has an alert of its own, and one that was removed needs none.
and max_over_time(up[{GRACE}]) == 1
""",
        "A target shows no backpressure any more.",
        f"Within {REMEMBERED} {WHERE} had metrics of bpexporter; it still answers, and has none now: start() is not "
        "called any more, or the Collector was removed.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterGone",
        "warning",
        HELD,
        f"""
{known_jobs(REMEMBERED)}
unless {known_jobs(RATE)}
# A target that had them and is still there has an alert of its own, whether it answers or not.
unless group by ({TOGETHER}) (present_over_time(up[{RATE}]) and {known_targets(REMEMBERED)})
""",
        "Job {{ $labels.job }} shows no backpressure any more.",
        f"Within {REMEMBERED} job {{{{ $labels.job }}}} had metrics of bpexporter, and now no target of it has: it is "
        "not discovered any more, or start() is not called any more.",
    ),
    Alert(
        "exporter",
        "BackpressureExporterFailing",
        "warning",
        SOON,
        counted("{itself.collect_errors_total}"),
        "The exporter fails to read what it watches.",
        f"{{{{ $value | humanize }}}} errors within {LONG} at {WHERE}: readings may be missing. The application's log "
        "says why.",
    ),
    Alert(
        "exporter",
        "BackpressureNamesFolded",
        "info",
        SOON,
        counted("{itself.folded_names_total}"),
        "Too many names of kind {{ $labels.kind }}.",
        f"{WHERE} makes more names than bpexporter keeps; further ones are counted as __other__. A name is made from "
        "something unbounded, such as a connection or a user.",
    ),
)
