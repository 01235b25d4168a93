"""A service with a database and keys of its own: what is locked or renewed here touches no other test."""

import shutil
from dataclasses import replace

import psycopg
import pytest

from helpline.app import create_app
from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.keyfile import machine_beside
from helpline.foundation.crypto.keyring import KeyRing
from helpline.foundation.db import db
from tests.factories.accounts import make_centre, make_user
from tests.factories.calls import logged_call


@pytest.fixture(scope="module")
def own(settings, make_database, worker_number, tmp_path_factory):
    """Settings over a database and a copy of the keys, which three holders share."""
    urls = make_database(f"helpline_keys_{worker_number}")
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    shutil.copy2(settings.keys_path, path)
    shutil.copy2(machine_beside(settings.keys_path), machine_beside(path))
    return replace(
        settings, database_url=urls["web"], database_worker_url=urls["worker"], database_relay_url=urls["relay"],
        database_owner_url=urls["owner"], keys_path=path,
    )  # fmt: skip


@pytest.fixture(scope="module")
def codes(own):
    return KeyRing.open(own.keys_path).make_shares(3)


def _made(own, role):
    before = keyring._Port.ring, keyring._Port.wrapper
    app = create_app(own, database_role=role)
    yield app
    with app.app_context():
        db.engine.dispose()
    keyring._Port.ring, keyring._Port.wrapper = before


@pytest.fixture(scope="module")
def web_app(own, codes):
    yield from _made(own, "web")


@pytest.fixture(scope="module")
def worker_app(own, web_app):
    yield from _made(own, "worker")


@pytest.fixture
def house(own):
    return make_centre(own.database_owner_url)


@pytest.fixture
def somebody(house):
    """`somebody("admin")`: active staff of a centre in this database."""
    return lambda role: make_user(house, role)


@pytest.fixture
def sql(own):
    """`sql(statement, *values)`: what the owner of this database reads or changes."""

    def run(statement, *args):
        with psycopg.connect(own.database_owner_url) as connection:
            cursor = connection.execute(statement, args)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def logs(web_app, somebody):
    """`logs(5)`: an operator and the ids of so many calls of theirs, logged at the web login."""

    def log(number):
        operator = somebody("operator")
        with web_app.app_context():
            return operator, [logged_call(operator) for _ in range(number)]

    return log


@pytest.fixture
def browser(web_app):
    return web_app.test_client()
