"""Every benchmark runs; how fast is not asked here."""

import pytest

from . import comparing, figures, variants
from .scale import TINY
from .variants import Work
from .works import ROWS

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_work_gives_a_line(row):
    """A work gives one cell a column."""
    assert [len(cells) for cells in comparing.measure(row, TINY)] == [len(comparing.HEADER)]


@pytest.mark.parametrize("name", figures.FIGURES)
def test_figure_gives_lines(name):
    """A figure gives one line or more, with one cell a column."""
    lines = figures.measure(name, TINY)
    assert lines
    assert {len(cells) for cells in lines} == {len(figures.HEADER)}


def test_pristine_class_is_untouched():
    """The bare variant runs the standard library's methods while others are replaced."""
    found = variants.variants("Queue", maxsize=1, fill=0, work=ROWS[0].work)
    assert found["bare"].subject.put_nowait.__func__.__globals__["__name__"] == "asyncio._pristine_queues"
    assert "_bpexporter_ledger" in found["watched"].subject.put_nowait.__func__.__code__.co_names
    assert "_bpexporter_ledger" not in found["bare"].subject.put_nowait.__func__.__code__.co_names


def test_variants_share_no_code():
    """Each variant runs its own copy of the work, the functions inside included."""
    work = ROWS[4].work
    found = variants.variants("Queue", maxsize=1, fill=0, work=work)

    def inner(work: Work) -> list[int]:
        return [id(const) for const in work.__code__.co_consts if hasattr(const, "co_code")]

    copies = [code for variant in found.values() for code in inner(variant.work)]
    assert len(inner(work)) >= 2
    assert len({*inner(work), *copies}) == (1 + len(found)) * len(inner(work))


def test_fresh_work_does_the_same():
    """A copied function has the same instructions as the original."""
    work = ROWS[0].work
    assert variants.fresh(work).__code__.co_code == work.__code__.co_code
    assert variants.fresh(work).__code__ is not work.__code__


def test_naive_column_without_prometheus_client(monkeypatch):
    """Where prometheus_client is not installed its column says so."""
    monkeypatch.setattr(variants, "HAS_PROMETHEUS_CLIENT", False)
    assert comparing.measure(ROWS[0], TINY)[0][4] == "n/a"
