"""The demo helpline looks lived in, and is made whole or not at all."""

import stat
from dataclasses import replace

import psycopg
import pytest

from helpline.app import create_app
from helpline.demo import services
from helpline.demo.services import load_demo
from helpline.foundation.db import db


@pytest.fixture(scope="module")
def urls(make_database, worker_number):
    return make_database(f"helpline_demo_{worker_number}")


@pytest.fixture(scope="module")
def owner_app(settings, urls):
    app = create_app(replace(settings, database_owner_url=urls["owner"]), database_role="owner")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def count(urls):
    def look(statement):
        with psycopg.connect(urls["owner"]) as connection:
            return connection.execute(statement).fetchone()[0]

    return look


class PowerCut(BaseException):
    """Like a kill: nobody catches it."""


def cut(_name):
    raise PowerCut


def test_a_demo_cut_short_leaves_nothing_and_the_next_start_makes_it_whole(owner_app, count, tmp_path, monkeypatch):
    accounts = tmp_path / "demo-accounts.txt"
    with owner_app.app_context():
        with monkeypatch.context() as cutting:
            cutting.setattr(services, "failpoint", cut)
            with pytest.raises(PowerCut):
                load_demo(accounts)
        for table in ("centres", "users", "calls", "cases", "outbox_events", "audit_entries"):
            assert count(f"SELECT count(*) FROM {table}") == 0, table
        assert load_demo(accounts)
        assert not load_demo(accounts)

    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
    lines = [line.split("\t") for line in accounts.read_text().splitlines()]
    assert {role for _login, _password, role in lines} == {
        "operator", "caseworker", "team_supervisor", "supervisor", "admin", "auditor",
    }  # fmt: skip
    assert count("SELECT count(DISTINCT date_trunc('week', started_at)) FROM calls") >= 4
    assert count("SELECT count(*) FROM calls WHERE kind = 'counselling'") > 50
    assert count("SELECT count(DISTINCT step) FROM cases") >= 5
    assert count("SELECT count(*) FROM cases WHERE status = 'closed'") > 0
    assert count("SELECT count(*) FROM followups WHERE state = 'planned' AND due_at < now()") > 0
    assert count("SELECT count(DISTINCT state) FROM referrals") >= 3
    early = "SELECT count(*) FROM case_events e JOIN cases c ON c.id = e.case_id WHERE e.at < c.opened_at"
    assert count(early) == 0  # nobody works on a case that is not there yet
    # Nothing of the demo's past is left for a worker to act on.
    assert count("SELECT count(*) FROM outbox_events WHERE settled_at IS NULL") == 0
    assert count("SELECT count(*) FROM messages WHERE state IN ('queued', 'sending')") == 0
