"""What tests of accounts share: counters that start from nothing, the tables past every row rule, a clock to move."""

from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from helpline.accounts.services import sessions
from helpline.foundation import clock


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
