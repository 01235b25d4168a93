"""What tests of accounts share: counters that start from nothing, the tables past every row rule, a clock to move."""

from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.rows import dict_row

from helpline.accounts.services import sessions
from helpline.foundation import clock
from tests.factories.accounts import add_authenticator, make_centre, make_team, make_user


@pytest.fixture
def _fresh_counters(app):
    sessions.door.counters._redis.flushdb()


@pytest.fixture
def look(database_urls):
    """`look(sql, *values)` -> rows as dicts, by the owner's login."""

    def ask(statement, *values):
        with psycopg.connect(database_urls["owner"], row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()

    return ask


@pytest.fixture
def rows(database_urls):
    """`rows(sql, *values)`: whatever the tables hold, past every row rule."""

    def ask(statement, *values):
        with psycopg.connect(database_urls["owner"]) as connection:
            return connection.execute(statement, values).fetchall()

    return ask


@pytest.fixture
def later(tmp_path):
    """`later(minutes=16)`: the clock of the service, that much ahead of ours."""
    offset = tmp_path / "offset"
    clock.use_offset_file(offset)
    yield lambda **by: offset.write_text(str(timedelta(**by).total_seconds()))
    clock.use_offset_file(None)


@pytest.fixture
def house(database_urls):
    """A centre with two administrators, a supervisor, an auditor, and a caseworker who has an app."""
    centre = make_centre(database_urls["owner"])
    team = make_team(centre)
    people = {
        role: make_user(centre, role, team) for role in ("admin", "supervisor", "auditor", "caseworker", "operator")
    }
    add_authenticator(people["caseworker"])
    return SimpleNamespace(centre=centre, team=team, other_admin=make_user(centre, "admin"), **people)
