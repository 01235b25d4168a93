"""The benchmark runs and says everything it promises; what it measures here means nothing."""

import re
from dataclasses import replace

import pytest

from bench.options import Options
from bench.running import run

OPERATIONS = [
    "sign in", "log a call", "open a case", "case with its timeline", "caller by phone number", "first page of cases",
    "first page of calls", "figures of a month", "figures of all time",
]  # fmt: skip
SEARCHES = ["by name with age", "by phone number"]


@pytest.fixture
def own_settings(settings, make_database, worker_number, app):
    """A database of its own, since tables are left in it; `app` keeps what another application installs the same."""
    urls = make_database(f"helpline_bench_{worker_number}")
    return replace(
        settings,
        database_url=urls["web"],
        database_worker_url=urls["worker"],
        database_owner_url=urls["owner"],
        database_search_url=urls["search"],
        web_workers=1,
    )


def test_every_operation_has_its_line_with_figures(own_settings):
    said = []
    few = Options(
        rows=20, count=2, seconds=1, sign_ins=1, floor_count=5, import_rows=3, people=30, clients=(1, 2), logs=False
    )
    run(own_settings, few, said.append)
    lines = [line.strip("| ").split(" | ") for line in "\n".join(said).splitlines() if line.startswith("|")]
    table = {cells[0]: cells[1:] for cells in lines if len(cells) > 1}
    measured = [*OPERATIONS, "floor: insert + commit by pgbench"]
    assert list(table) == ["operation", *measured, "search", *SEARCHES, "import", "generated.csv"]
    for name in measured:
        assert len(table[name]) == len(table["operation"])
        assert all(re.fullmatch(r"\d+(\.\d+)?|–|≤ \d+", cell) for cell in table[name]), table[name]
    assert table["generated.csv"][0] == "3"
    assert all(cell.isdecimal() for cell in table["generated.csv"])
    for name in SEARCHES:
        assert all(re.fullmatch(r"\d+\.\d", cell) for cell in table[name][:3]), table[name]
    assert "load average" in said[0]
