"""The pages of cases: what a form asks, what it keeps when it is refused, and what it must not show."""

import re
from datetime import timedelta

import pytest

from helpline.agencies.vocabulary import Service
from helpline.followups.commands import AddFollowUp
from helpline.followups.services import work
from helpline.followups.vocabulary import FollowUpKind
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user, sign_in
from tests.factories.cases import assign, make_call, open_case


@pytest.fixture
def a_case(app, world):
    with app.app_context():
        return open_case(world, needs=(Service.HEALTH,), summary="Hurt on the arm")


@pytest.fixture
def given(app, world, a_case):
    with app.app_context():
        assign(world, a_case)
    return a_case


@pytest.fixture
def fill(client):
    """Open a form as somebody and post it: `fill(user, path, **answers)`."""

    def send(user, path, **answers):
        sign_in(client, user)
        drawn = client.get(path)
        assert drawn.status_code == 200
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', main_of(drawn)))
        return client.post(path, data=hidden | answers)

    return send


def main_of(answer):
    return answer.get_data(as_text=True).partition("<main")[2].partition("</main>")[0]


def test_the_list_shows_no_name_and_no_word(client, world, a_case, rows):
    sign_in(client, world.supervisor)
    html = main_of(client.get("/cases"))
    assert rows("SELECT code FROM cases WHERE id = %s", a_case)[0][0] in html
    assert "Srey Neang" not in html
    assert "Hurt" not in html
    assert html.count("btn main") == 1


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_who_has_no_part_has_no_list(client, world, a_case, role):
    sign_in(client, getattr(world, role))
    assert client.get("/cases").status_code == 403


def test_an_empty_list_says_what_will_be_there(client, world):
    sign_in(client, world.caseworker)
    assert "No case fits." in main_of(client.get("/cases"))


def test_opening_says_how_dangerous_the_call_is_and_ticks_every_child(client, world):
    call = make_call(world.operator, place=world.province)
    sign_in(client, world.operator)
    html = main_of(client.get(f"/calls/{call.id}/cases/new"))
    assert 'class="risk high"' in html
    assert html.count('name="children"') == html.count(" checked><span>") > 0


def test_what_must_be_settled_first_is_named_with_its_link_and_nothing_filled_can_only_fail(client, app, world, given):
    owed = new_id()
    with app.app_context(), unit_of_work(world.caseworker.ctx()) as ctx:
        work.add(ctx, AddFollowUp(owed, given, FollowUpKind.VISIT, ctx.now + timedelta(days=1)))
    sign_in(client, world.caseworker)
    html = main_of(client.get(f"/cases/{given}/closing"))
    assert f'href="/followups/{owed}"' in html
    assert "Promised: Visit" in html
    assert html.count("btn main") == 1
    assert "Ask to close<" not in html.replace("Ask to close the case", "")


def test_a_case_opens_from_a_call_for_its_child(client, world, fill, rows):
    call = make_call(world.operator, place=world.province)
    path = f"/calls/{call.id}/cases/new"
    refused = fill(world.operator, path, needs=["health"], summary="Hurt on the arm")
    assert refused.status_code == 422
    assert "Choose at least one child." in main_of(refused)
    assert "Hurt on the arm" in main_of(refused)
    answer = fill(
        world.operator, path, children=[str(call.child_id)], needs=["health", "police"], summary="Hurt on the arm",
        **{"consent.services": "yes", "consent.by": "caregiver"},
    )  # fmt: skip
    [(case_id, needs, consent)] = rows("SELECT id, needs, consent FROM cases WHERE call_id = %s", call.id)
    assert answer.status_code == 303
    assert answer.location.endswith(f"/cases/{case_id}")
    assert (needs, consent["services"], consent["by"]) == (["health", "police"], "yes", "caregiver")
    assert "Each child of this call has a case." in main_of(client.get(path))


def test_a_call_out_of_sight_opens_no_form(client, world):
    call = make_call(world.operator, place=world.province)
    sign_in(client, make_user(world.centre, "operator"))
    assert client.get(f"/calls/{call.id}/cases/new").status_code == 404


