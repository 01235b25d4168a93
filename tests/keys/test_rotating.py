"""Renewing the master key: every record's key, killed and resumed, beside people who write."""

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, Uuid

from helpline.calls.models import Call
from helpline.foundation.crypto import keyring, records
from helpline.foundation.crypto.keyring import Tampered, wrapped_under
from helpline.foundation.crypto.records import new_record_key
from helpline.foundation.crypto.sealed import wrapped_keys
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, NotFound
from helpline.foundation.ids import new_id
from helpline.keys.services import rotating
from tests.factories.calls import CANARY


@pytest.fixture(autouse=True)
def _fresh(sql, monkeypatch, worker_app):
    monkeypatch.setattr(rotating, "BATCH", 2)
    monkeypatch.setattr(rotating, "RUN", 10_000)
    sql("DELETE FROM key_rotations")
    with worker_app.app_context():
        yield


@pytest.fixture
def calls(logs):
    return logs(5)


@pytest.fixture
def at_web(web_app):
    """Do it at the web login, while the test's own context is the worker's."""

    def do(deed, user, *args, at=None):
        with web_app.app_context(), unit_of_work(user.ctx(at=at)) as ctx:
            return deed(ctx, *args)

    return do


@pytest.fixture
def start(somebody, at_web):
    def begin():
        admin = somebody("admin")
        return admin, at_web(lambda ctx: rotating.start_rotation(ctx).id, admin)

    return begin


@pytest.fixture
def reads(at_web):
    return lambda operator, call_id: at_web(lambda _ctx: db.session.get(Call, call_id).narrative, operator)


@pytest.fixture
def retire(at_web):
    return lambda admin, rotation_id, at: at_web(rotating.ask_to_retire, admin, rotation_id, at=at)


def versions(sql):
    """Every wrapped key of every table, by version."""
    found = set()
    for table, columns in wrapped_keys(db.metadata).items():
        for column in columns:
            found |= {wrapped_under(key) for (key,) in sql(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")}
    return found


def test_every_record_is_under_the_new_master_and_still_opens(calls, start, reads, retire, sql):
    operator, ids = calls
    before = sql("SELECT id, narrative_sealed FROM calls ORDER BY id")
    admin, rotation_id = start()
    rotating.advance()
    version = keyring.ring().current_version
    assert versions(sql) == {version}
    assert sql("SELECT id, narrative_sealed FROM calls ORDER BY id") == before, "no story is written anew"
    assert all(CANARY in reads(operator, call_id) for call_id in ids)
    done, total, unread, finished = sql("SELECT done, total, unread, finished_at FROM key_rotations")[0]
    assert (done, unread) == (total, 0)
    assert total >= 15
    assert finished
    actions = "SELECT action, actor_role FROM audit_entries WHERE %s = ANY (subject_ids) ORDER BY id"
    assert sql(actions, rotation_id) == [("keys.rotation_started", "admin"), ("keys.rotated", "rotator")]
    assert sql("SELECT DISTINCT centre_id FROM audit_entries WHERE %s = ANY (subject_ids)", rotation_id) == [
        (admin.centre.id,)
    ]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "auditor"])
def test_others_are_refused_and_only_that_is_on_record(somebody, at_web, sql, role):
    user = somebody(role)
    for deed, *args in ((rotating.start_rotation,), (rotating.ask_to_retire, new_id())):
        with pytest.raises(Forbidden):
            at_web(deed, user, *args)
    assert sql("SELECT count(*) FROM key_rotations") == [(0,)]
    assert sql("SELECT outcome FROM audit_entries WHERE actor_id = %s", user.id) == [("refused",)] * 2


def test_one_at_a_time(start):
    start()
    with pytest.raises(Conflict, match="rotation_running"):
        start()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["keys.rotate.after_master", "keys.rotate.before_commit", "keys.rotate.after_commit"])
def test_killed_in_a_batch_it_goes_on_where_it_was(  # noqa: PLR0917  # fixtures
    calls, start, reads, sql, monkeypatch, point
):
    operator, ids = calls
    start()
    passed = []

    def die(name):
        passed.append(name)
        if name == point and passed.count(point) == (1 if "master" in point else 3):
            raise Killed

    monkeypatch.setattr(rotating, "failpoint", die)
    with pytest.raises(Killed):
        rotating.advance()
    at_kill = sql("SELECT done FROM key_rotations")[0][0]
    monkeypatch.setattr(rotating, "failpoint", lambda _name: None)
    resumed = []
    monkeypatch.setattr(
        rotating, "_begin", lambda rotation, begin=rotating._begin: (resumed.append(1), begin(rotation))
    )
    rotating.advance()
    assert sql("SELECT finished_at IS NOT NULL, done >= %s FROM key_rotations", at_kill) == [(True, True)]
    if "master" not in point:
        assert resumed == [], "it did not begin anew"
    assert versions(sql) == {keyring.ring().current_version}
    assert all(CANARY in reads(operator, call_id) for call_id in ids)


