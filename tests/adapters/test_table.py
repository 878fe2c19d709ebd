"""The table of docs/libraries.md says what the adapters say, and each of its rows is run by a test."""

import re
from pathlib import Path

import pytest

from bpexporter.adapters import choosing, known

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "libraries.md").read_text()
LINES = [line.strip("|").split("|") for line in TEXT.splitlines() if line.startswith("| ")]
ROWS = [[cell.strip() for cell in cells] for cells in LINES[1:]]
ADAPTERS = {module: adapter for module in known.OURS if (adapter := choosing.adapter_for(module)) is not None}
# By library: what in the tests of this folder runs it.
RUN_BY = {
    "aiohttp": "aiohttp_connector", "httpcore (httpx)": "httpx_pool", "SQLAlchemy": "sqlalchemy_pool",
    "asyncpg": "asyncpg_pool", "psycopg-pool": "psycopg_pool", "redis": "redis_pool", "anyio": "anyio_limiter",
    "janus": "test_janus_between_a_thread_and_a_task", "aiolimiter": "test_a_rate_limiter",
    "aiojobs": "test_a_scheduler_of_jobs",
}  # fmt: skip


def test_every_adapter_has_a_row():
    """The table has the libraries for which there is an adapter, and no other ones."""
    assert {row[0].partition(" ")[0] for row in ROWS} == {adapter.library for adapter in ADAPTERS.values()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:30])
def test_a_row_is_true(row):
    """Versions, kinds and names of a row are those of the adapter, and a test of this folder runs it."""
    library, _, shown, named, versions, _ = row
    adapter = next(one for one in ADAPTERS.values() if one.library == library.partition(" ")[0])
    assert versions == " to ".join(adapter.tried)
    sorts = [sort for sort in adapter.sorts if choosing.instrument_of(sort).kind == shown]
    assert sorts
    assert all(sort.is_named == named.startswith("`") for sort in sorts)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    assert re.search(rf"def {RUN_BY[library]}\(", tests)
