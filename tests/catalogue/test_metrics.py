"""Every metric is declared once, completely, under the name that was promised."""

import ast
import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import readings

import bpexporter
from bpexporter.catalogue.merging import at_least, merge, seconds
from bpexporter.catalogue.metrics import METRICS, READINGS, metrics_of
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.declaration import Metric

PACKAGE = Path(bpexporter.__file__).parent

# What users' dashboards and rules rely on: name, kind, labels, and how members of one name become one.
PROMISED = """
backpressure_queue_members                         gauge      queue           sum
backpressure_queue_unbounded_members               gauge      queue           sum
backpressure_queue_capacity_items                  gauge      queue           sum
backpressure_queue_depth_items                     gauge      queue           sum
backpressure_queue_utilization_ratio               gauge      queue           max
backpressure_queue_peak_utilization_ratio          gauge      queue           max
backpressure_queue_occupancy_seconds_total         counter    queue,band      sum
backpressure_queue_put_wait_seconds                histogram  queue           sum
backpressure_queue_blocked_puts_total              counter    queue           sum
backpressure_queue_put_blocked_seconds_total       counter    queue           sum
backpressure_queue_stalled_seconds_total           counter    queue           sum
backpressure_queue_blocked_producers               gauge      queue           sum
backpressure_queue_longest_block_seconds           gauge      queue           max
backpressure_queue_get_wait_seconds                histogram  queue           sum
backpressure_queue_get_idle_seconds_total          counter    queue           sum
backpressure_queue_idle_consumers                  gauge      queue           sum
backpressure_queue_puts_total                      counter    queue           sum
backpressure_queue_gets_total                      counter    queue           sum
backpressure_queue_refused_puts_total              counter    queue,reason    sum
backpressure_queue_residence_seconds               histogram  queue           sum
backpressure_queue_oldest_item_age_seconds         gauge      queue           max
backpressure_queue_unfinished_tasks                gauge      queue           sum
backpressure_stream_open_writers                   gauge      stream          sum
backpressure_stream_paused_writers                 gauge      stream          sum
backpressure_stream_blocked_writers                gauge      stream          sum
backpressure_stream_buffered_bytes                 gauge      stream          sum
backpressure_stream_buffer_limit_bytes             gauge      stream          sum
backpressure_stream_utilization_ratio              gauge      stream          max
backpressure_stream_peak_utilization_ratio         gauge      stream          max
backpressure_stream_drain_seconds                  histogram  stream          sum
backpressure_stream_blocked_drains_total           counter    stream          sum
backpressure_stream_drain_blocked_seconds_total    counter    stream          sum
backpressure_stream_stalled_seconds_total          counter    stream          sum
backpressure_stream_longest_block_seconds          gauge      stream          max
backpressure_stream_paused_seconds_total           counter    stream          sum
backpressure_stream_written_bytes_total            counter    stream          sum
backpressure_stream_unheeded_writes_total          counter    stream          sum
backpressure_stream_unheeded_bytes_total           counter    stream          sum
backpressure_stream_kernel_unsent_bytes            gauge      stream          sum
backpressure_stream_tcp_busy_seconds_total         counter    stream          sum
backpressure_stream_tcp_limited_seconds_total      counter    stream,cause    sum
backpressure_limiter_members                       gauge      limiter         sum
backpressure_limiter_capacity_permits              gauge      limiter         sum
backpressure_limiter_in_use_permits                gauge      limiter         sum
backpressure_limiter_waiting_work_items            gauge      limiter         sum
backpressure_limiter_utilization_ratio             gauge      limiter         max
backpressure_limiter_peak_utilization_ratio        gauge      limiter         max
backpressure_limiter_acquire_wait_seconds          histogram  limiter         sum
backpressure_limiter_blocked_acquires_total        counter    limiter         sum
backpressure_limiter_acquire_blocked_seconds_total counter    limiter         sum
backpressure_limiter_stalled_seconds_total         counter    limiter         sum
backpressure_limiter_waiting_tasks                 gauge      limiter         sum
backpressure_limiter_longest_block_seconds         gauge      limiter         max
backpressure_limiter_refused_acquires_total        counter    limiter,reason  sum
backpressure_loop_members                          gauge      loop            sum
backpressure_loop_busy_seconds_total               counter    loop            sum
backpressure_loop_busy_ratio                       gauge      loop            max
backpressure_loop_lag_seconds                      histogram  loop            sum
backpressure_loop_stalled_seconds_total            counter    loop            sum
backpressure_loop_tasks                            gauge      loop            sum
backpressure_stage_tasks                           gauge      pipeline_stage                               sum
backpressure_stage_seconds_total                   counter    pipeline_stage,state                         sum
backpressure_stage_link_info                       gauge      pipeline_stage,resource,kind,direction       max
backpressure_stage_crew_tasks                      gauge      pipeline_stage,crew                          sum
backpressure_stage_crew_seconds_total              counter    pipeline_stage,crew,state                    sum
backpressure_stage_crew_wait_seconds_total         counter    pipeline_stage,crew,resource,kind,direction  sum
backpressure_stage_crew_busiest_ratio              gauge      pipeline_stage,crew                          max
backpressure_stage_awaits_total                    counter    pipeline_stage,awaited                       sum
backpressure_culprit_info                          gauge      cause,kind,name                              max
backpressure_culprit_seconds_total                 counter    cause,kind,name                              sum
backpressure_culprit_age_seconds                   gauge      cause,kind,name                              max
bpexporter_build_info                              gauge      version         max
bpexporter_collect_seconds                         gauge      -               max
bpexporter_collect_errors_total                    counter    -               sum
bpexporter_watched_objects                         gauge      kind            sum
bpexporter_folded_names_total                      counter    kind            sum
bpexporter_processes                               gauge      state           sum
bpexporter_process_age_seconds                     gauge      -               max
bpexporter_files_left_out                          gauge      reason          sum
bpexporter_histograms_left_out                     gauge      -               sum
bpexporter_worst_process_pressure_ratio            gauge      kind,resource   max
"""
PARTS = {
    ("queue", "band"): ("empty", "low", "mid", "high", "full"),
    ("queue", "reason"): ("full", "cancelled", "shutdown"),
    ("stream", "cause"): ("receiver", "send_buffer"),
    ("limiter", "reason"): ("cancelled",),
    ("stage", "state"): ("idle", "blocked", "working"),
}
# Told to the program itself, and no series: a reading says of how many writers the kernel was asked.
WITHOUT_METRIC = {("stream", "kernel_writers"), ("queue", "requested"), ("limiter", "requested")}
# A target's own labels win over those, or a histogram needs them.
TAKEN = {"le", "quantile", "job", "instance", "stage", "service", "env", "type", "zone", "region", "name", "__name__"}

