"""Cases of alerts put to promtool, with the rules that each alert needs and no others: that is quicker."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

Case = dict[str, Any]
Rule = dict[str, str]

RULES = Path(__file__).parents[2] / "grafana" / "rules"
GROUPS = [
    group
    for name in ("recording", "alerts")
    for group in yaml.safe_load((RULES / f"backpressure-{name}.yml").read_text())["groups"]
]
EVERY = "30s"


def rules_of(alert: str) -> list[Rule]:
    """The rule of an alert, after those whose records it reads."""
    rules = [rule for group in GROUPS for rule in group["rules"]]
    needed = [next(rule for rule in rules if rule.get("alert") == alert)]
    # the last first: a record reads only those above it
    for rule in reversed([rule for rule in rules if "record" in rule]):
        if any(rule["record"] in other["expr"] for other in needed):
            needed.insert(0, rule)
    return needed


def write(folder: Path, alert: str, tests: list[Case]) -> Path:
    """A file of cases of one alert, and beside it one with its rules."""
    rules = {"groups": [{"name": alert, "rules": rules_of(alert)}]}
    (folder / f"{alert}.rules.yml").write_text(yaml.safe_dump(rules, sort_keys=False, width=10_000))
    content = {"rule_files": [f"{alert}.rules.yml"], "evaluation_interval": EVERY, "tests": tests}
    path = folder / f"{alert}.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=10_000))
    return path


def complaints(program: str, folder: Path, cases: dict[str, list[Case]]) -> str:
    """What promtool finds wrong with the cases of each alert."""
    files = [str(write(folder, alert, tests)) for alert, tests in cases.items() if tests]
    done = subprocess.run([program, "test", "rules", *files], capture_output=True, text=True, timeout=110, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
