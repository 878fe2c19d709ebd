"""The cases of the rules hold when scrapes are lost, when processes restart, and when there is a second cluster."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from needs import promtool
from promtool_cases import Case, complaints
from promtool_series import in_cluster, notation, restarted, samples, seconds, with_lost_scrapes, with_restarts

CASES = Path(__file__).parent / "rules"
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CASES.glob("*.yml"))}
LONGEST = "3h"
NOW = "1m"
PATIENCE = 600
# Cases that speak of restarts themselves, or of what a restart would make another case.
OF_RESTARTS = re.compile("restart|process lives|killed|written out|deployment|before the first scrape")
# What is quiet by now, and was not at first.
OF_LONG_AGO = re.compile("long ago|full already")
# Fullness alone, of a process that lives for less than seven minutes, is told by nobody: whom it holds up is.
SLOW = {"BackpressureQueueUtilizationHigh"}


def judged(alert: str, case: Case, cluster: str = "") -> Case:
    """The case with one question: did this alert fire, at any time, for the labels that it expects?"""
    (asked,) = case["alert_rule_test"]
    firing = [{"alertname": alert, "alertstate": "firing", **each["exp_labels"]} for each in asked["exp_alerts"]]
    labels = [{**each, **({"cluster": cluster} if cluster else {})} for each in firing]
    window = NOW if OF_LONG_AGO.search(case["name"]) else LONGEST
    query = f'max_over_time(ALERTS{{alertname="{alert}", alertstate="firing"}}[{window}])'
    told = [
        {"labels": "{" + ", ".join(f'{name}="{value}"' for name, value in each.items()) + "}", "value": 1}
        for each in labels
    ]
    kept = {key: value for key, value in case.items() if key != "alert_rule_test"}
    # what is missing now and then may be told a little later
    at = seconds(asked["eval_time"]) + (PATIENCE if told else 0)
    question = {"expr": query, "eval_time": f"{at}s", "exp_samples": told}
    return {**kept, "name": f"{alert}; {case['name']}", "promql_expr_test": [question]}


def cases() -> list[tuple[str, Case]]:
    """All cases with their alert."""
    return [(alert, case) for alert, file in FILES.items() for case in file["tests"]]


def with_fault(fault: Callable[[Case], Case]) -> list[Case]:
    """All cases under a fault."""
    return [judged(alert, fault(case)) for alert, case in cases()]


def restarting(minutes: int) -> list[Case]:
    """All cases whose processes restart every so many minutes."""
    slow = SLOW if minutes < 10 else ()
    return [
        judged(alert, with_restarts(minutes)(case))
        for alert, case in cases()
        if alert not in slow and not OF_RESTARTS.search(case["name"])
    ]


def beside_another_cluster() -> list[Case]:
    """Each firing case in one cluster, with a quiet one of the same names in another."""
    found = []
    for alert, case in cases():
        quiet = [
            other
            for other in FILES[alert]["tests"]
            if other["name"].startswith("quiet") and other["interval"] == case["interval"]
            if not OF_LONG_AGO.search(other["name"])
        ]
        if case["name"].startswith("firing") and quiet and "cluster=" not in f"{case}{quiet[0]}":
            series = in_cluster(case, "east") + in_cluster(quiet[0], "west")
            found.append(judged(alert, {**case, "input_series": series}, "east"))
    return found


FAULTS = {
    "lost scrapes": lambda: with_fault(with_lost_scrapes),
    "restarts every 7 minutes": lambda: restarting(7),
    "restarts every 11 minutes": lambda: restarting(11),
    "a second cluster": beside_another_cluster,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("major", [2, 3])
def test_faults_change_nothing(fault, major, tmp_path):
    """Each case holds under each fault, on both versions of Prometheus."""
    tests = FAULTS[fault]()
    assert len(tests) > 20
    about = {alert: [test for test in tests if test["name"].startswith(f"{alert};")] for alert in FILES}
    assert complaints(promtool(major), tmp_path, about) == ""


def test_a_missed_alert_is_found(tmp_path):
    """A firing case whose incident is taken away is told."""
    case = next(case for _, case in cases() if case["name"].startswith("firing"))
    calm = {**case, "input_series": [{**each, "values": "0x60"} for each in case["input_series"]]}
    alert = case["alert_rule_test"][0]["alertname"]
    assert alert in complaints(promtool(2), tmp_path, {alert: [judged(alert, calm)]})


def test_samples_are_read_as_promtool_does():
    """Numbers, steps, repetitions and gaps become samples, and are written so that they mean the same."""
    assert list(samples("1 2x1 0+5x2 9-1x1 _ _x2 stale 3")) == [1, 2, 2, 0, 5, 10, 9, 8, None, None, None, None, 3]
    assert notation([1.0, None, 0.25]) == "1 stale 0.25"


def test_a_restart_begins_anew():
    """After a restart one scrape fails, the next finds levels of 0, counters count from 0, and nothing is old."""
    assert restarted("backpressure_queue_puts_total", [0.0, 10.0, 20.0, 30.0, 40.0, 50.0], 3, 30) == [
        *(0, 10, 20),
        *(None, 0, 10),
    ]
    assert restarted("backpressure_queue_depth_items", [5.0] * 6, 3, 30) == [5, 5, 5, None, 0, 5]
    assert restarted("backpressure_queue_longest_block_seconds", [400.0] * 6, 3, 30)[3:] == [None, 0, 30]
    assert restarted("up", [1.0] * 6, 3, 30) == [1, 1, 1, 0, 1, 1]
