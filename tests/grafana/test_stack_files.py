"""The files around the dashboards: each passes its own program, and what they refer to exists."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from needs import needs

from bpexporter.commands import main as cli
from grafana.source.alerts import ALERTS

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
COMPOSE = ROOT / "docker-compose.yml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]
# Where Debian keeps Compose 2.
PLUGINS = ("/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins")


def run(*command: str) -> str:
    """What the program prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compose() -> str | None:
    """The path of Compose 2, where there is one."""
    found = [shutil.which("docker-compose"), *(shutil.which("docker-compose", path=folder) for folder in PLUGINS)]
    second = (path for path in found if path and not run(path, "version", "--short").startswith("1."))
    return next(second, None)


def test_compose_follows_its_schema():
    """The compose file follows the specification's schema."""
    script = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    assert "ok" in run(*script)


def test_compose_reads_itself():
    """Compose 2 finds nothing wrong with its file, references included."""
    program = compose()
    if program is None:
        pytest.skip("Compose 2 is not installed: Debian has it from 13 on, as docker-compose")
    run(program, "-f", str(COMPOSE), "config", "-q")


def test_services():
    """Two demos, one behind a sidecar, Prometheus, Alertmanager and Grafana."""
    ours = ["demo", "demo-incident", "sidecar", "worker"]
    assert sorted(SERVICES) == sorted(["alertmanager", "grafana", "prometheus", *ours])


def test_worker_and_sidecar_share_a_folder():
    """Both mount one volume in memory, of the user that they run as, and mean the same folder in it."""
    worker, sidecar = SERVICES["worker"], SERVICES["sidecar"]
    assert worker["volumes"] == sidecar["volumes"] == ["shared:/shared"]
    assert worker["environment"]["BPEXPORTER_DIR"] == cli.parser().parse_args(sidecar["command"]).dir
    assert "USER nobody" in sidecar["build"]["dockerfile_inline"]
    assert "uid=65534" in yaml.safe_load(COMPOSE.read_text())["volumes"]["shared"]["driver_opts"]["o"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_local_and_checked(name):
    """Images have a version, ports are those of loopback, and health is checked."""
    service = SERVICES[name]
    assert service["image"].rpartition(":")[2] not in {"", "latest"}
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"]["test"]


def test_images_are_what_is_tried_here():
    """Grafana is the version whose types hold the dashboards, Prometheus the long-term one that tries the rules."""
    types = json.loads((Path(__file__).parent / "schemas" / "package.json").read_text())["dependencies"][
        "@grafana/schema"
    ]
    assert SERVICES["grafana"]["image"] == f"grafana/grafana:{types}"
    assert SERVICES["prometheus"]["image"].startswith("prom/prometheus:v3.5.")


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_exist(name):
    """What a service mounts from here is here, and read-only; what it writes goes into a named volume."""
    named = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for volume in SERVICES[name].get("volumes", []):
        source, _, mode = volume.partition(":")
        assert source in named or ((ROOT / source).exists() and mode.endswith(":ro"))


def test_services_wait_for_each_other():
    """A service waits until those that it asks are healthy."""
    waits = {name: sorted(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert waits["grafana"] == ["prometheus"]
    assert waits["prometheus"] == ["alertmanager", "demo", "demo-incident", "sidecar"]
    assert waits["sidecar"] == ["worker"]


@pytest.mark.parametrize("name", ["demo", "demo-incident", "worker", "sidecar"])
def test_the_image_is_built_here(name):
    """The demo's image is made by the compose file from this folder, and its words are words of our command line."""
    service = SERVICES[name]
    assert service["build"]["context"] == "."
    copied = [line.split()[1] for line in service["build"]["dockerfile_inline"].splitlines() if line.startswith("COPY")]
    assert [(ROOT / path).is_dir() for path in copied] == [True]
    assert cli.parser().parse_args(service["command"]).port == 9877


def test_no_two_services_build_one_image():
    """Compose builds in parallel, and two builds of one tag collide: each service that builds has a tag of its own."""
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert len(built) == len(set(built)) == 4


def test_grafana_opens_the_overview():
    """Grafana's home is the overview, where the provider finds the dashboards, too."""
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/backpressure.yml").read_text())["providers"][0]
    assert home.name == "backpressure-overview.json"
    assert str(home.parent) == provider["options"]["path"]
    assert f"./grafana/dashboards:{home.parent}:ro" in SERVICES["grafana"]["volumes"]


def test_addresses_agree():
    """Prometheus scrapes the demos and tells Alertmanager, Grafana asks both, at their ports."""
    prometheus = yaml.safe_load((GRAFANA / "prometheus.yml").read_text())
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert prometheus["scrape_configs"][0]["static_configs"][0]["targets"] == ["demo:9877", "demo-incident:9877"]
    assert prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert [source["url"] for source in sources] == ["http://prometheus:9090", "http://alertmanager:9093"]
    assert sources[0]["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


def test_prometheus_reads_its_configuration():
    """`promtool check config` passes, rules included."""
    assert "2 rule files found" in run(needs("promtool"), "check", "config", str(GRAFANA / "prometheus.yml"))


def test_only_alerts_of_ours_are_silenced():
    """The inhibition holds between alerts of ours: with others it would silence what lacks the labels."""
    (rule,) = yaml.safe_load((GRAFANA / "alertmanager.yml").read_text())["inhibit_rules"]
    for matchers in (rule["source_matchers"], rule["target_matchers"]):
        pattern = next(found[1] for text in matchers if (found := re.fullmatch(r'alertname=~"(.*)"', text)))
        assert all(re.fullmatch(pattern, alert.name) for alert in ALERTS)
        assert not re.fullmatch(pattern, "NodeDiskFull")


def test_alertmanager_reads_its_configuration():
    """`amtool check-config` passes."""
    assert "SUCCESS" in run(needs("amtool"), "check-config", str(GRAFANA / "alertmanager.yml"))
