"""Dashboards and Kubernetes files pass the schemas of those who read them; the checks find seeded faults."""

import copy
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from needs import needs

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "schemas"
BOARDS = [json.loads(path.read_text()) for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))]
KUBERNETES = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "grafana" / "kubernetes").glob("*.yaml"))
}
CUSTOM = ["podmonitor", "prometheusrule"]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schemas of Grafana and of the Prometheus operator, from npm."""
    needs("node")
    folder = tmp_path_factory.mktemp("schemas")
    for name in ("package.json", "schemas.mjs"):
        shutil.copy(HERE / name, folder)
    flags = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"]
    subprocess.run([needs("npm"), "install", *flags], cwd=folder, check=True, timeout=110, capture_output=True)
    return folder


def told(checker: Path, documents: list[dict]) -> list[list[str]]:
    """What is wrong with each document."""
    command = ["node", "schemas.mjs"]
    done = subprocess.run(
        command, cwd=checker, input=json.dumps(documents), capture_output=True, text=True, timeout=100, check=True
    )
    return json.loads(done.stdout)


def spoilt(document: dict, path: str, value: object) -> dict:
    """A copy with another value at a path."""
    result = copy.deepcopy(document)
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    place = result
    for step in way:
        place = place[step]
    place[last] = value
    return result


FAULTS = [
    (BOARDS[0], "editabel", False),
    (BOARDS[0], "panels/1/gridPos/w", "wide"),
    (BOARDS[0], "panels/1/options/graphMod", "area"),
    (BOARDS[0], "panels/1/fieldConfig/defaults/units", "s"),
    (BOARDS[0], "panels/9/fieldConfig/defaults/custom/drawStyle", "lines"),
    (BOARDS[0], "templating/list/1/refresh", "often"),
    (KUBERNETES["podmonitor"], "spec/podMetricsEndpoints/0/intervall", "15s"),
    (KUBERNETES["prometheusrule"], "spec/groups/0/rules/0/expr", None),
    (KUBERNETES["prometheusrule"], "spec/groups/0/rules/0/severity", "page"),
]


@pytest.mark.schemas
def test_documents_pass_and_faults_are_found(checker):
    """Grafana's types, strictly, and the operator's pass what ships, and each of the seeded faults is told."""
    documents = [*BOARDS, *(KUBERNETES[name] for name in CUSTOM)]
    found = told(checker, [*documents, *(spoilt(*fault) for fault in FAULTS)])
    assert found[: len(documents)] == [[]] * len(documents)
    unheard = [fault[1] for fault, said in zip(FAULTS, found[len(documents) :], strict=True) if not said]
    assert unheard == []


def test_the_config_map_holds_the_dashboards():
    """The ConfigMap has what the sidecar looks for, the dashboards as they are, and is not too large for Kubernetes."""
    found = KUBERNETES["dashboards"]
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert [json.loads(text) for text in found["data"].values()] == [BOARDS[1], BOARDS[0]]
    assert sum(map(len, found["data"].values())) < 1_000_000


def test_the_rules_of_kubernetes_are_the_rules():
    """The PrometheusRule holds the groups of the rule files."""
    files = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "grafana" / "rules").glob("*.yml"))]
    groups = [group for content in reversed(files) for group in content["groups"]]
    assert KUBERNETES["prometheusrule"]["spec"]["groups"] == groups
