"""An audit of one's own: a database that no other test writes to, with its notary and its owner's hands."""

from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from helpline.app import create_app
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.recorder import record, showed
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from helpline.oversight.services import notary, verifying, witnessing
from helpline.oversight.vocabulary import Witness
from tests.factories.accounts import make_centre, make_user


class Audit:
    """The application over a database of its own."""

    def __init__(self, app, settings, urls):
        self.app, self.settings, self.urls = app, settings, urls
        self.centre = make_centre(urls["owner"])
        self.person = make_user(self.centre, "supervisor")

    @contextmanager
    def owner(self):
        """A superuser's power over the rows: the owner, with triggers and row security out of the way."""
        with psycopg.connect(self.urls["owner"]) as connection:
            yield connection

    def write(self, count=1, *, at=None, user=None, groups=("story",)):
        """So many entries, each in a transaction of its own; their ids in order."""
        before = self.ids()
        for _ in range(count):
            with self.app.app_context(), unit_of_work((user or self.person).ctx(at=at)) as ctx:
                record(ctx, "case.noted", "case", new_id(), fields=["note"], what="wörds", count=3)
                showed("case", new_id(), groups)
        return [each for each in self.ids() if each not in before]

    def ids(self):
        with self.owner() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM audit_entries ORDER BY id")]

    def as_notary(self, work, *args, **named):
        with self.app.app_context(), unit_of_work(system_context(SystemActor.NOTARY)) as ctx:
            return work(ctx, *args, **named)

    def seal(self, limit=notary.BATCH):
        return self.as_notary(notary.seal_entries, limit)

    def give(self):
        """What a file of a witness would get now."""
        lines = self.as_notary(witnessing.claim, Witness.FILE)
        if lines:
            self.as_notary(witnessing.record_given, Witness.FILE, lines[-1].number)
        return [line.text() for line in lines]

    def verify(self, texts=()):
        state = self.as_notary(verifying.begin, verifying.read_witness(texts))
        while not state.over:
            self.as_notary(verifying.verify_part, state)
        return state

    def found(self, texts=()):
        """(what, place, entry) that a verification names, or None."""
        finding = self.verify(texts).finding
        return finding and (finding.what.value, finding.seq, finding.entry_id)

    def leaf(self, seq):
        with self.owner() as connection:
            return connection.execute("SELECT entry_id FROM audit_leaves WHERE seq = %s", [seq]).fetchone()[0]


TABLES = "audit_entries, audit_pending, audit_leaves, audit_checkpoints, audit_followers, reading_alerts, messages"


@pytest.fixture
def audit(audit_house):
    """An empty audit, and a supervisor who has yet to do something."""
    with audit_house.owner() as connection:
        connection.execute(f"TRUNCATE {TABLES}")
        connection.execute("ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_pending")
    return audit_house


@pytest.fixture(scope="session")
def audit_house(make_database, settings, worker_number):
    urls = make_database(f"helpline_audit_{worker_number}")
    own = replace(
        settings, database_url=urls["web"], database_worker_url=urls["worker"], database_relay_url=urls["relay"],
        database_owner_url=urls["owner"],
    )  # fmt: skip
    app = create_app(own)  # the notary and the watcher step down by themselves (tests/conftest.py, `machines`)
    yield Audit(app, own, urls)
    with app.app_context():
        db.engine.dispose()
