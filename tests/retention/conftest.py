import psycopg
import pytest

from helpline.app import create_app
from helpline.foundation.db import db
from helpline.retention.gateways import LedgerFile
from helpline.retention.services import erasing, port
from tests.factories import retention as made


@pytest.fixture
def rows(database_urls):
    """What the owner sees or changes: `rows("SELECT …", args)`."""

    def run(statement, *args):
        with psycopg.connect(database_urls["owner"]) as connection:
            cursor = connection.execute(statement, args)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    return run


@pytest.fixture
def ledger(app, tmp_path, rows):
    """A ledger of this test's own, in its file; afterwards nothing is left that another test's would be told of."""
    before = port._Port.ledger, port._Port.backup_days
    path = tmp_path / "erasures"
    port.install(LedgerFile(path), 30)
    yield path
    port._Port.ledger, port._Port.backup_days = before
    rows(
        "UPDATE approvals SET stopped_by = requested_by, stopped_at = now()"
        " WHERE kind = 'erasure' AND spent_at IS NULL AND stopped_at IS NULL"
    )


@pytest.fixture(scope="session")
def worker_app(settings):
    app = create_app(settings, database_role="worker")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def at_worker(worker_app):
    """`at_worker(deed, …)`: done at the worker's login."""

    def do(deed, *args):
        with worker_app.app_context():
            return deed(*args)

    return do


@pytest.fixture
def erase(in_app, world, ledger, at_worker):
    """`erase(id)`: asked by the supervisor, approved by the administrator, done by the machine."""

    def do(record_id, **asked):
        approval_id = made.propose(world.supervisor, record_id, **asked)
        made.approve(world.admin, approval_id)
        assert at_worker(erasing.carry_out_due) >= 1
        return approval_id

    return do
