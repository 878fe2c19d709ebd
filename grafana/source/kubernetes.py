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
SIDECAR = """
An example to take over: a service with workers of its own, and the container that shows them all at one address.
Both share an `emptyDir` and run as one user. The image is yours, with bpexporter in it; the pod monitor beside this
file scrapes it.
"""
IMAGE, SHARED, USER = "registry.example.com/jobs:1.0.0", "/run/bpexporter", 10001
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


def container(name: str, words: list[str], **more: Any) -> dict[str, Any]:
    """A container that publishes in, or serves, the shared folder."""
    mounts = [{"name": "bpexporter", "mountPath": SHARED}]
    return {"name": name, "image": IMAGE, "command": words, "volumeMounts": mounts, **more}


def sidecar() -> dict[str, Any]:
    """A deployment whose processes are shown by a sidecar container."""
    folder = f"{SHARED}/jobs"
    health = {"httpGet": {"path": "/healthz", "port": "metrics"}, "periodSeconds": 10, "timeoutSeconds": 3}
    app = container(
        "app",
        ["bpexporter", "run", "uvicorn", "app:app", "--host", "0.0.0.0", "--workers", "4"],
        env=[{"name": "BPEXPORTER_DIR", "value": folder}],
    )
    serving = container(
        "bpexporter",
        ["bpexporter", "sidecar", "--dir", folder, "--host", "0.0.0.0", "--port", "9877"],
        ports=[{"name": "metrics", "containerPort": 9877}],
        startupProbe={**health, "periodSeconds": 1, "failureThreshold": 30},
        livenessProbe=health,
        readinessProbe=health,
        resources={"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
    )
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "fsGroup": USER},
        "containers": [app, serving],
        "volumes": [{"name": "bpexporter", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
    }
    labels = {"app": "jobs", "bpexporter": "true"}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "jobs"}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return thing("apps/v1", "Deployment", "jobs", spec=spec)


def files() -> dict[str, str]:
    """Text by path, below grafana/."""
    return {
        "kubernetes/sidecar.yaml": to_yaml(sidecar(), HEAD + SIDECAR),
        "kubernetes/podmonitor.yaml": to_yaml(pod_monitor(), HEAD + POD_MONITOR),
        "kubernetes/prometheusrule.yaml": to_yaml(prometheus_rule(), HEAD + RULES),
        "kubernetes/dashboards.yaml": to_yaml(config_map(), HEAD + DASHBOARDS),
    }
