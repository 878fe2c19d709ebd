"""The rules: promtool's own checks, a quiet and a firing case for each alert, and a runbook that knows them all."""

import re
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml
from needs import promtool
from promql_checks import complaints as faults_of
from promql_labels import labels_of
from promql_parts import declared, substituted, walk
from promtool_cases import EVERY, GROUPS, complaints

from grafana.source import thresholds
from grafana.source.alerts import ALERTS, RUNBOOK
from grafana.source.recording import RECORDINGS

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "grafana" / "rules").glob("*.yml"))
CASES = Path(__file__).parent / "rules"
LOADED = [
    pytest.param(rule, id=rule.get("alert") or rule["record"])
    for path in RULES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTING = [param for param in LOADED if "alert" in param.values[0]]
RECORDED = {recording.record: labels_of(recording.rule()["expr"]) for recording in RECORDINGS}
NAMES = [alert.name for alert in ALERTS]


def run(*command: str) -> str:
    """What the program prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cases_of(folder: Path, name: str) -> list[tuple[str, bool]]:
    """The cases of an alert: what each is called, and whether the alert is expected to fire."""
    path = folder / f"{name}.yml"
    tests = yaml.safe_load(path.read_text())["tests"] if path.is_file() else []
    return [
        (test["name"], bool(asked["exp_alerts"]))
        for test in tests
        for asked in test["alert_rule_test"]
        if asked["alertname"] == name
    ]


def lacking(folder: Path, names: list[str]) -> list[str]:
    """The alerts that lack a quiet or a firing case."""
    return [name for name in names if {fires for _, fires in cases_of(folder, name)} != {True, False}]


@pytest.mark.parametrize("major", [2, 3])
def test_promtool_has_nothing_to_say(major):
    """`promtool check rules` with all its lints passes."""
    run(promtool(major), "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


@pytest.mark.parametrize("major", [2, 3])
def test_cases_hold(major, tmp_path):
    """Every alert is quiet and fires as its cases say, with these words, on Prometheus 2 and 3."""
    cases = {name: yaml.safe_load((CASES / f"{name}.yml").read_text())["tests"] for name in NAMES}
    assert complaints(promtool(major), tmp_path, cases) == ""


def test_files_of_cases_can_be_run_by_hand():
    """Each file names the rules that ship, and groups of them in an order in which records are made first."""
    known = [group["name"] for group in GROUPS]
    for path in CASES.glob("*.yml"):
        file = yaml.safe_load(path.read_text())
        assert sorted((CASES / rules).resolve() for rules in file["rule_files"]) == RULES
        assert file["group_eval_order"] == [name for name in known if name in file["group_eval_order"]]
        assert file["group_eval_order"][0] == known[0]
        assert file["evaluation_interval"] == EVERY


# What was silent in true incidents, or fired in health, and may never be so again.
SITUATIONS = {
    "firing": {
        "BackpressureWritersPaused": ["five clients dead of 205", "Unix socket", "broadcast over uvloop"],
        "BackpressureIgnored": ["a mark of 0", "nobody was told"],
        "BackpressureStreamStalled": ["wait_for(drain(), 30) again and again"],
        "BackpressureQueueEmptiedByRestarts": ["every 11 minutes"],
        "BackpressureQueueUnboundedGrowing": ["ten million items within 19 minutes"],
        "BackpressureQueueStalled": ["restarted every 7 minutes"],
        "BackpressureNamesFolded": ["before the first scrape"],
        "BackpressureExporterFailing": ["before the first scrape"],
        "BackpressureExporterMissing": ["one pod of three", "another target never had it", "two clusters"],
    },
    "quiet": {
        "BackpressureIgnored": ["header, body and trailer"],
        "BackpressureQueueFullSoon": ["warmed up to 60 %"],
        "BackpressureQueueUnboundedGrowing": ["a batch of 100,000"],
        "BackpressureQueueUtilizationHigh": ["an idle pool built on a LifoQueue"],
        "BackpressureItemsOld": ["the bottom of an idle pool"],
        "BackpressureLimiterStuck": ["Semaphore(0) as a doorbell"],
        "BackpressureExporterDown": ["its namesake in another cluster"],
    },
}


@pytest.mark.parametrize("way", SITUATIONS)
def test_each_known_situation_is_a_case(way):
    """Each situation that was once judged wrongly is a case of the alert it is about."""
    for alert, situations in SITUATIONS[way].items():
        names = [name for name, _ in cases_of(CASES, alert) if name.startswith(f"{way}: ")]
        assert [each for each in situations if not any(each in name for name in names)] == []


def test_every_alert_has_both_cases():
    """Each alert has a quiet and a firing case, and each file of cases an alert."""
    assert lacking(CASES, NAMES) == []
    assert sorted(path.stem for path in CASES.glob("*.yml")) == sorted(NAMES)


def test_a_lacking_case_is_found(tmp_path):
    """An alert without cases, and one that is never quiet, are told."""
    asked = [{"alertname": "B", "exp_alerts": [{}]}]
    (tmp_path / "B.yml").write_text(yaml.safe_dump({"tests": [{"name": "firing", "alert_rule_test": asked}]}))
    assert lacking(tmp_path, ["A", "B"]) == ["A", "B"]


@pytest.mark.parametrize("name", NAMES)
def test_cases_are_called_what_they_are(name):
    """A case says in its name whether it is quiet or firing."""
    assert all(called.startswith("firing: " if fires else "quiet: ") for called, fires in cases_of(CASES, name))


@pytest.mark.parametrize("rule", LOADED)
def test_queries_are_known_to_the_catalogue(rule):
    """Names, labels, counters and parts of histograms are used as they are declared."""
    assert faults_of(rule["expr"], RECORDED) == []


@pytest.mark.parametrize("rule", ALERTING)
def test_gauges_are_wrapped(rule):
    """Every gauge in an alert stands under a function over time, so that a lost scrape does not reset `for`."""
    tree = promql_parser.parse(substituted(rule["expr"]))
    for node, above in walk(tree):
        if isinstance(node, promql_parser.VectorSelector) and declared(node.name):
            assert isinstance(above[-1], promql_parser.MatrixSelector), node.name


@pytest.mark.parametrize("rule", ALERTING)
def test_alerts_are_told(rule):
    """Each alert has a severity, a summary, a description, a duration, and the address of its section."""
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"\d+m", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"


def test_the_required_alert():
    """Utilisation above 80 % is a warning after five minutes."""
    rule = next(param.values[0] for param in ALERTING if param.id == "BackpressureQueueUtilizationHigh")
    assert "min_over_time(backpressure_queue_utilization_ratio[2m]) > 0.8" in rule["expr"]
    assert (rule["for"], rule["labels"]["severity"]) == ("5m", "warning")


def test_the_runbook_knows_each_alert():
    """The runbook has a section for each alert, in their order, with causes and with what to do, and no other."""
    text = (ROOT / "grafana" / "RUNBOOK.md").read_text()
    sections = re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == NAMES
    for name, body in sections:
        severity = next(alert.severity for alert in ALERTS if alert.name == name)
        assert body.startswith(f"\n*{severity.capitalize()}.* ")
        assert "| the cause |" in body
        assert "*What to do.*" in body


def test_the_runbook_names_what_exists():
    """Full names of metrics in the runbook are those of the catalogue, and its links lead somewhere."""
    text = (ROOT / "grafana" / "RUNBOOK.md").read_text()
    names = set(re.findall(r"\b(?:backpressure|bpexporter)_[a-z_]+[a-z]\b", text))
    assert [name for name in sorted(names) if declared(name) is None] == []
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= {name.lower() for name in NAMES}


def test_thresholds_stand_in_one_place():
    """The head of the alerts lists every threshold with its reason."""
    head = (ROOT / "grafana" / "rules" / "backpressure-alerts.yml").read_text().partition("groups:")[0]
    known = [value for value in vars(thresholds).values() if isinstance(value, thresholds.Threshold)]
    assert len(known) > 10
    assert all(threshold.why in head for threshold in known)
