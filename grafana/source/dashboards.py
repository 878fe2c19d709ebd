"""A dashboard around its panels: variables, links, annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grafana.source.panels import SOURCE, Panel, laid_out
from grafana.source.queries import VARIABLES, find

OVERVIEW, DETAIL = "backpressure-overview", "backpressure-detail"
# Grafana 10 knows this version of the classic form; later ones read it as it stands.
SCHEMA = 39
ALL = {"selected": True, "text": ["All"], "value": ["$__all"]}
# Not among the values, so that the first of them is taken.
FIRST = {"selected": False, "text": "", "value": ""}
ON_TIME_CHANGE, BY_NAME = 2, 1
KEPT = "${datasource:queryparam}&${instance:queryparam}&${__url_time_range}"


def to_detail(kind: str, name: str, job: str, kept: str = KEPT) -> list[Panel]:
    """A link on a series that opens its resource, of its job, on the detail dashboard. Escaped: names hold anything."""
    chosen = f"var-job=${{{job}:percentencode}}&var-{kind}=${{{name}:percentencode}}"
    return [{"title": "Details", "url": f"/d/{DETAIL}/{DETAIL}?{kept}&{chosen}", "targetBlank": False}]


def source_variable() -> Panel:
    """Which Prometheus."""
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {"selected": False, "text": "default", "value": "default"},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def variable(name: str, label: str, query: str, *, several: bool) -> Panel:
    """A variable whose values Prometheus knows; `several` lets all be chosen at once, and is so to begin with.

    `multi` in any case: Grafana escapes what is special in a pattern only where more than one may be chosen.
    """
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"qryType": 1, "query": query, "refId": f"variable-{name}"},
        "hide": 0,
        "options": [],
        "refresh": ON_TIME_CHANGE,
        "regex": "",
        "skipUrlSync": False,
        "sort": BY_NAME,
        "multi": True,
        "includeAll": several,
        **({"allValue": ".+", "current": ALL} if several else {"current": FIRST}),
    }


def values_of(kind: str) -> str:
    """The names of all resources of a kind, at the chosen jobs and instances."""
    metric = find(kind, "open_writers" if kind == "stream" else "members")
    return f'label_values({metric.name}{{job=~"$job", instance=~"$instance"}}, {kind})'


def variables(*, several: bool) -> list[Panel]:
    """Data source, job, instance, and one for each kind of resource; `several` lets more than one be chosen."""
    known = find("itself", "build_info").name
    of_targets = [
        variable("job", "Job", f"label_values({known}, job)", several=True),
        variable("instance", "Instance", f'label_values({known}{{job=~"$job"}}, instance)', several=True),
    ]
    return [
        source_variable(),
        *of_targets,
        *(variable(kind, kind.capitalize(), values_of(kind), several=several) for kind in VARIABLES),
    ]


def annotations() -> list[Panel]:
    """When alerts fired, of what is chosen. Some are about a job, and have no instance, or about no resource."""
    chosen = ", ".join(f'{label}=~"${label}|"' for label in ("instance", *VARIABLES))
    firing = f'ALERTS{{alertstate="firing", alertname=~"Backpressure.*", job=~"$job", {chosen}}}'
    return [
        {
            "name": "Firing alerts",
            "datasource": SOURCE,
            "enable": True,
            "hide": False,
            "iconColor": "red",
            "expr": firing,
            "step": "15s",
            "titleFormat": "{{alertname}}",
            "useValueForTime": False,
            "textFormat": "{{severity}}: {{queue}}{{stream}}{{limiter}}{{loop}} at {{instance}}",
            "tagKeys": "severity",
        }
    ]


def link(title: str, uid: str) -> Panel:
    """A link at the top of a dashboard, which keeps time and targets.

    Resources it does not keep: the overview would be narrowed down to one, and the detail knows no `All`.
    """
    return {
        "title": title,
        "type": "link",
        "url": f"/d/{uid}/{uid}?${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}",
        "icon": "dashboard",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
    }


def live_page() -> Panel:
    """A link at the top of a dashboard to the live page of the target that is chosen."""
    return {
        "title": "Live page",
        "type": "link",
        "url": "http://${instance}/",
        "icon": "external link",
        "tooltip": "Choose one instance first; it must be reached from here by the name that Prometheus has for it",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
    }


def dashboard(
    uid: str, title: str, about: str, panels: Sequence[Panel], *, several: bool, links: Sequence[Panel]
) -> dict[str, Any]:
    """A whole dashboard."""
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["bpexporter", "asyncio", "backpressure"],
        "editable": False,
        "schemaVersion": SCHEMA,
        "version": 1,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "timepicker": {},
        "links": list(links),
        "annotations": {"list": annotations()},
        "templating": {"list": variables(several=several)},
        "panels": laid_out(panels),
    }


def to_json(content: dict[str, Any]) -> str:
    """The dashboard as text."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
