"""The Kubernetes files: how to scrape, the rules, the dashboards, for the Prometheus operator and Grafana's sidecar."""

from __future__ import annotations

import json
from typing import Any

from grafana.source.dashboards import DETAIL, OVERVIEW
from grafana.source.detail import detail
from grafana.source.overview import overview
from grafana.source.rules import alert_groups, recording_groups, to_yaml

LABELS = {"app.kubernetes.io/name": "bpexporter", "app.kubernetes.io/part-of": "monitoring"}
HEAD = "Written by `python -m grafana.source`: change grafana/source and not this, where you can.\n"
POD_MONITOR = """
Scrapes every pod that has the label `bpexporter: "true"` and a port named `metrics`:

    bpexporter.start("0.0.0.0", 9877)          # loopback, the default, cannot be reached from outside of the pod

An operator that looks for monitors with certain labels needs those in `metadata.labels`.
"""
RULES = "\nAn operator that looks for rules with certain labels needs those in `metadata.labels`, `release` mostly.\n"
DASHBOARDS = "\nFor the sidecar of Grafana's chart, which loads what has the label `grafana_dashboard`.\n"


def thing(version: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    """A Kubernetes object."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": dict(LABELS)}, **more}


def pod_monitor() -> dict[str, Any]:
    """What is scraped."""
    spec = {
        "selector": {"matchLabels": {"bpexporter": "true"}},
        "namespaceSelector": {"any": True},
        "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "15s", "scrapeTimeout": "10s"}],
    }
    return thing("monitoring.coreos.com/v1", "PodMonitor", "bpexporter", spec=spec)


def prometheus_rule() -> dict[str, Any]:
    """Recording rules and alerts."""
    spec = {"groups": [*recording_groups(), *alert_groups()]}
    return thing("monitoring.coreos.com/v1", "PrometheusRule", "bpexporter", spec=spec)


def config_map() -> dict[str, Any]:
    """The dashboards."""
    boards = {OVERVIEW: overview(), DETAIL: detail()}
    # in one line each: a ConfigMap may not be larger than 1 MiB
    data = {f"{uid}.json": json.dumps(board, ensure_ascii=False) for uid, board in boards.items()}
    found = thing("v1", "ConfigMap", "bpexporter-dashboards", data=data)
    found["metadata"]["labels"]["grafana_dashboard"] = "1"
    found["metadata"]["annotations"] = {"grafana_folder": "Backpressure"}
    return found


def files() -> dict[str, str]:
    """Text by path, below grafana/."""
    return {
        "kubernetes/podmonitor.yaml": to_yaml(pod_monitor(), HEAD + POD_MONITOR),
        "kubernetes/prometheusrule.yaml": to_yaml(prometheus_rule(), HEAD + RULES),
        "kubernetes/dashboards.yaml": to_yaml(config_map(), HEAD + DASHBOARDS),
    }
