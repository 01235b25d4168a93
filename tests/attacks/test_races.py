"""Two at once, in two transactions, where only one may be heard. Approvals: tests/accounts/test_approvals.py."""

import threading
from datetime import timedelta

from helpline.accounts.services import passwords
from helpline.accounts.vocabulary import LinkPurpose
from helpline.agencies.vocabulary import Service
from helpline.cases.commands import Consent
from helpline.cases.vocabulary import ConsentAnswer
from helpline.foundation.clock import now
from helpline.referrals.services import portal, routing
from tests.architecture.test_doors import token_in
from tests.factories.accounts import set_password, sign_in
from tests.factories.agencies import make_agency
from tests.factories.cases import assign, open_case
from tests.referrals.test_services import as_router, look, seek

ROUNDS = 3


def at_once(*deeds):
    """What each gave, all begun together."""
    gate, came = threading.Barrier(len(deeds)), [None] * len(deeds)

    def run(number, deed):
        gate.wait()
        came[number] = deed()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def test_of_two_who_take_one_link_one_has_a_password(app, make_person, rows):
    for _ in range(ROUNDS):
        person = make_person("operator")
        set_password(person)
        with app.app_context():
            path = passwords.link_path(LinkPurpose.PASSWORD, person.id, 1, now() + timedelta(hours=1))
        browsers = [app.test_client() for _ in range(2)]
        forms = [{"csrf_token": token_in(browser.get(path).text)} for browser in browsers]
        words = ("quiet boats cross at dawn", "seven lamps by the old river")
        came = at_once(*(
            lambda browser=browser, form=form, word=word, path=path: browser.post(path, data=form | {"password": word}).status_code
            for browser, form, word in zip(browsers, forms, words, strict=True)
        ))  # fmt: skip
        assert came.count(303) == 1, came
        assert set(came) <= {303, 409, 410, 422}
        assert rows("SELECT version FROM credentials WHERE user_id = %s", person.id) == [(2,)]
        joined = "SELECT count(*) FROM audit_entries WHERE action = 'user.password_reset' AND %s = ANY (subject_ids)"
        assert rows(joined, person.id) == [(1,)]


def test_of_a_yes_and_a_no_by_one_link_one_is_heard(app, world, rows):
    with app.app_context():
        make_agency(world)
        case_id = open_case(world, consent=Consent(services=ConsentAnswer.YES))
        referral_id = seek(world, case_id, Service.HEALTH)
        as_router(routing.route, referral_id)
        ask = look(world, referral_id).asks[0]
        until = (ask.answer_by + routing.LINK_LIVES).isoformat()
        link = portal.link_path({"ask_id": str(ask.id), "version": 1, "link_until": until})
    answers = ({"answer": "accept"}, {"answer": "decline", "reason": "full"})
    at_once(*(lambda given=given: app.test_client().post(f"{link}/answer", data=given) for given in answers))
    heard = rows(
        "SELECT name FROM outbox_events WHERE payload ->> 'ask_id' = %s AND name IN ('referrals.accepted', 'referrals.declined')",
        str(ask.id),
    )
    assert len(heard) == 1
    assert rows("SELECT state FROM referral_asks WHERE id = %s", ask.id) == [(heard[0][0].partition(".")[2],)]


def test_of_two_who_decide_about_a_closing_one_is_heard(app, world, rows):
    with app.app_context():
        case_id = open_case(world)
        assign(world, case_id)
    browsers = []
    for user in (world.caseworker, world.supervisor, world.team_supervisor):
        client = app.test_client()
        sign_in(client, user)
        browsers.append((client, {"X-CSRFToken": token_in(client.get("/account").text)}))
    (asker, token), *deciders = browsers
    asked = asker.post(
        f"/api/v1/cases/{case_id}/closing", json={"version": 2, "reason": "goals_met", "note": "x"}, headers=token
    )
    assert asked.status_code == 200, asked.text
    answers = ({"approve": True}, {"approve": False, "reason": "One visit more"})
    came = at_once(*(
        lambda who=who, answer=answer: who[0].post(
            f"/api/v1/cases/{case_id}/closing/decision", json=answer | {"version": asked.json["version"]}, headers=who[1]
        ).status_code
        for who, answer in zip(deciders, answers, strict=True)
    ))  # fmt: skip
    assert sorted(came) == [200, 409]
    status = rows("SELECT status FROM cases WHERE id = %s", case_id)[0][0]
    assert (status == "closed") is (came[0] == 200)
