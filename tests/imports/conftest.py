"""A worker's application, and a supervisor whose centre brings logs in."""

import pytest

from tests.factories.accounts import make_centre, make_user


@pytest.fixture
def in_worker(app):
    """Both: people act by the web login, the importer by the workers' (tests/conftest.py, `machines`)."""
    with app.app_context():
        yield app


@pytest.fixture
def supervisor(database_urls):
    return make_user(make_centre(database_urls["owner"]), "supervisor")
