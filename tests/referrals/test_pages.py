"""The partner's page tells nothing before a post, opens what consent allows, and hears one answer."""

from datetime import timedelta

import pytest

from helpline.agencies.vocabulary import Service
from helpline.cases.commands import Consent
from helpline.cases.vocabulary import ConsentAnswer
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.crypto import links
from helpline.referrals.services import portal, routing
from tests.factories.accounts import sign_in
from tests.factories.agencies import make_agency
from tests.factories.cases import open_case
from tests.referrals.test_services import as_router, look, seek

YES = Consent(services=ConsentAnswer.YES)
STORY, NAME = "Pushed down the stairs", "Srey Neang"


@pytest.fixture
def asked(app, world):
    """`asked(consent=…)` -> (referral id, the partner's link); one agency is asked, about one case."""

    def make(consent=YES, **given):
        with app.app_context():
            make_agency(world, names={"en": "Children's clinic"})
            case_id = open_case(world, consent=consent, summary=STORY, **given)
            referral_id = seek(world, case_id, Service.HEALTH)
            as_router(routing.route, referral_id)
            ask = look(world, referral_id).asks[0]
            until = (ask.answer_by + routing.LINK_LIVES).isoformat()
            return referral_id, portal.link_path({"ask_id": str(ask.id), "version": 1, "link_until": until})

    return make


@pytest.fixture
def state_of(app, world):
    def read(referral_id):
        with app.app_context():
            return look(world, referral_id)

    return read


def test_getting_the_link_tells_that_something_waits_and_nothing_else(client, asked, state_of, rows):
    referral_id, link = asked()
    for method in ("get", "head"):
        response = getattr(client, method)(link)
        assert response.status_code == 200
        for word in (STORY, NAME, "girl", "years", "health", "Health", "Place", "High", "24 hours"):
            assert word not in response.text
    assert "Something waits for you" in client.get(link).text
    row = state_of(referral_id)
    assert (row.state, row.asks[0].opened_at) == ("asked", None)
    assert rows("SELECT 1 FROM audit_entries WHERE actor_id = %s", row.asks[0].id) == []


def test_a_post_opens_what_is_needed_to_answer_but_neither_name_nor_story_and_is_on_record(
    client, asked, state_of, rows
):
    referral_id, link = asked()
    page = client.post(link)
    assert page.status_code == 200
    for word in ("A child needs your help", "Health care", "6 to 9 years", "within 24 hours", "Place"):
        assert word in page.text
    assert STORY not in page.text
    assert NAME not in page.text
    assert "9 years," not in page.text
    ask = state_of(referral_id).asks[0]
    assert ask.opened_at is not None
    entries = rows(
        "SELECT action, actor_role, channel, field_groups FROM audit_entries WHERE actor_id = %s ORDER BY action",
        ask.id,
    )
    groups = sorted(["case_administration", "statistics", "location", "risk"])
    assert entries == [("case.shown", "partner", "portal", groups), ("referral.opened", "partner", "portal", groups)]


def test_accepting_opens_name_and_story_as_far_as_agreed(client, asked, state_of):
    referral_id, link = asked()
    page = client.post(f"{link}/answer", data={"answer": "accept"})
    assert page.status_code == 200
    assert STORY in page.text
    assert NAME in page.text
    assert state_of(referral_id).state == "accepted"
    assert STORY in client.post(link).text
    assert STORY not in client.get(link).text


@pytest.mark.parametrize(
    ("consent", "hidden", "shown"),
    [
        (Consent(services=ConsentAnswer.UNKNOWN), (STORY, NAME), ("Place",)),
        (Consent(services=ConsentAnswer.YES, disclosure=ConsentAnswer.NO), (STORY, NAME), ("Place",)),
        (Consent(services=ConsentAnswer.YES, withhold=(FieldGroup.STORY,), why="w"), (STORY,), (NAME,)),
        (Consent(services=ConsentAnswer.YES, withhold=(FieldGroup.CHILD_IDENTITY,), why="w"), (NAME, "girl", "9 years"), (STORY,)),
        (Consent(services=ConsentAnswer.YES, withhold=(FieldGroup.LOCATION,), why="w"), ("Place",), (STORY, NAME)),
    ],
    ids=["unknown", "no-disclosure", "story", "identity", "location"],
)  # fmt: skip
def test_what_is_withheld_never_stands_in_the_page(client, asked, consent, hidden, shown):
    _, link = asked(consent)
    before = client.post(link).text
    after = client.post(f"{link}/answer", data={"answer": "accept"}).text
    for word in hidden:
        assert word not in before
        assert word not in after
    for word in shown:
        assert word in after


def test_declining_needs_a_reason_and_closes_the_page(client, asked, state_of, rows):
    referral_id, link = asked()
    page = client.post(f"{link}/answer", data={"answer": "decline"})
    assert page.status_code == 422
    assert "Choose why" in page.text
    assert state_of(referral_id).state == "asked"
    page = client.post(f"{link}/answer", data={"answer": "decline", "reason": "full", "note": "Until Monday"})
    assert page.status_code == 200
    assert "Thank you for telling us" in page.text
    row = state_of(referral_id)
    assert (row.state, row.asks[0].state, row.asks[0].decline_reason, row.asks[0].decline_note) == (
        "requested",
        "declined",
        "full",
        "Until Monday",
    )
    assert rows(
        "SELECT name FROM outbox_events WHERE payload ->> 'ask_id' = %s ORDER BY id DESC LIMIT 1", str(row.asks[0].id)
    ) == [("referrals.declined",)]
    for response in (client.get(link), client.post(link), client.post(f"{link}/answer", data={"answer": "accept"})):
        assert STORY not in response.text
        assert "Another agency is asked now" in response.text
    assert client.get(link).status_code == 410
    assert state_of(referral_id).asks[0].state == "declined"


