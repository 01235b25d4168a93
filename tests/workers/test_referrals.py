"""The tasks, run with the worker's own database role: each event once, and silence taken for a no."""

from datetime import timedelta

import pytest
from flask import render_template

from helpline.agencies.vocabulary import Service
from helpline.foundation import clock
from helpline.foundation.i18n import speaking
from helpline.foundation.ids import new_id
from helpline.notifications.commands import Outgoing
from tests.factories.agencies import make_agency
from tests.factories.cases import assign, open_case
from tests.referrals.test_services import look, seek
from workers import links, referrals, schedule, subscriptions, task
from workers.celery_app import celery

HANDLERS = {"referrals.route_case", "referrals.route", "referrals.tell_accepted"}


@pytest.fixture(autouse=True)
def _as_worker(monkeypatch, worker_app):
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)


def run(name, event_id=None, **payload):
    celery.tasks[name].run(event_id=str(event_id or new_id()), payload=payload)


def test_a_case_is_routed_from_its_opening_to_the_mail(app, world, rows):
    with app.app_context():
        agency = make_agency(world)
        case_id = open_case(world, needs=(Service.HEALTH,))
    event = new_id()
    for _ in range(2):
        run("referrals.route_case", event, case_id=str(case_id), needs=["health"], source="live")
    [(referral_id, state)] = rows("SELECT id, state FROM referrals WHERE case_id = %s", case_id)
    assert state == "requested"
    event = new_id()
    for _ in range(2):
        run("referrals.route", event, referral_id=str(referral_id))
    assert rows("SELECT agency_id, state FROM referral_asks WHERE referral_id = %s", referral_id) == [(agency, "asked")]
    assert rows(
        "SELECT count(*) FROM messages WHERE template = 'referral_asked' AND centre_id = %s", world.centre.id
    ) == [(1,)]


def test_an_imported_case_asks_nobody(app, world, rows):
    with app.app_context():
        case_id = open_case(world)
    run("referrals.route_case", case_id=str(case_id), needs=["health"], source="imported")
    assert rows("SELECT id FROM referrals WHERE case_id = %s", case_id) == []


def test_silence_is_a_no(app, world, worker_app, monkeypatch):
    with app.app_context():
        make_agency(world)
        referral_id = seek(world, open_case(world))
    run("referrals.route", referral_id=str(referral_id))
    with app.app_context():
        due = look(world, referral_id).asks[0].answer_by
    monkeypatch.setattr("helpline.foundation.context.now", lambda: due + timedelta(seconds=1))
    with worker_app.app_context():
        referrals.expire_unanswered()
    with app.app_context():
        row = look(world, referral_id)
    assert (row.state, row.asks[0].state) == ("requested", "expired")


def test_the_caseworker_hears_that_an_agency_helps(app, world, rows, database_urls):
    with app.app_context():
        case_id = open_case(world)
        assign(world, case_id)
        referral_id = seek(world, case_id)
    run("referrals.tell_accepted", referral_id=str(referral_id))
    told = rows(
        "SELECT DISTINCT recipient_id FROM messages WHERE template = 'referral_accepted' AND params ->> 'case_id' = %s",
        str(case_id),
    )
    assert told == [(world.caseworker.id,)]


def test_the_mail_says_that_something_waits_where_and_by_when_and_no_word_about_the_child(app, world, rows, client):
    with app.app_context():
        make_agency(world, names={"en": "Girls' shelter"}, languages=("en",))
        case_id = open_case(world, summary="Pushed down the stairs", risk="immediate")
        referral_id = seek(world, case_id)
    run("referrals.route", referral_id=str(referral_id))
    [(message_id, params, locale)] = rows(
        "SELECT id, params, locale FROM messages WHERE template = 'referral_asked' AND centre_id = %s", world.centre.id
    )
    outgoing = Outgoing(message_id, world.centre.id, "referral_asked", params, "a@b.test", locale, "Asia/Phnom_Penh")
    link = links.link_of(outgoing, "https://helpline.test")
    for language in ("en", "km"):
        with app.app_context(), speaking(language):
            text = render_template("messages/referral_asked.txt", params=params, link=link, now=clock.now(), mail=True)
        assert link in text
        assert params["helpline"] in text
        assert "Girls' shelter" in text
        for word in ("stairs", "Srey", "health", "Health", "girl,", "immediate", "Immediate", "Place", str(case_id)):
            assert word not in text
    assert client.get(link.removeprefix("https://helpline.test")).status_code == 200


def test_every_handler_is_a_task_and_hears_its_events():
    assert set(celery.tasks) >= HANDLERS
    heard = {event: tasks for event, tasks in subscriptions.SUBSCRIPTIONS.items() if HANDLERS & set(tasks)}
    assert set(heard) == {
        "cases.opened", "cases.needs_added", "referrals.requested", "referrals.declined", "referrals.expired",
        "referrals.accepted",
    }  # fmt: skip
    assert schedule.celery.conf.beat_schedule["referrals"] == {
        "task": "referrals.expire_unanswered", "schedule": 10.0, "options": {"expires": 30},
    }  # fmt: skip