def test_giving_shows_the_load_and_gives(client, world, fill, a_case, rows):
    path = f"/cases/{a_case}/assignment"
    assert fill(world.supervisor, path).status_code == 422
    answer = fill(world.supervisor, path, caseworker_id=str(world.caseworker.id))
    assert answer.status_code == 303
    assert rows("SELECT caseworker_id FROM cases WHERE id = %s", a_case) == [(world.caseworker.id,)]


def test_a_note_is_kept_when_it_is_refused(client, world, fill, given):
    path = f"/cases/{given}/notes/new"
    answer = fill(world.caseworker, path, kind="nonsense", body="The aunt was there.")
    assert answer.status_code == 422
    assert "The aunt was there." in main_of(answer)
    assert fill(world.caseworker, path, kind="contact", body="The aunt was there.").status_code == 303


def test_a_stale_form_says_so_and_keeps_the_words(client, world, fill, given):
    path = f"/cases/{given}/risk"
    answer = fill(world.caseworker, path, version="1", risk_level="low", reason="Safe with the aunt")
    assert answer.status_code == 409
    assert "Someone changed this while you were writing." in main_of(answer)
    assert "Safe with the aunt" in main_of(answer)


CHANGES = [
    ("risk", {"risk_level": "low", "reason": "Safe"}, "risk_level", "low"),
    ("needs", {"needs": ["legal"]}, "needs", ["legal"]),
    ("step", {"step": "assess", "version": "2"}, "step", "assess"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
def test_each_change_has_a_page(client, world, given, rows, change):
    what, answers, column, expected = change
    sign_in(client, world.caseworker)
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(f"/cases/{given}").get_data(as_text=True))[1]
    answer = client.post(f"/cases/{given}/{what}", data={"csrf_token": token, "version": "2"} | answers)
    assert answer.status_code == 303
    assert rows(f"SELECT {column} FROM cases WHERE id = %s", given) == [(expected,)]  # a column's name of our own


def test_consent_on_its_page(client, world, fill, given, rows):
    path = f"/cases/{given}/consent"
    answers = {
        "consent.services": "yes",
        "consent.by": "override",
        "consent.withhold": ["story"],
        "consent.why": "asked",
    }
    refused = fill(world.caseworker, path, **answers)
    assert refused.status_code == 422
    assert "Choose the legal basis" in main_of(refused)
    assert fill(world.caseworker, path, **answers, **{"consent.basis": "best_interest"}).status_code == 303
    [(consent,)] = rows("SELECT consent FROM cases WHERE id = %s", given)
    assert (consent["basis"], consent["withhold"]) == ("best_interest", ["story"])


def test_closing_is_asked_for_sent_back_approved_and_taken_up_again(client, world, fill, given, rows):
    def state():
        return rows("SELECT status, closing_reason FROM cases WHERE id = %s", given)[0]

    closing = {"reason": "goals_met", "note": "All is well"}
    assert fill(world.caseworker, f"/cases/{given}/closing", reason="goals_met").status_code == 422
    assert fill(world.caseworker, f"/cases/{given}/closing", **closing).status_code == 303
    assert state() == ("open", "goals_met")
    decision = f"/cases/{given}/closing/decision"
    assert fill(world.team_supervisor, decision, approve="false").status_code == 422
    assert fill(world.team_supervisor, decision, approve="false", reason="One visit more").status_code == 303
    assert state() == ("open", None)
    assert fill(world.caseworker, f"/cases/{given}/closing", **closing).status_code == 303
    assert fill(world.team_supervisor, decision, approve="true").status_code == 303
    assert state() == ("closed", None)
    assert fill(world.supervisor, f"/cases/{given}/reopening", reason="He called").status_code == 303
    assert state() == ("open", None)


@pytest.mark.parametrize("what", ["assignment", "notes/new", "risk", "needs", "consent", "closing", "reopening"])
def test_no_form_opens_for_a_case_out_of_sight(client, world, a_case, what):
    sign_in(client, make_user(world.centre, "team_supervisor", world.other_team))
    assert client.get(f"/cases/{a_case}/{what}").status_code == 404
    assert client.get(f"/cases/{new_id()}/{what}").status_code == 404
