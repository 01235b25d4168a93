import psycopg
import pytest

from helpline.app import create_app
from helpline.foundation.db import db
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


@pytest.fixture
def as_worker(settings):
    """An application context connected as the worker, whose privileges are others than the web's."""
    app = create_app(settings, database_role="worker")
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
