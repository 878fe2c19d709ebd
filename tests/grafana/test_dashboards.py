"""The dashboards: as made, every query known to the catalogue, and the rules of Grafana's linter."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
from promql_checks import complaints, unfiltered
from promql_labels import labels_of
from promql_parts import declared, matchers, selectors

from bpexporter.catalogue.metrics import METRICS
from grafana.source.__main__ import files, main, stale
from grafana.source.queries import anywhere, expand, find

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PANELS = [
    pytest.param(board, panel, id=f"{uid.removeprefix('backpressure-')}-{panel['id']}-{panel['title']}")
    for uid, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
QUERIES = [
    pytest.param(target["expr"], id=f"{param.id}-{target['refId']}")
    for param in PANELS
    for target in param.values[1]["targets"]
]
VARIABLES = ["datasource", "job", "instance", "queue", "stream", "limiter"]


def test_files_are_as_made():
    """Every file that is made from code is what the code makes now."""
    assert stale() == []
    assert len(files()) == 8


def test_a_changed_file_is_found(tmp_path):
    """A file that was changed by hand, or is missing, is told."""
    for name, text in files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dashboards/backpressure-detail.json").write_text("{}")
    (tmp_path / "rules/backpressure-alerts.yml").unlink()
    assert stale(tmp_path) == ["rules/backpressure-alerts.yml", "dashboards/backpressure-detail.json"]


def test_check_writes_nothing(capsys):
    """`--check` says what is not as made, by its exit code too."""
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_two_dashboards():
    """There is an overview and a detail, each with its uid, and a link to the other."""
    assert list(BOARDS) == ["backpressure-detail", "backpressure-overview"]
    assert [board["uid"] for board in BOARDS.values()] == list(BOARDS)
    assert [board["links"][0]["url"].partition("?")[0] for board in BOARDS.values()] == [
        "/d/backpressure-overview/backpressure-overview",
        "/d/backpressure-detail/backpressure-detail",
    ]


@pytest.mark.parametrize("uid", BOARDS)
def test_links_at_the_top_keep_targets_only(uid):
    """The link to the other dashboard keeps data source, job, instance and time, and no resource.

    One queue would narrow the overview down, and `All` is no value of the detail.
    """
    link, _ = BOARDS[uid]["links"]
    kept = link["url"].partition("?")[2].split("&")
    assert kept == ["${datasource:queryparam}", "${job:queryparam}", "${instance:queryparam}"]
    assert (link["keepTime"], link["includeVars"]) == (True, False)


@pytest.mark.parametrize("uid", BOARDS)
def test_the_live_page_is_one_click_away(uid):
    """The other link at the top leads to the page of the chosen instance, in a window of its own."""
    _, link = BOARDS[uid]["links"]
    assert (link["url"], link["targetBlank"]) == ("http://${instance}/", True)


@pytest.mark.parametrize("uid", BOARDS)
def test_annotations_are_of_what_is_chosen(uid):
    """Alerts of other resources leave no mark; those about a whole process, or a whole job, do."""
    (selector,) = (found for found, _ in selectors(BOARDS[uid]["annotations"]["list"][0]["expr"]))
    chosen = matchers(selector)
    assert chosen["job"] == "$job"
    assert [chosen[label] for label in VARIABLES[2:]] == [f"${label}|" for label in VARIABLES[2:]]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_known_to_the_catalogue(query):
    """Names, labels, counters and parts of histograms are used as they are declared."""
    assert complaints(query) == []


@pytest.mark.parametrize("query", QUERIES)
def test_selectors_are_filtered(query):
    """Every selector is filtered by job and instance, and by the variable of its kind where there is one."""
    assert unfiltered(query, VARIABLES) == []


@pytest.mark.parametrize("query", QUERIES)
def test_rates_use_the_rate_interval(query):
    """Whatever counts over a range counts over `$__rate_interval`."""
    calls = re.findall(r"\b(?:rate|increase|irate|delta|deriv)\(.*?\[(.*?)\]", query, re.DOTALL)
    assert set(calls) <= {"$__rate_interval"}


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_panels_are_told(board, panel):
    """Every panel has a title, a unit, and a description that says what it means and what to do."""
    metrics = {declared(selector.name)[0] for target in panel["targets"] for selector, _ in selectors(target["expr"])}
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert metrics
    for metric in metrics:
        assert f"`{metric.name}`: {metric.help}" in panel["description"]
    assert len(panel["description"].partition("**What to do:** ")[2]) > 10


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_no_data_source_is_named(board, panel):
    """Data source, job and instance are variables, never a value."""
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert sources == [{"type": "prometheus", "uid": "${datasource}"}] * len(sources)


@pytest.mark.parametrize("uid", BOARDS)
def test_variables(uid):
    """Variables for the data source, job, instance and each kind; they refresh when the time changes."""
    found = {variable["name"]: variable for variable in BOARDS[uid]["templating"]["list"]}
    assert list(found) == VARIABLES
    assert {found[name]["refresh"] for name in VARIABLES[1:]} == {2}
    several = VARIABLES[1:] if uid.endswith("overview") else VARIABLES[1:3]
    assert [name for name in VARIABLES if found[name]["includeAll"]] == several
    # Grafana escapes names for the pattern only where several may be chosen
    assert [name for name in VARIABLES if found[name]["multi"]] == VARIABLES[1:]
    assert {found[name]["allValue"] for name in several} == {".+"}
    assert (found["job"]["label"], found["instance"]["label"]) == ("Job", "Instance")


@pytest.mark.parametrize("uid", BOARDS)
def test_variables_ask_for_what_exists(uid):
    """The queries of the variables name metrics and labels of the catalogue."""
    asked = [variable["query"]["query"] for variable in BOARDS[uid]["templating"]["list"][1:]]
    for query in asked:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        metric, _part = declared(promql_parser.parse(selector).name)
        assert complaints(selector) == []
        assert label in {*metric.labels, "job", "instance"}


@pytest.mark.parametrize("uid", BOARDS)
def test_board_settings(uid):
    """Classic form, not editable, one crosshair, alerts as annotations."""
    board = BOARDS[uid]
    assert board["schemaVersion"] <= 42
    assert (board["editable"], board["graphTooltip"], "id" in board) == (False, 1, False)
    annotation = board["annotations"]["list"][0]
    assert 'ALERTS{alertstate="firing"' in annotation["expr"]
    assert complaints(annotation["expr"]) == []


@pytest.mark.parametrize("uid", BOARDS)
def test_nothing_overlaps(uid):
    """Panels fill the grid of 24 columns without touching each other, and their numbers are their own."""
    taken = set()
    for panel in BOARDS[uid]["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    numbers = [panel["id"] for panel in BOARDS[uid]["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_every_metric_has_a_panel():
    """Each metric of the catalogue is shown by a panel."""
    shown = {selector.name for param in QUERIES for selector, _ in selectors(param.values[0])}
    missing = [metric.name for metric in METRICS if not shown & {metric.name, f"{metric.name}_bucket"}]
    assert missing == []


def test_overview_follows_the_data():
    """After the numbers of now come stages, queues, streams, limiters, loops and the exporter, in this order."""
    rows = [panel["title"] for panel in BOARDS["backpressure-overview"]["panels"] if panel["type"] == "row"]
    assert rows == ["Stages", "Queues", "Streams", "Limiters", "Event loops", "Exporter"]


@pytest.mark.parametrize("title", ["Queue utilisation", "Permits in use"])
def test_the_threshold_is_drawn(title):
    """Utilisation is drawn with its 80 % as a line and an area."""
    panel = next(panel for panel in BOARDS["backpressure-overview"]["panels"] if panel["title"] == title)
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "dashed+area"}
    assert 0.8 in [step["value"] for step in defaults["thresholds"]["steps"]]


@pytest.mark.parametrize("kind", ["queue", "stream", "limiter"])
def test_series_link_to_the_details(kind):
    """A series of the overview opens its own resource, of its job, on the detail dashboard, time and source kept."""
    panels = [panel for panel in BOARDS["backpressure-overview"]["panels"] if panel["type"] == "timeseries"]
    links = {link["url"] for panel in panels for link in panel["fieldConfig"]["defaults"].get("links", [])}
    kept = "${datasource:queryparam}&${instance:queryparam}&${__url_time_range}"
    assert (
        f"/d/backpressure-detail/backpressure-detail?{kept}&var-job=${{__field.labels.job:percentencode}}"
        f"&var-{kind}=${{__field.labels.{kind}:percentencode}}" in links
    )


def test_rows_link_to_the_details():
    """A row of the table opens its own resource, job and instance; a name that holds `&` chooses nothing else."""
    (panel,) = (panel for panel in BOARDS["backpressure-overview"]["panels"] if panel["title"] == "Where")
    properties = [each for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
    (link,) = next(each["value"] for each in properties if each["id"] == "links")
    assert set(link["url"].partition("?")[2].split("&")) == {
        "${datasource:queryparam}",
        "${__url_time_range}",
        "var-job=${__data.fields.Job:percentencode}",
        "var-instance=${__data.fields.Instance:percentencode}",
        "var-${__data.fields.Kind}=${__data.fields.Resource:percentencode}",
    }


def test_the_table_has_no_other_columns():
    """Each query of the table gives the labels that are its columns, so that its rows merge, and no more."""
    (panel,) = (panel for panel in BOARDS["backpressure-overview"]["panels"] if panel["title"] == "Where")
    for target in panel["targets"]:
        assert labels_of(target["expr"]) == {"job", "instance", "kind", "resource"}
    (_, organize) = panel["transformations"]
    shown = {*organize["options"]["indexByName"], *organize["options"]["excludeByName"]}
    assert shown == {"Time", "job", "instance", "kind", "resource", *(f"Value #{letter}" for letter in "ABCD")}


def test_names_come_from_the_catalogue():
    """A template that refers to what the catalogue does not declare, or asks for a wrong part, makes no query."""
    assert (
        expand('rate({queue.puts_total|job="a"}[5m])', anywhere) == 'rate(backpressure_queue_puts_total{job="a"}[5m])'
    )
    with pytest.raises(KeyError, match="declares no backpressure_queue_size"):
        expand("{queue.size}", anywhere)
    with pytest.raises(KeyError):
        find("stream", "puts_total")
    with pytest.raises(ValueError, match="is a histogram"):
        expand("{queue.put_wait_seconds}", anywhere)
    with pytest.raises(ValueError, match="is a counter"):
        expand("{queue.puts_total.bucket}", anywhere)


def test_no_name_is_written_in_the_code_of_the_dashboards():
    """Panels and rules hold no full name of a metric: it would outlive a renaming."""
    sources = (FOLDER.parent / "source").rglob("*.py")
    written = {name for path in sources for name in re.findall(r"\bb\w+_[a-z_]+", path.read_text())}
    assert written & {metric.name for metric in METRICS} == set()