def test_what_is_written_meanwhile_is_neither_lost_nor_undone(calls, start, reads, sql, monkeypatch):
    """A row whose key or content changes between reading and replacing keeps what was written, and is taken up again."""
    operator, ids = calls
    touched = []

    def meanwhile(table, rows, version, anew=rotating._anew):
        made = anew(table, rows, version)
        if table == "calls" and not touched:
            touched.extend((rows[0].id, rows[1].id))
            old = made[0][0]["old"]  # the same key, wrapped once more under the old master: as an update writes it back
            again = ring.wrap(ring.unwrap(old, bound(rows[0].id)), bound(rows[0].id))
            sql("UPDATE calls SET record_key = %s WHERE id = %s", again, rows[0].id)
            sql("UPDATE calls SET risk_reasons = '[\"meanwhile\"]' WHERE id = %s", rows[1].id)
            written.append(again)
        return made

    def bound(row_id):
        return records._row("calls", row_id)

    written, ring = [], keyring.KeyRing.open(keyring.ring()._path)  # as another process, which has not looked yet
    monkeypatch.setattr(rotating, "_anew", meanwhile)
    start()
    while not touched:
        assert rotating.step()
    assert sql("SELECT record_key FROM calls WHERE id = %s", touched[0]) == [(written[0],)], "not overwritten"
    rotating.advance()
    assert versions(sql) == {keyring.ring().current_version}
    assert sql("SELECT risk_reasons FROM calls WHERE id = %s", touched[1]) == [(["meanwhile"],)]
    assert all(reads(operator, call_id) for call_id in touched if call_id in ids)


def test_a_row_added_behind_the_cursor_is_found_by_another_round(calls, start, reads, sql, monkeypatch):
    _operator, ids = calls
    before = bytes(sql("SELECT record_key FROM calls WHERE id = %s", ids[0])[0][0])
    start()
    late = []

    def conclude(ctx, rotation, version, really=rotating._conclude):
        if not late:
            late.append(sql("UPDATE calls SET record_key = %s WHERE id = %s", before, ids[0]))
        really(ctx, rotation, version)

    monkeypatch.setattr(rotating, "_conclude", conclude)
    rotating.advance()
    assert late
    assert (
        wrapped_under(sql("SELECT record_key FROM calls WHERE id = %s", ids[0])[0][0]) == keyring.ring().current_version
    )


def test_old_masters_go_when_asked_late_enough_and_nothing_needs_them(calls, start, reads, retire, sql):
    operator, ids = calls
    admin, rotation_id = start()
    rotating.advance()
    finished = sql("SELECT finished_at FROM key_rotations")[0][0]
    with pytest.raises(NotFound):
        retire(admin, new_id(), finished)
    with pytest.raises(Conflict, match="retire_too_early"):
        retire(admin, rotation_id, finished + timedelta(minutes=9))
    assert len(keyring.ring().versions()) > 1, "nothing goes unasked"
    # A row of an old log that waits, under an old master key: nothing may go.
    old = new_record_key("calls", ids[0])[:1] + b"\x00\x01" + bytes(60)
    kept = sql("SELECT record_key FROM calls WHERE id = %s", ids[0])[0][0]
    sql("UPDATE calls SET record_key = %s WHERE id = %s", old, ids[0])
    retire(admin, rotation_id, finished + timedelta(minutes=10))
    rotating.advance()
    assert sql("SELECT retire_left, retired_at FROM key_rotations") == [(1, None)]
    assert len(keyring.ring().versions()) > 1
    assert not rotating.step(), "it is not tried again by itself"
    sql("UPDATE calls SET record_key = %s WHERE id = %s", kept, ids[0])
    sql("UPDATE key_rotations SET retire_tried_at = retire_asked_at - interval '1 second'")
    rotating.advance()
    assert keyring.ring().versions() == [keyring.ring().current_version]
    assert CANARY in reads(operator, ids[0])
    actions = {
        action for (action,) in sql("SELECT action FROM audit_entries WHERE %s = ANY (subject_ids)", rotation_id)
    }
    assert {"keys.retirement_asked", "keys.retirement_refused", "keys.retired"} <= actions
    with pytest.raises(Conflict):
        retire(admin, rotation_id, finished + timedelta(minutes=30))


def test_a_ciphertext_copied_to_another_row_does_not_open_after_a_renewal_either(calls, start, reads, retire, sql):
    operator, ids = calls
    start()
    rotating.advance()
    sql(
        "UPDATE calls SET narrative_sealed = (SELECT narrative_sealed FROM calls WHERE id = %s) WHERE id = %s", *ids[:2]
    )
    with pytest.raises(Tampered):
        reads(operator, ids[1])
    sql("UPDATE calls SET record_key = (SELECT record_key FROM calls WHERE id = %s) WHERE id = %s", *ids[:2])
    with pytest.raises(Tampered):
        reads(operator, ids[1])
    sql(
        "UPDATE calls SET narrative_sealed = NULL, record_key = %s WHERE id = %s",
        new_record_key("calls", ids[1]),
        ids[1],
    )


def test_a_rotation_that_another_process_is_at_is_left_to_it(calls, start, sql, own):
    start()
    with psycopg.connect(own.database_owner_url) as other:
        other.execute("SELECT id FROM key_rotations FOR UPDATE")
        assert not rotating.step()
    assert rotating.step()
    rotating.advance()


def test_a_table_of_records_is_found_by_itself():
    metadata = MetaData()
    Table(
        "diaries", metadata, Column("id", Uuid, primary_key=True), Column("record_key", LargeBinary), Column("on", Text)
    )
    assert wrapped_keys(metadata) == {"diaries": {"record_key"}}
    assert set(rotating._tables()) == {t.name for t in db.metadata.sorted_tables if "record_key" in t.c}


def test_every_column_of_a_wrapped_key_is_known_to_be_one():
    keys = {
        (table.name, column.name) for table in db.metadata.sorted_tables for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.endswith("_key") and column.name != "public_key"
    }  # fmt: skip
    assert keys == {(table, column) for table, columns in wrapped_keys(db.metadata).items() for column in columns}
