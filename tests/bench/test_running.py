"""The benchmark runs and says everything it promises; what it measures here means nothing."""

import re
import uuid
from dataclasses import replace

import psycopg
import pytest

from bench.bare import AUDIT, ROWS, SEALING, SIDES, plain
from bench.options import Options
from bench.running import run

OPERATIONS = [
    "sign in", "log a call", "open a case", "case with its timeline", "caller by phone number", "first page of cases",
    "first page of calls", "figures of a month", "figures of all time",
]  # fmt: skip
PROTECTED = ["log a call", "open a case", "first page of cases", "search by name", "case by API", "case page"]
AUDITED = ["by the stored checkpoints", "against a witness's file"]
SEARCHES = ["by name with age", "by phone number"]


@pytest.fixture
def own_settings(settings, make_database, worker_number, app, admin_url):
    """A database of its own, since tables are left in it; `app` keeps what another application installs the same."""
    urls = make_database(f"helpline_bench_{worker_number}")
    yield replace(
        settings,
        database_admin_url=admin_url,
        database_relay_url=urls["relay"],
        database_url=urls["web"],
        database_worker_url=urls["worker"],
        database_owner_url=urls["owner"],
        database_search_url=urls["search"],
        web_workers=1,
    )
    for side in SIDES:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS helpline_bench_{worker_number}_{side} WITH (FORCE)")


def test_every_operation_has_its_line_with_figures(own_settings):
    said = []
    few = Options(
        rows=20, count=2, seconds=1, sign_ins=1, floor_count=5, import_rows=3, people=30, audit_entries=50,
        clients=(1, 2), rounds=1, round_seconds=0.1, logs=False,
    )  # fmt: skip
    run(own_settings, few, said.append)
    lines = [line.strip("| ").split(" | ") for line in "\n".join(said).splitlines() if line.startswith("|")]
    costs = [cells for cells in lines if cells[-1].endswith("%")]
    assert [(cells[0], cells[1]) for cells in costs] == [(name, clients) for clients in "12" for name in PROTECTED]
    for cells in costs:
        assert all(re.fullmatch(r"[+-]\d+ %|–", cell) for cell in cells[6:-1]), cells
    lines = [cells for cells in lines if cells not in costs and cells[1:2] != ["clients"] and len(cells) > 1]
    table = {cells[0]: cells[1:] for cells in lines}
    measured = [*OPERATIONS, "floor: insert + commit by pgbench"]
    assert list(table) == ["operation", *measured, "search", *SEARCHES, "import", "generated.csv", "verify-audit", *AUDITED]  # fmt: skip
    for name in measured:
        assert len(table[name]) == len(table["operation"])
        assert all(re.fullmatch(r"\d+(\.\d+)?|–|≤ \d+", cell) for cell in table[name]), table[name]
    assert table["generated.csv"][0] == "3"
    assert all(cell.isdecimal() for cell in table["generated.csv"])
    for name in SEARCHES:
        assert all(re.fullmatch(r"\d+\.\d", cell) for cell in table[name][:3]), table[name]
    assert all(int(table[name][0]) >= 50 for name in AUDITED)  # and what the run itself left
    assert "load average" in said[0]


def test_the_bare_service_seals_nothing_and_shows_what_it_was_given():
    """Else the cost of protection would be measured against a service that protects."""
    stored = plain("calls", "narrative_sealed", uuid.UUID(int=1), b"-", "She is hurt")
    assert b"She is hurt" in stored
    assert SIDES["bare"] == frozenset()
    assert SIDES["protected"] == {ROWS, SEALING, AUDIT}
