"""Entries get their places in the tree: all of them, once, whenever they committed."""

import itertools
import threading
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import event

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.checkpoints import FIRST, BadCheckpoint, digest_of, read_checkpoint
from helpline.foundation.audit.models import AuditEntry
from helpline.foundation.audit.recorder import record
from helpline.foundation.audit.tree import verify_consistency
from helpline.foundation.clock import now
from helpline.foundation.context import system_context
from helpline.foundation.db import add_rows, db, unit_of_work
from helpline.foundation.errors import Forbidden
from helpline.foundation.ids import new_id
from helpline.oversight.services import notary


def leaves(audit):
    with audit.owner() as connection:
        return connection.execute("SELECT seq, entry_id FROM audit_leaves ORDER BY seq").fetchall()


def checkpoints(audit):
    with audit.owner() as connection:
        rows = connection.execute("SELECT note, proof FROM audit_checkpoints ORDER BY number").fetchall()
    return [(note, proof, read_checkpoint(note)) for note, proof in rows]


def pending(audit):
    with audit.owner() as connection:
        return connection.execute("SELECT count(*) FROM audit_pending").fetchone()[0]


def test_every_entry_gets_one_place_and_a_signed_checkpoint(audit):
    ids = set(audit.ids()) | set(audit.write(3))
    assert audit.seal() == len(ids)
    assert {entry_id for _seq, entry_id in leaves(audit)} == ids
    assert [seq for seq, _entry_id in leaves(audit)] == list(range(len(ids)))
    [(_note, _proof, stated)] = checkpoints(audit)
    assert (stated.number, stated.size, stated.previous) == (1, len(ids), FIRST)
    assert pending(audit) == 0


def test_batches_go_on_where_the_last_one_ended(audit):
    audit.seal()
    ids = audit.write(5)
    while audit.seal(limit=3):
        pass
    found = checkpoints(audit)
    assert len(found) > 3
    assert {entry_id for _seq, entry_id in leaves(audit)} == set(audit.ids()) >= set(ids)
    for (before, _p, older), (_n, proof, newer) in itertools.pairwise(found):
        assert newer.previous == digest_of(before)
        assert newer.number == older.number + 1
        assert verify_consistency(older.size, newer.size, older.root, newer.root, proof)


def test_sealing_again_adds_nothing_until_a_while_has_passed(audit):
    audit.write()
    audit.seal()
    assert audit.seal() == 0
    assert len(checkpoints(audit)) == 1
    with audit.app.app_context():
        ctx = system_context(SystemActor.NOTARY)
        later = type(ctx)(ctx.actor, now() + notary.IDLE, ctx.request_id, ctx.channel)
        with unit_of_work(later) as ctx:
            assert notary.seal_entries(ctx) == 0
    found = checkpoints(audit)
    assert [stated.size for _n, _p, stated in found] == [found[0][2].size] * 2, "silence is on record too"
    assert found[1][2].at - found[0][2].at >= notary.IDLE - timedelta(seconds=1)


def test_what_commits_late_is_sealed_late_and_not_forgotten(audit):
    """An entry older than the last checkpoint, whose transaction was still open when that was signed."""
    early, written, go = new_id(), threading.Event(), threading.Event()

    def slow():
        with audit.app.app_context(), unit_of_work(audit.person.ctx()) as ctx:
            entry = {
                "id": early, "at": ctx.now, "centre_id": ctx.actor.centre_id, "actor_id": ctx.actor.id, "actor_role": "supervisor",
                "channel": "page", "request_id": new_id(), "cause_id": None, "action": "case.noted", "outcome": "done",
                "subject_kind": "case", "subject_ids": [], "field_groups": [], "details": {},
            }  # fmt: skip
            add_rows(AuditEntry, [entry])
            written.set()
            go.wait(30)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        assert written.wait(30)
        [later, _shown] = audit.write(1)
        audit.seal()
        sealed = {entry_id for _seq, entry_id in leaves(audit)}
        assert later in sealed
        assert early not in sealed
    finally:
        go.set()
        thread.join()
    audit.seal()
    assert leaves(audit)[-1][1] == early, "it got the next place, though its id is older"
    assert audit.found() is None


def test_two_notaries_at_once_place_each_entry_once(audit):
    audit.write(4)
    with audit.owner() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [1280_0015])
        assert audit.seal() == 0
    threads = [threading.Thread(target=audit.seal) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [seq for seq, _ in leaves(audit)] == list(range(len(audit.ids())))
    assert audit.found() is None


def test_an_entry_rolled_back_waits_for_nothing(audit):
    audit.seal()
    with pytest.raises(ZeroDivisionError), audit.app.app_context(), unit_of_work(audit.person.ctx()) as ctx:
        record(ctx, "case.noted", "case", new_id())
        raise ZeroDivisionError
    assert pending(audit) == 0


def test_a_batch_reads_what_is_new_not_the_whole_audit(audit):
    """Statements and rows of one sealing are the same after ten times as many entries."""

    def cost():
        seen = []
        with audit.app.app_context():
            engine = db.engine
        note = lambda _c, _cursor, statement, *_: seen.append(statement)  # noqa: E731
        event.listen(engine, "before_cursor_execute", note)
        audit.write(1)
        seen.clear()
        audit.seal()
        event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    audit.seal()
    first = cost()
    audit.write(20)
    audit.seal()
    assert cost() == first


def test_only_the_notary_seals(audit):
    with pytest.raises(Forbidden), audit.app.app_context(), unit_of_work(audit.person.ctx()) as ctx:
        notary.seal_entries(ctx)


@pytest.mark.parametrize("login", ["web", "worker"])
@pytest.mark.parametrize("table", ["audit_leaves", "audit_checkpoints", "audit_entries"])
def test_no_login_changes_or_deletes_what_stands(audit, login, table):
    audit.seal()
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET ctid = ctid", f"TRUNCATE {table}"):
        with psycopg.connect(audit.urls[login]) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)
        assert refused.value.sqlstate in {"42501", "0A000"}


def test_a_note_of_another_key_is_no_checkpoint(audit):
    audit.seal()
    [(note, _proof, _stated)] = checkpoints(audit)
    for spoiled in (
        note.replace("number 1", "number 2"),
        note[:-6] + "AAAA=\n",
        "",
        "x\n\n— y z\n",
        note.partition("\n\n")[0],
    ):
        with pytest.raises(BadCheckpoint):
            read_checkpoint(spoiled)
