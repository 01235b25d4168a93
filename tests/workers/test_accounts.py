"""From somebody's invitation, or forgotten password, to the mail whose link works: as the worker's own role."""

import re
from dataclasses import replace

import psycopg
import pytest
from flask import render_template

from helpline.accounts.commands import Ask, InviteUser
from helpline.accounts.events import FactorChanged, PasswordResetRequested, UserInvited
from helpline.accounts.services import approvals, factors, passwords, sessions, staff
from helpline.accounts.vocabulary import ApprovalKind, Decision, FactorChange, LinkPurpose
from helpline.app import create_app
from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.i18n import speaking
from helpline.foundation.ids import new_id
from helpline.notifications.services import claim_next
from tests.factories.accounts import add_authenticator, make_centre, make_user, set_password
from workers import accounts, notifications, subscriptions, task
from workers.celery_app import celery

REGISTERED = (
    accounts.send_invitation,
    accounts.send_password_link,
    accounts.tell_factor_changed,
    accounts.tell_approval,
)  # importing them is what registers the tasks
NEW = "quiet boats cross at dawn"


@pytest.fixture(scope="module")
def worker_app(settings):
    app = create_app(replace(settings, public_url="https://helpline.test"), database_role="worker")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(autouse=True)
def _as_worker(monkeypatch, worker_app, database_urls):
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)
    sessions.door.counters._redis.flushdb()
    with psycopg.connect(database_urls["owner"]) as connection:  # no mail of an earlier test waits
        connection.execute("UPDATE messages SET state = 'sent' WHERE channel = 'mail' AND state <> 'sent'")


@pytest.fixture
def handle(database_urls):
    """`handle(name, user_id)`: run the tasks of this person's event of this name, as the relay would, and twice."""

    def run(name, user_id):
        with psycopg.connect(database_urls["owner"]) as connection:
            event_id, payload = connection.execute(
                "SELECT id, payload FROM outbox_events WHERE name = %s AND payload ->> 'user_id' = %s",
                [name, str(user_id)],
            ).fetchone()
        for _ in range(2):
            for handler in subscriptions.SUBSCRIPTIONS[name]:
                celery.tasks[handler].run(event_id=str(event_id), payload=payload)

    return run


def the_mail(worker_app):
    with worker_app.app_context(), unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        mail = notifications._render(claim_next(ctx))
        assert claim_next(ctx) is None, "one event, one mail"
    return mail


def follow(app, mail, purpose):
    token = re.search(rf"https://helpline\.test/{purpose.value}/(\S+)", mail.body)[1]
    with app.app_context(), unit_of_work(system_context(SystemActor.VISITOR)) as ctx:
        passwords.accept_link(ctx, purpose, token, NEW)


def test_an_invitation_arrives_and_its_link_works(app, worker_app, make_person, handle):
    admin, user_id = make_person("admin"), new_id()
    login = f"sokha.{user_id.hex[-8:]}"
    with app.app_context(), unit_of_work(admin.ctx()) as ctx:
        staff.invite_user(ctx, InviteUser(user_id, "Chan Sokha", login, f"{login}@helpline.test", Role.OPERATOR, "en"))
    handle(UserInvited.name, user_id)
    mail = the_mail(worker_app)
    assert mail.to == f"{login}@helpline.test"
    assert "Sokha" not in mail.subject + mail.body, "a mail names nobody"
    follow(app, mail, LinkPurpose.INVITATION)
    with app.app_context(), unit_of_work(system_context(SystemActor.VISITOR)) as ctx:
        assert sessions.sign_in(ctx, login, NEW, "203.0.113.9").actor.id == user_id


def test_a_new_password_by_mail(app, worker_app, make_person, handle):
    person = make_person("operator")
    set_password(person)
    with app.app_context(), unit_of_work(system_context(SystemActor.VISITOR)) as ctx:
        passwords.request_password_reset(ctx, person.email, "203.0.113.9")
    handle(PasswordResetRequested.name, person.id)
    mail = the_mail(worker_app)
    assert mail.to == person.email
    follow(app, mail, LinkPurpose.PASSWORD)


