"""The tasks of closing and of emergency access, run with the worker's own database role."""

from datetime import timedelta

import psycopg
import pytest

from helpline.foundation import clock
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.referrals.services import routing
from tests.factories.agencies import make_agency
from tests.factories.cases import open_case
from tests.factories.privacy import break_glass, close
from workers import links, task
from workers.celery_app import celery


@pytest.fixture(autouse=True)
def _as_worker(monkeypatch, worker_app):
    celery.loader.import_default_modules()
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)


def events(rows, name, case_id):
    return rows(
        "SELECT id, payload FROM outbox_events WHERE name = %s AND payload ->> 'case_id' = %s", name, str(case_id)
    )


def run(name, event_id, payload):
    celery.tasks[name].run(event_id=str(event_id), payload=payload)


def messages(rows, template, user):
    return rows(
        "SELECT params FROM messages WHERE template = %s AND recipient_id = %s AND channel = 'mail'", template, user.id
    )


def test_the_supervisor_hears_of_a_broken_glass_once_by_mail_with_a_link_to_its_review(app, world, rows):
    with app.app_context():
        case_id = open_case(world, team_id=world.other_team)
        override_id = break_glass(world.other_caseworker, case_id)
    [(event_id, payload)] = events(rows, "privacy.glass_broken", case_id)
    for _ in range(2):
        run("privacy.tell_broken", event_id, payload)
    [(params,)] = messages(rows, "glass_broken", world.supervisor)
    assert set(params) == {"override_id", "case_id", "case", "review_by"}  # nobody's name, no reason
    assert links.LINKS["glass_broken"](params) == f"/overrides/{override_id}"


def test_reviews_are_asked_for_again(app, world, rows, monkeypatch):
    with app.app_context():
        break_glass(world.other_caseworker, open_case(world, team_id=world.other_team))
    real = clock.real_now
    celery.tasks["privacy.remind_reviews"].run()
    assert messages(rows, "glass_review", world.supervisor) == []
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute(
            "UPDATE glass_overrides SET remind_at = %s WHERE centre_id = %s",
            [real() - timedelta(minutes=1), world.centre.id],
        )
    celery.tasks["privacy.remind_reviews"].run()
    celery.tasks["privacy.remind_reviews"].run()
    assert len(messages(rows, "glass_review", world.supervisor)) == 1


def test_an_agency_that_is_shut_out_holds_nothing_any_more(app, world, rows):
    with app.app_context():
        agency, case_id = make_agency(world), open_case(world, needs=("health",))
        for deed, *args in ((routing.request_needs, case_id, ["health"]),):
            with unit_of_work(system_context("router")) as ctx:
                deed(ctx, *args)
        [(referral_id,)] = rows("SELECT id FROM referrals WHERE case_id = %s", case_id)
        with unit_of_work(system_context("router")) as ctx:
            routing.route(ctx, referral_id)
        close(world.supervisor, case_id, agency)
    [(event_id, payload)] = events(rows, "privacy.case_shut", case_id)
    run("referrals.shut_out", event_id, payload)
    run("referrals.route", new_id(), {"referral_id": str(referral_id)})
    assert rows("SELECT state FROM referrals WHERE id = %s", referral_id) == [("exhausted",)]


def test_a_case_that_is_nobodys_again_waits_for_somebody(app, world, rows):
    with app.app_context():
        case_id = open_case(world)
    run("followups.release_case", new_id(), {"case_id": str(case_id)})
    assert rows(
        "SELECT count(*) FROM followups WHERE case_id = %s AND kind = 'assignment' AND state = 'planned'", case_id
    ) == [(1,)]
