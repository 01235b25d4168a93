"""Who may lock, by which link, and what it leaves; who opens again."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Channel, active, system_context
from helpline.foundation.crypto import keyfile, keyring, links
from helpline.foundation.crypto.keyfile import machine_beside
from helpline.foundation.crypto.keyring import KeyRing, KeyRingError
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Forbidden
from helpline.keys.rules import LINK_DAYS
from helpline.keys.services import locking
from tests.factories.accounts import sign_in


@pytest.fixture(autouse=True)
def _open_after(sql, web_app):
    with web_app.app_context():
        yield
    sql("UPDATE key_state SET locked_at = NULL")


def state(sql):
    return sql("SELECT locked_at IS NOT NULL, app.keys_locked() FROM key_state")[0]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "admin"])
def test_whoever_may_be_in_the_house_locks_and_it_is_on_record(somebody, sql, browser, role):
    user = somebody(role)
    sign_in(browser, user)
    with unit_of_work(user.ctx()) as ctx:
        locking.lock_keys(ctx)
    assert state(sql) == (True, True)
    entries = sql("SELECT action, outcome, centre_id FROM audit_entries WHERE actor_id = %s", user.id)
    assert entries == [("keys.locked", "done", user.centre.id)]
    assert sql("SELECT locked_at FROM user_sessions WHERE user_id = %s AND locked_at IS NULL", user.id) == []


@pytest.mark.parametrize("deed", [locking.lock_keys, locking.make_link, locking.end_link])
def test_an_auditor_is_refused_and_only_that_is_on_record(somebody, sql, deed):
    user = somebody("auditor")
    with pytest.raises(Forbidden), unit_of_work(user.ctx()) as ctx:
        deed(ctx)
    assert state(sql) == (False, False)
    assert sql("SELECT outcome FROM audit_entries WHERE actor_id = %s", user.id) == [("refused",)]


@pytest.mark.parametrize("role", ["operator", "supervisor"])
def test_only_an_admin_makes_the_link(somebody, role):
    with pytest.raises(Forbidden), unit_of_work(somebody(role).ctx()) as ctx:
        locking.make_link(ctx)


def identify(path, at=None):
    ctx = system_context(SystemActor.VISITOR, channel=Channel.PAGE)
    with unit_of_work(ctx):
        return locking.identify_link(path.removeprefix("/close/"))


def test_the_link_is_whoever_holds_it_until_it_ends(somebody, sql):
    admin = somebody("admin")
    with unit_of_work(admin.ctx()) as ctx:
        first = locking.make_link(ctx)
    holder = identify(first)
    assert (holder.actor.role, holder.actor.centre_id) == ("locker", admin.centre.id)
    with unit_of_work(admin.ctx()) as ctx:
        second = locking.make_link(ctx)
    assert identify(first) is None, "a new link ends the one of before"
    assert identify(second) is not None
    with unit_of_work(admin.ctx()) as ctx:
        locking.end_link(ctx)
    assert identify(second) is None
    actions = [
        action for (action,) in sql("SELECT action FROM audit_entries WHERE actor_id = %s ORDER BY id", admin.id)
    ]
    assert actions == ["keys.link_made", "keys.link_made", "keys.link_ended"]
    assert second.removeprefix("/close/") not in str(sql("SELECT * FROM key_state, audit_entries"))


def test_a_link_of_another_purpose_or_time_locks_nothing(somebody, house, sql):
    admin = somebody("admin")
    with unit_of_work(admin.ctx()) as ctx:
        locking.make_link(ctx)
    version = sql("SELECT link_version FROM key_state")[0][0]
    for purpose, until in (("referral", timedelta(days=1)), ("lock", -timedelta(seconds=1))):
        assert identify("/close/" + links.sign(purpose, house.id, version, ctx.now + until)) is None
    assert identify("/close/" + links.sign("lock", house.id, version, ctx.now + timedelta(days=LINK_DAYS))) is not None


def test_a_statement_nobody_signed_locks_and_unlocks_nothing(somebody, sql):
    with pytest.raises(ProgrammingError, match="InsufficientPrivilege"), db.engine.begin() as connection:
        connection.execute(text("SELECT app.lock_keys(now())"))
    with unit_of_work(somebody("operator").ctx()) as ctx:
        locking.lock_keys(ctx)
    for ctx in (somebody("admin").ctx(), system_context(SystemActor.LOCKER)):
        with (
            pytest.raises(ProgrammingError, match="InsufficientPrivilege"),
            active(ctx),
            db.engine.begin() as connection,
        ):
            connection.execute(text("SELECT app.unlock_keys()"))
    assert state(sql) == (True, True)


def test_two_holders_open_it_and_every_centre_hears_of_it(own, codes, somebody, sql, house):
    with unit_of_work(somebody("operator").ctx()) as ctx:
        locking.lock_keys(ctx)
    machine = machine_beside(own.keys_path)
    keyfile.destroy_machine(machine)
    ring = keyring._Port.ring
    keyring.install(None)
    try:
        for first, second in ((codes[0], codes[0]), (codes[0], "nonsense"), ("", "")):
            with pytest.raises(KeyRingError):
                locking.open_keys(own.keys_path, None, first, second, Channel.PAGE)
        assert state(sql) == (True, True)
        assert not machine.exists()
        locking.open_keys(own.keys_path, None, codes[2], codes[1], Channel.PAGE)
        assert not keyring.is_open(), "the watch takes them up, not the request"
    finally:
        keyring.install(ring)
    assert state(sql) == (False, False)
    assert KeyRing.open(own.keys_path).secret("cookie") == ring.secret("cookie")
    entry = sql(
        "SELECT actor_role, channel FROM audit_entries WHERE action = 'keys.opened' AND centre_id = %s", house.id
    )
    assert entry == [("keeper", "page")]


def test_while_the_database_is_away_nothing_opens(own, codes, monkeypatch):
    machine = machine_beside(own.keys_path)
    before = machine.read_bytes()
    monkeypatch.setattr(locking, "_UNLOCK", text("SELECT app.no_such_function()"))
    with pytest.raises(KeyRingError, match="can't be told"):
        locking.open_keys(own.keys_path, None, codes[0], codes[1], Channel.CLI)
    assert machine.read_bytes() == before
