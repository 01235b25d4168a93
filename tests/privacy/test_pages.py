"""Who may see a case, emergency access and its review, as pages."""

import pytest

from helpline.cases.commands import AddNote
from helpline.cases.services import working
from helpline.cases.vocabulary import NoteKind
from helpline.foundation.ids import new_id
from tests.factories.accounts import sign_in
from tests.factories.calls import do
from tests.factories.cases import make_call, open_case
from tests.factories.privacy import break_glass


@pytest.fixture
def case(world, app):
    """A case of the other team."""
    with app.app_context():
        return open_case(world, team_id=world.other_team)


def browser(app, user):
    client = app.test_client()
    sign_in(client, user, fresh=True)
    return client


def post(client, path, **form):
    page = client.get("/inbox").text
    return client.post(path, data={"csrf_token": _token(page)} | form)


def test_what_is_done_under_it_carries_its_id_and_is_work_like_any(world, case, rows, app):
    user = world.other_caseworker
    with app.app_context():
        override_id = break_glass(user, case)
    client = app.test_client()
    sign_in(client, user, fresh=True)
    page = client.get(f"/cases/{case}")
    assert page.status_code == 200
    assert "Emergency access to" in page.text
    assert "End now" in page.text
    assert "Emergency access to" in client.get("/cases").text
    entries = rows(
        "SELECT action, cause_id FROM audit_entries WHERE actor_id = %s AND channel = 'page' AND action = 'case.shown'",
        user.id,
    )
    assert entries
    assert {cause for _action, cause in entries} == {override_id}
    with app.app_context():
        do(user, working.add_note, AddNote(new_id(), case, NoteKind.CONTACT, "Reached her."))
    ended = client.post(f"/overrides/{override_id}/end", headers={"X-CSRFToken": _token(page.text)})
    assert ended.status_code == 303
    assert "Emergency access to" not in client.get("/cases").text
    assert client.get(f"/cases/{case}").status_code == 404


def _token(page):
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def test_the_auditor_reads_who_and_when_and_no_reason(world, case, app):
    with app.app_context():
        override_id = break_glass(world.other_caseworker, case)
    for user, reads in ((world.auditor, False), (world.supervisor, True)):
        client = app.test_client()
        sign_in(client, user, fresh=True)
        assert "Emergency access" in client.get("/overrides").text
        page = client.get(f"/overrides/{override_id}")
        assert page.status_code == 200
        assert ("The child called back" in page.text) is reads, page.text.partition("<main")[2]


def test_a_case_is_closed_and_opened_again_on_its_page(world, case, app):
    client = browser(app, world.supervisor)
    assert f"/cases/{case}/access" in client.get(f"/cases/{case}").text
    again = post(client, f"/cases/{case}/closings/new", principal_id=str(world.operator.id), reason=" ")
    assert again.status_code == 422
    done = post(
        client,
        f"/cases/{case}/closings/new",
        principal_id=str(world.operator.id),
        relation="household",
        reason="His aunt.",
    )
    assert done.status_code == 303
    page = client.get(done.location).text
    assert "somebody of their household is a party" in page
    assert "His aunt." in page
    assert browser(app, world.operator).get(f"/cases/{case}").status_code == 404
    given = {"principal_id": str(world.operator.id), "kind": "party"}
    assert (
        "somebody of their household is a party" in client.get(f"/cases/{case}/closings/lift", query_string=given).text
    )
    assert post(client, f"/cases/{case}/closings/lift", **given, reason="Another aunt.").status_code == 303
    page = browser(app, world.operator).get(f"/cases/{case}/access")
    assert page.status_code == 200
    assert "Closed to" not in page.text


def test_the_glass_is_broken_and_reviewed_on_pages(world, case, app, rows):
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case)
    client = browser(app, world.caseworker)
    assert "/break-glass" in client.get(f"/cases/{case}").text  # nothing there, but this way in an emergency
    form = {"override_id": str(new_id()), "case": code, "reason": "Alone at night."}
    assert post(client, "/break-glass", **form | {"reason": ""}).status_code == 422
    assert post(client, "/break-glass", **form | {"case": "HC-99999999"}).status_code == 404
    done = post(client, "/break-glass", **form)
    assert (done.status_code, done.location) == (303, f"/cases/{case}")
    assert client.get(f"/overrides/{form['override_id']}").status_code == 403
    boss = browser(app, world.supervisor)
    assert code in boss.get("/overrides?state=open").text
    found = post(boss, f"/overrides/{form['override_id']}/review", outcome="justified", note="Right so.")
    assert found.status_code == 303
    page = boss.get(found.location).text
    assert "Right so." in page
    assert "Save the review" not in page
    assert code not in boss.get("/overrides?state=open").text


def test_the_operator_says_to_whom_it_is_closed_when_opening_it(world, app, rows):
    call = make_call(world.operator, place=world.province)
    client, case_id = browser(app, world.operator), new_id()
    form = client.get(f"/calls/{call.id}/cases/new").text
    assert str(world.team_supervisor.id) in form
    assert f'value="{world.operator.id}"' not in form
    given = {"children": str(call.child_id), f"case_id-{call.child_id}": str(case_id)}
    done = post(client, f"/calls/{call.id}/cases/new", **given, closed_to=str(world.team_supervisor.id))
    assert done.status_code == 303
    assert client.get(f"/cases/{case_id}").status_code == 200
    assert browser(app, world.team_supervisor).get(f"/cases/{case_id}").status_code == 404
    assert "closed to them" in browser(app, world.supervisor).get(f"/cases/{case_id}/access").text