each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def test_names_kinds_labels_and_merges_are_the_promised_ones():
    """Nothing that users rely on is missing, renamed or of another kind, and nothing came unnoticed."""
    declared = [(metric.name, metric.kind, ",".join(metric.labels) or "-", metric.merge) for metric in METRICS]
    assert sorted(declared) == sorted(tuple(line.split()) for line in PROMISED.strip().splitlines())


def test_values_of_second_labels_are_the_promised_ones():
    """Each second label has the values, in the order, that dashboards know."""
    assert {(metric.subject, metric.split): metric.parts for metric in METRICS if metric.split} == PARTS
    assert [metric.name for metric in METRICS if bool(metric.split) != bool(metric.parts)] == []


@each
def test_help_is_one_sentence(metric):
    """It says what is counted, begins with a capital or a digit, ends with a full stop, and fits a line."""
    assert re.fullmatch(r"[A-Z0-9](?:[^.\n]|\.(?! |$))+\.", metric.help)
    assert len(metric.help) < 120


@each
def test_meaning_says_what_it_means_when_it_grows(metric):
    """Each metric has a sentence of interpretation, which is not its help again."""
    assert re.fullmatch(r"[^\n]+\.", metric.meaning)
    assert metric.meaning != metric.help


@each
def test_names_are_built_as_prometheus_asks(metric):
    """Lower case; a unit of physics at the end; `_total` for counters alone; and no suffix that a client adds."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_created"))
    assert metric.kind != "histogram" or metric.unit == "seconds"
    ending = next((unit for unit in ("seconds", "bytes", "ratio", "items", "permits") if f"_{unit}" in metric.name), "")
    if ending:
        assert metric.unit == ending
        assert metric.family.endswith(ending)


@each
def test_a_unit_of_physics_stands_in_the_name(metric):
    """Seconds, bytes and ratios are always written out; and a unit there is, except of an info metric."""
    assert metric.unit or metric.name.endswith("_info")
    if metric.unit in ("seconds", "bytes", "ratio"):
        assert metric.family.endswith(f"_{metric.unit}")


@each
def test_labels_clash_with_nothing(metric):
    """No label is one that a target, a rule or a histogram has already; the resource's comes first.

    A culprit is of any kind, and has a name.
    """
    assert TAKEN.isdisjoint(set(metric.labels) - ({"name"} if metric.subject == "culprit" else set()))
    first = {"stage": "pipeline_stage", "culprit": "cause"}.get(metric.subject, metric.subject)
    assert metric.subject == "itself" or metric.labels[0] == first


@each
def test_merges_as_its_kind_demands(metric):
    """What only grows, and a histogram, is summed; ratios and ages are the highest."""
    if metric.kind in ("counter", "histogram"):
        assert metric.merge == "sum"
    if metric.unit == "ratio" or metric.name.endswith(("block_seconds", "age_seconds")):
        assert metric.merge == "max"


def test_no_two_metrics_are_in_each_others_way():
    """No name, family, or sample of a histogram is declared twice."""
    for one, other in combinations(METRICS, 2):
        assert one.family != other.family
        assert (one.subject, one.field) != (other.subject, other.field)
    suffixes = ("_bucket", "_count", "_sum")
    samples = {metric.name + suffix for metric in METRICS if metric.kind == "histogram" for suffix in suffixes}
    assert samples.isdisjoint(metric.name for metric in METRICS)


def test_every_field_of_a_reading_is_shown_and_every_metric_has_one():
    """Readings and declarations name each other's fields, and nothing else."""
    fields = {(subject, field) for subject, reading in READINGS.items() for field in reading._fields}
    shown = {(metric.subject, metric.field) for metric in METRICS}
    assert shown == fields - WITHOUT_METRIC
    assert {metric for subject in READINGS for metric in metrics_of(subject)} == set(METRICS)


