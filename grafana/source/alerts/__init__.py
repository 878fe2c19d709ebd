"""The alerts: what must hold, for how long, and what the person who is paged reads first.

Page (`critical`) when something is full *and* somebody is held up, or when nothing moves at all; tell (`warning`)
of what will hurt when nobody looks. Gauges are wrapped in functions over time, so that a lost scrape does not reset
`for`; quantiles over minutes keep a process that is restarted again and again from resetting it, too. Series meet by
all labels of their targets: a cluster, a job and an instance are told apart. Comments inside the queries say why they
are so.
"""

from __future__ import annotations

from grafana.source.alerts.alert import PERCENT, RUNBOOK, Alert
from grafana.source.alerts.culprits import CULPRIT_ALERTS
from grafana.source.alerts.exporters import EXPORTER_ALERTS
from grafana.source.alerts.limiters import LIMITER_ALERTS
from grafana.source.alerts.loops import LOOP_ALERTS
from grafana.source.alerts.queues import QUEUE_ALERTS
from grafana.source.alerts.streams import STREAM_ALERTS

__all__ = ["ALERTS", "PERCENT", "RUNBOOK", "Alert"]

ALERTS: tuple[Alert, ...] = (
    CULPRIT_ALERTS + QUEUE_ALERTS + STREAM_ALERTS + LIMITER_ALERTS + LOOP_ALERTS + EXPORTER_ALERTS
)
