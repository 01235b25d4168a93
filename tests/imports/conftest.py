"""A worker's application, and a supervisor whose centre brings logs in."""

import pytest

from helpline.app import create_app
from helpline.foundation.db import db
from tests.factories.accounts import make_centre, make_user


@pytest.fixture(scope="module")
def worker_app(settings):
    app = create_app(settings, database_role="worker")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def in_worker(app):
    """Both: people act by the web login, the importer by the workers' (tests/conftest.py, `machines`)."""
    with app.app_context():
        yield app


@pytest.fixture
def supervisor(database_urls):
    return make_user(make_centre(database_urls["owner"]), "supervisor")