def test_no_name_is_written_elsewhere_in_the_package():
    """All that needs a metric's name takes it from the catalogue, docstrings included."""
    names = {name for metric in METRICS for name in (metric.name, metric.family)}
    pattern = re.compile(rf"\b(backpressure_\w*|{'|'.join(names)})")
    found = {
        str(path.relative_to(PACKAGE)): sorted(set(pattern.findall(path.read_text())))
        for path in PACKAGE.rglob("*.py")
        if path.name != "metrics.py"
    }
    assert {path: written for path, written in found.items() if written} == {}
    assert len(found) > 20


def test_a_declaration_cannot_be_changed():
    """The catalogue is a constant."""
    with pytest.raises((AttributeError, TypeError)):
        METRICS[0].name = "other"


def test_each_field_of_a_reading_says_what_it_is():
    """Each has a docstring of a sentence under it."""
    for path in PACKAGE.glob("resources/*/metrics.py"):
        classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        for node in (one for one in classes if one.name.endswith("Reading")):
            for field, text in zip(node.body[1::2], node.body[2::2], strict=True):
                assert isinstance(field, ast.AnnAssign)
                assert ast.literal_eval(text.value).endswith(".")


# Merging --------------------------------------------------------------------------------------------------


def fields(metric: Metric, *some):
    """The field of `metric` in readings of its subject that hold `some` in it, and in the reading merged of them."""
    blank = READINGS[metric.subject](*[None] * len(READINGS[metric.subject]._fields))
    made = [blank._replace(**{metric.field: one}) for one in some]
    return getattr(merge(metric.subject, made), metric.field)


@each
def test_merges_numbers_as_declared(metric):
    """Sums add up part by part, maxima keep the highest, and what one member does not know is left to the others."""
    wanted = {"sum": 7, "max": 5}[metric.merge]
    if metric.kind == "histogram":
        one, other = HistogramReading((1.0,), (1, 2), 2.0), HistogramReading((1.0,), (3, 4), 5.0)
        assert fields(metric, one, None, other) == HistogramReading((1.0,), (4, 6), 7.0)
    elif metric.table:
        assert fields(metric, {("a",): 1, ("b",): 2}, {("b",): 3}) == {
            ("a",): 1,
            ("b",): max(2, 3) if metric.merge == "max" else 5,
        }
    elif metric.split:
        count = len(metric.parts)
        assert fields(metric, (2,) * count, None, (5,) * count) == (7,) * count
    else:
        assert fields(metric, 2, None, 5) == wanted
    assert fields(metric, None, None) is None


def whole(subject):
    """Readings of small whole numbers, which add up without rounding."""
    return st.lists(readings(subject, numbers=st.integers(0, 9)), min_size=1, max_size=5)


@pytest.mark.parametrize("subject", READINGS)
@settings(max_examples=25)
@given(data=st.data())
def test_the_order_of_merging_does_not_matter(subject, data):
    """Members in another order, or merged in two steps as the dead and the living are, give the same reading."""
    made = data.draw(whole(subject))
    cut = data.draw(st.integers(1, len(made)))
    parts = [merge(subject, half) for half in (made[:cut], made[cut:]) if half]
    assert merge(subject, made) == merge(subject, made[::-1]) == merge(subject, parts)


@pytest.mark.parametrize("subject", READINGS)
@settings(max_examples=25)
@given(data=st.data())
def test_one_reading_is_merged_into_itself(subject, data):
    """A name with one member shows what the member shows."""
    made = data.draw(readings(subject))
    assert merge(subject, [made]) == made


def parts_of(value):
    """The numbers of a field by what they are of: each part of one that is split, each row of a table."""
    if isinstance(value, dict):
        return value
    return dict(enumerate(value)) if isinstance(value, tuple) else {0: value}


@pytest.mark.parametrize("subject", READINGS)
@settings(max_examples=25)
@given(data=st.data())
def test_no_counted_second_is_taken_back(subject, data):
    """Counted seconds are at least those that were shown, part by part; all else is as it was read, unknown or not."""
    before, reading = (data.draw(readings(subject, numbers=st.integers(0, 9))) for _ in range(2))
    kept = at_least(subject, reading, seconds(subject, before))
    counted = {metric.field for metric in metrics_of(subject) if (metric.kind, metric.unit) == ("counter", "seconds")}
    for field, found in kept._asdict().items():
        read, shown = getattr(reading, field), getattr(before, field)
        if field not in counted or read is None or shown is None:
            assert found == read
        elif isinstance(read, dict):
            assert found == {key: max(read.get(key, 0), shown.get(key, 0)) for key in {**read, **shown}}
        else:
            now, then = parts_of(read), parts_of(shown)
            assert parts_of(found) == {key: max(now.get(key, 0), then.get(key, 0)) for key in now | then}