def test_no_token_stands_in_the_database(app, worker_app, make_person, handle, database_urls):
    person = make_person("operator")
    set_password(person)
    with app.app_context(), unit_of_work(system_context(SystemActor.VISITOR)) as ctx:
        passwords.request_password_reset(ctx, person.email, "203.0.113.9")
    handle(PasswordResetRequested.name, person.id)
    token = re.search(r"/password/(\S+)", the_mail(worker_app).body)[1]
    with psycopg.connect(database_urls["owner"]) as connection:
        for table in ("messages", "outbox_events", "audit_entries"):
            found = connection.execute(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", [f"%{token[:40]}%"])
            assert found.fetchone() == (0,)


def test_who_owns_a_factor_is_told_by_mail_and_in_the_inbox(app, worker_app, make_person, handle, database_urls):
    person = make_person("operator")
    add_authenticator(person)
    with app.app_context(), unit_of_work(person.ctx()) as ctx:
        codes = factors.make_recovery_codes(ctx)
    handle(FactorChanged.name, person.id)
    mail = the_mail(worker_app)
    assert mail.to == person.email
    assert "New recovery codes were made" in mail.body
    assert "https://helpline.test/account/security" in mail.body
    assert codes[0] not in mail.body
    with psycopg.connect(database_urls["owner"]) as connection:
        channels = connection.execute("SELECT channel FROM messages WHERE recipient_id = %s ORDER BY 1", [person.id])
        assert channels.fetchall() == [("in_app",), ("mail",)]


def test_every_change_of_a_factor_has_words_of_its_own(worker_app):
    with worker_app.app_context(), speaking("en"):
        said = {
            render_template("messages/factor_changed.txt", params={"change": change.value}).strip().split("\n")[1]
            for change in FactorChange
        }
    assert len(said) == len(FactorChange)
    assert "" not in said


def test_each_step_of_a_lost_factor_is_told_to_whom_it_concerns(app, worker_app, database_urls):
    centre = make_centre(database_urls["owner"])
    admin, other, supervisor, person = (
        make_user(centre, role) for role in ("admin", "admin", "supervisor", "operator")
    )
    add_authenticator(person)
    with app.app_context():
        with unit_of_work(admin.ctx()) as ctx:
            approval_id = approvals.ask(ctx, Ask(new_id(), ApprovalKind.FACTOR_RESET, person.id, "Knows her voice")).id
        with unit_of_work(supervisor.ctx()) as ctx:
            approvals.decide(ctx, approval_id, Decision.APPROVED)
    celery.tasks["accounts.carry_out_approvals"].run()
    with psycopg.connect(database_urls["owner"]) as connection:
        for event_id, payload in connection.execute(
            "SELECT id, payload FROM outbox_events WHERE payload ->> 'approval_id' = %s ORDER BY id", [str(approval_id)]
        ).fetchall():
            celery.tasks["accounts.tell_approval"].run(event_id=str(event_id), payload=payload)
        told = connection.execute(
            "SELECT recipient_id, template, params ->> 'state' FROM messages WHERE channel = 'mail' AND centre_id = %s",
            [centre.id],
        ).fetchall()
        [(spent,)] = connection.execute("SELECT spent_at FROM approvals WHERE id = %s", [approval_id]).fetchall()
    assert set(told) == {
        (other.id, "approval_asked", "asked"), (supervisor.id, "approval_asked", "asked"),
        (person.id, "factor_reset", "asked"), (person.id, "factor_reset", "approved"), (admin.id, "approval_moved", "approved"),
    }  # fmt: skip
    assert spent is None, "its day has not come"
    with worker_app.app_context(), unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        mails = []
        while (outgoing := claim_next(ctx)) is not None:
            mails.append(notifications._render(outgoing))
    assert len(mails) == 5
    assert all(mail.subject and "https://helpline.test/" in mail.body for mail in mails)
    assert not any("voice" in mail.body for mail in mails)
