"""The row of the overview for stages: what their tasks do, whose fault it is, and the flow as a graph."""

from __future__ import annotations

from grafana.source.overview_queues import SHARE, by
from grafana.source.panels import (
    BAD,
    FAIR,
    GOOD,
    NEUTRAL,
    PRESSURE,
    RATE,
    SHORT_LEGEND,
    STACKED,
    Panel,
    Query,
    lines,
    panel,
    row,
    steps,
    worst,
)

STAGE = "{{pipeline_stage}}"
WHOLE = "((?s).*)"
AGE = steps((GOOD, None), (FAIR, 1), (BAD, 60))


def share(state: str) -> str:
    """The share of its tasks' time that a stage spends in a state."""
    spent = f'sum by (job, pipeline_stage) (rate({{stage.seconds_total|state="{state}"}}{RATE}))'
    return f"{spent}\n/ (sum by (job, pipeline_stage) (rate({{stage.seconds_total}}{RATE})) > 0)"


def culprits() -> list[Panel]:
    """Whose fault it is."""
    labels = "job, instance, cause, kind, name"
    return [
        panel(
            "table",
            "Culprits now",
            [
                Query(
                    f"max by ({labels}) ({{culprit.age_seconds}}) and max by ({labels}) ({{culprit.info}}) > 0",
                    shape="table",
                    now=True,
                )
            ],
            unit="s",
            limits=AGE,
            width=12,
            do="Empty is well. Else the worst of each process, and for how long. What the cause means stands in the "
            "runbook; `bpexporter diagnose` says it with evidence and advice.",
            options={
                "frameIndex": 0,
                "showHeader": True,
                "cellHeight": "sm",
                "sortBy": [{"displayName": "Since", "desc": True}],
            },
            custom={"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
            transformations=[
                {
                    "id": "organize",
                    "options": {
                        "excludeByName": {"Time": True},
                        "indexByName": {},
                        "renameByName": {"Value": "Since"},
                    },
                }
            ],
        ),
        lines(
            "Time in which each was the culprit",
            [Query(worst(f"max by (job, cause, name) (rate({{culprit.seconds_total}}{RATE}))"), "{{cause}}: {{name}}")],
            **SHARE,
            limits=PRESSURE,
            width=12,
            do="Near 1: this is what the program waits for. Begin with the one that was there first.",
        ),
    ]


def stages() -> list[Panel]:
    """Stages."""
    return [
        row("Stages"),
        *culprits(),
        lines(
            "What all tasks do",
            [Query(f"sum by (state) (rate({{stage.seconds_total}}{RATE}))", "{{state}}")],
            unit="short",
            width=8,
            custom=STACKED,
            legend=SHORT_LEGEND,
            do="The mean number of tasks that work, wait for room, or wait for work. Many blocked: look who works.",
        ),
        *(
            lines(
                title,
                [Query(worst(share(state)), STAGE)],
                **SHARE,
                limits=limits,
                width=8,
                do=do,
            )
            for title, state, limits, do in (
                (
                    "Working",
                    "working",
                    NEUTRAL,
                    "Nearly all of its time, below one that is blocked: the culprit. Make its work shorter.",
                ),
                ("Blocked", "blocked", PRESSURE, "Held up by what lies downstream; not to blame."),
                ("Idle", "idle", NEUTRAL, "Spare capacity; or what lies upstream is late."),
            )
        ),
        *details(),
        graph(),
    ]


def details() -> list[Panel]:
    """Crews, links, and what working tasks await."""
    crew = f"{STAGE}: {{{{crew}}}}"
    by_crew = f"sum by (job, pipeline_stage, crew, state) (rate({{stage.crew_seconds_total}}{RATE}))"
    waited = f"sum by (job, pipeline_stage, resource, direction) (rate({{stage.crew_wait_seconds_total}}{RATE}))"
    return [
        lines(
            "Tasks",
            [Query(worst(by("pipeline_stage", "{stage.tasks}", "sum")), STAGE)],
            unit="short",
            decimals=0,
            width=8,
            do="Fewer than you start: they have died. Growing without end: they are made faster than they end.",
        ),
        lines(
            "Tasks by crew",
            [Query(worst("sum by (job, pipeline_stage, crew) ({stage.crew_tasks})"), crew)],
            unit="short",
            decimals=0,
            width=8,
            do="A crew are the tasks of a stage that use the same resources. None left: nobody takes from its queue.",
        ),
        lines(
            "What crews do",
            [Query(worst(by_crew), crew + " {{state}}")],
            unit="short",
            width=8,
            do="Where one function works in several places, this tells them apart.",
        ),
        lines(
            "What is waited for",
            [Query(worst(waited), f"{STAGE} {{{{direction}}}} {{{{resource}}}}")],
            unit="short",
            width=8,
            do="The mean number of tasks of a stage that wait for a resource. Follow the largest one.",
        ),
        lines(
            "Busiest task of each crew",
            [Query(worst("max by (job, pipeline_stage, crew) ({stage.crew_busiest_ratio})"), crew)],
            **SHARE,
            width=8,
            do="At 1 beside colleagues that are idle: one bad member, as of a partition that has most of the work.",
        ),
        lines(
            "What working tasks await",
            [
                Query(
                    worst(f"sum by (job, pipeline_stage, awaited) (rate({{stage.awaits_total}}{RATE}))"),
                    f"{STAGE}: {{{{awaited}}}}",
                )
            ],
            unit="cps",
            width=8,
            do="Looks at a working task, once a second, that found it in this function: what its time goes into.",
        ),
    ]


def graph() -> Panel:
    """The flow: stages and resources as nodes, links as edges in the direction of the data."""
    stage_id = "max by (pipeline_stage) ({stage.tasks})"
    nodes = (
        f'label_replace(label_replace({stage_id}, "id", "stage:$1", "pipeline_stage", "{WHOLE}"), '
        f'"title", "$1", "pipeline_stage", "{WHOLE}")\n'
        'or label_replace(label_join(max by (kind, resource) ({stage.link_info}), "id", ":", "kind", "resource"), '
        f'"title", "$1", "resource", "{WHOLE}")'
    )
    built = Query(nodes, shape="table", now=True), Query(edges(), shape="table", now=True)
    made = panel(
        "nodeGraph",
        "Flow",
        built,
        unit="short",
        width=24,
        height=14,
        do="Stages and what they put to, get from, drain or acquire, in the direction of the data. The blocked are not "
        "the guilty: walk along the arrows.",
    )
    for target, name in zip(made["targets"], ("nodes", "edges"), strict=True):
        target["refId"] = name
    return made


def edges() -> str:
    """Links as edges: out of a stage, or out of the queue that it gets from."""

    def ends(direction: str, source: str, target: str) -> str:
        link = f"max by (pipeline_stage, kind, resource, direction) ({{stage.link_info|direction{direction}}})"
        named = f'label_join({link}, "id", " ", "pipeline_stage", "direction", "kind", "resource")'
        stage = f'label_replace({named}, "{source}", "stage:$1", "pipeline_stage", "{WHOLE}")'
        return f'label_join({stage}, "{target}", ":", "kind", "resource")'

    return ends('!="get"', "source", "target") + "\nor " + ends('="get"', "target", "source")
