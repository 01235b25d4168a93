"""Everything inside a unit happens together or not at all, and every refusal leaves exactly one entry."""

import uuid

import psycopg
import pytest
from sqlalchemy import text

from helpline.foundation import db as database
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.recorder import record, showed
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context, system_context
from helpline.foundation.db import become, db, unit_of_work
from helpline.foundation.errors import Forbidden
from helpline.foundation.ids import new_id


def person(role="supervisor", centre_id=None):
    return Context(
        actor=Actor(id=new_id(), role=role, centre_id=centre_id or new_id()),
        now=now(),
        request_id=new_id(),
        channel=Channel.PAGE,
    )


def entries_of(bed_url, request_id):
    with psycopg.connect(bed_url) as connection:
        return connection.execute(
            "SELECT action, outcome, subject_ids FROM audit_entries WHERE request_id = %s", [request_id]
        ).fetchall()


def test_an_entry_is_there_after_the_commit_and_says_what_was_done(in_app, database_urls):
    ctx, subject = person(), new_id()
    with unit_of_work(ctx):
        record(ctx, "case.assigned", "case", subject)
        showed("case", subject, ["story"])
    assert sorted(entries_of(database_urls["owner"], ctx.request_id)) == [
        ("case.assigned", "done", [subject]),
        ("case.shown", "shown", [subject]),
    ]


def test_a_failure_leaves_nothing(in_app, database_urls):
    ctx = person()
    with pytest.raises(ZeroDivisionError), unit_of_work(ctx):
        record(ctx, "case.assigned", "case", new_id())
        1 / 0  # noqa: B018
    assert entries_of(database_urls["owner"], ctx.request_id) == []


def test_a_refusal_rolls_back_and_leaves_one_entry(in_app, database_urls):
    ctx, subject = person(), new_id()
    with pytest.raises(Forbidden), unit_of_work(ctx):
        record(ctx, "case.assigned", "case", subject)
        raise Forbidden("case:assign", subject)
    assert entries_of(database_urls["owner"], ctx.request_id) == [("case:assign", "refused", [subject])]


def actor_seen(settings_of):
    with db.engine.connect() as connection:
        settings_of(connection)
        return connection.execute(text("SELECT app.actor_id()")).scalar()


def test_the_database_believes_a_signed_actor_and_nobody_else(in_app):
    ctx = person()
    with unit_of_work(ctx):
        assert db.session.execute(text("SELECT app.actor_id()")).scalar() == ctx.actor.id
        db.session.execute(
            text("SELECT set_config('app.context', replace(current_setting('app.context'), :old, :new), true)"),
            {"old": str(ctx.actor.id), "new": str(uuid.uuid4())},
        )
        assert db.session.execute(text("SELECT app.actor_id()")).scalar() is None


def test_the_signing_key_is_out_of_reach_of_the_application(in_app):
    with pytest.raises(Exception, match="permission denied"), unit_of_work(system_context(SystemActor.KEEPER)):
        db.session.execute(text("SELECT * FROM app.context_key"))


def test_rows_know_nobody_until_the_door_has_proved_who_it_is(in_app):
    ctx, visitor = person(), system_context(SystemActor.VISITOR)
    known = text("SELECT app.actor_id()")
    with unit_of_work(visitor, proved=False):
        assert db.session.scalar(known) is None
        become(ctx)
        assert db.session.scalar(known) == ctx.actor.id
    with unit_of_work(visitor):
        assert db.session.scalar(known) == visitor.actor.id


def test_whom_the_door_proves_before_the_first_statement_signs_it(in_app):
    ctx = person()
    with unit_of_work(system_context(SystemActor.VISITOR), proved=False):
        become(ctx)
        assert db.session.scalar(text("SELECT app.actor_id()")) == ctx.actor.id


def test_a_refusal_before_anybody_is_proved_is_on_record_too(in_app, database_urls):
    visitor = system_context(SystemActor.VISITOR)
    with pytest.raises(Forbidden), unit_of_work(visitor, proved=False):
        db.session.scalar(text("SELECT 1"))
        raise Forbidden("case:read")
    assert entries_of(database_urls["owner"], visitor.request_id) == [("case:read", "refused", [])]


def test_a_connection_that_died_while_idle_is_made_anew(in_app, admin_url, monkeypatch):
    monkeypatch.setattr(database, "IDLE_SECONDS", 0)
    db.engine.dispose()  # so that it is the only one, and is asked
    with unit_of_work(person()):
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with unit_of_work(person()):
        assert db.session.scalar(text("SELECT pg_backend_pid()")) != pid
