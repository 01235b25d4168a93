import psycopg
import pytest

from tests.factories.cases import make_world


@pytest.fixture
def world(database_urls):
    """A centre of one's own for each test."""
    return make_world(database_urls["owner"])


@pytest.fixture
def rows(database_urls):
    """What the owner sees: `rows("SELECT …", args)`."""

    def read(statement, *args):
        with psycopg.connect(database_urls["owner"]) as connection:
            return connection.execute(statement, args).fetchall()

    return read