def test_answers_are_heard_once_and_a_second_gets_what_stands(client, asked, state_of, rows):
    referral_id, link = asked()
    for answer in ({"answer": "accept"}, {"answer": "accept"}, {"answer": "decline", "reason": "full"}):
        page = client.post(f"{link}/answer", data=answer)
        assert page.status_code == 200
        assert STORY in page.text
    row = state_of(referral_id)
    assert row.state == "accepted"
    accepted = rows(
        "SELECT 1 FROM outbox_events WHERE name = 'referrals.accepted' AND payload ->> 'ask_id' = %s",
        str(row.asks[0].id),
    )
    assert len(accepted) == 1


def test_a_link_that_was_not_signed_here_or_has_ended_opens_nothing(client, app, asked, state_of):
    referral_id, link = asked()
    token = link.removeprefix("/r/")
    broken = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
    assert client.post(f"/r/{broken}").status_code == 404
    ask = state_of(referral_id).asks[0]
    other_purpose = links.sign("invitation", ask.id, 1, ask.answer_by)
    assert client.post(f"/r/{other_purpose}").status_code == 404
    past = links.sign(portal.PURPOSE, ask.id, 1, ask.asked_at - timedelta(days=1))
    for response in (client.get(f"/r/{past}"), client.post(f"/r/{past}")):
        assert response.status_code == 410
        assert STORY not in response.text
    stale = links.sign(portal.PURPOSE, ask.id, 7, ask.answer_by)
    assert client.post(f"/r/{stale}").status_code == 410


def test_silence_ends_the_link(client, app, asked, state_of):
    referral_id, link = asked()
    with app.app_context():
        as_router(routing.expire_unanswered, at=state_of(referral_id).asks[0].answer_by)
    page = client.post(link)
    assert page.status_code == 410
    assert "The time to answer has passed" in page.text


def test_the_link_reaches_nothing_but_its_page(client, asked, state_of):
    referral_id, _link = asked()
    case_id = state_of(referral_id).case_id
    for path in (
        f"/referrals/{referral_id}",
        "/referrals",
        f"/api/v1/referrals/{referral_id}",
        f"/api/v1/cases/{case_id}",
    ):
        assert client.get(path).status_code in {302, 401}


def test_opening_costs_few_statements(client, asked, statements):
    _, link = asked()
    client.post(link)
    statements.clear()
    assert client.post(link).status_code == 200
    assert len([each for each in statements if "set_config" not in each]) <= 8


def test_the_answer_by_api(client, asked, state_of):
    referral_id, link = asked()
    token = link.removeprefix("/r/")
    opened = client.post(f"/api/v1/portal/{token}/request")
    assert opened.status_code == 200
    assert (opened.json["name"], opened.json["story"], opened.json["age_band"]) == (None, None, "6-9")
    assert client.post(f"/api/v1/portal/{token}/answer", json={"answer": "decline"}).status_code == 422
    answered = client.post(f"/api/v1/portal/{token}/answer", json={"answer": "accept"})
    assert (answered.json["state"], answered.json["works"]) == ("accepted", True)
    assert client.post(f"/api/v1/portal/{token}/request").json["story"] == STORY
    assert state_of(referral_id).state == "accepted"


def test_a_supervisor_sees_referrals_by_state_with_reasons_in_words(client, world, asked):
    referral_id, _ = asked()
    sign_in(client, world.supervisor)
    page = client.get("/referrals?state=asked")
    assert page.status_code == 200
    assert "Children&#39;s clinic is asked" in page.text
    assert "Children" not in client.get("/referrals?state=exhausted").text
    page = client.get(f"/referrals/{referral_id}")
    assert page.status_code == 200
    assert "nearest: covers Place" in page.text
    assert "open now" in page.text
    found = client.get("/api/v1/referrals?state=asked").json["items"]
    assert [each["id"] for each in found] == [str(referral_id)]
    assert found[0]["asks"][0]["why"][1] == "open now"
    assert STORY not in page.text


def test_a_caseworker_of_another_team_finds_nothing(client, world, asked):
    referral_id, _ = asked()
    sign_in(client, world.other_caseworker)
    assert client.get(f"/referrals/{referral_id}").status_code == 404
    assert client.get("/api/v1/referrals").json["items"] == []
    sign_in(client, world.admin)
    assert client.get("/referrals").status_code == 403


def test_a_page_that_moved_on_says_so(client, world, asked):
    referral_id, _ = asked()
    sign_in(client, world.supervisor)
    token = client.get(f"/referrals/{referral_id}").text.split('name="csrf-token" content="')[1].split('"')[0]
    data = {"csrf_token": token, "version": 1, "reason": "no_longer_needed"}
    page = client.post(f"/referrals/{referral_id}/withdraw", data=data)
    assert page.status_code == 409
    assert "Things have moved on" in page.text


def test_changing_the_language_leads_back_to_the_link(client, asked):
    _, link = asked()
    client.post(f"{link}/answer", data={"answer": "decline"})
    assert "Something waits for you" in client.get(f"{link}/answer").text
