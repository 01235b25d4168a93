"""What needs two people, by page and by API."""

import re

from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from tests.accounts.test_approvals import (
    DAY,
    FACTOR,
    ask,
    decide,
    role_of,
    states,
    tick,
)
from tests.factories.accounts import sign_in


def test_afterwards_they_sign_in_and_set_up_another(house, app):
    begin = now()
    with app.app_context():
        decide(house.admin, ask(house.supervisor, house.caseworker, FACTOR, at=begin), at=begin)
    client = app.test_client()
    sign_in(client, house.caseworker, fresh=True)
    assert client.get("/account/security").status_code == 200
    with app.app_context():
        tick(begin + DAY)
    assert client.get("/account/security").status_code == 302, "every session has ended"
    sign_in(client, house.caseworker)
    page = client.get("/account/security").text
    assert "A password alone so far." in page


def browser(app, user):
    client = app.test_client()
    sign_in(client, user, fresh=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/inbox").text)[1]
    return client, {"csrf_token": token}, {"X-CSRFToken": token}


def test_by_page_from_staff_to_approval(app, house, rows):
    client, csrf, _ = browser(app, house.admin)
    assert "a second person must approve this" in client.get(f"/staff/{house.operator.id}").text
    form = csrf | {"version": "1", "name": "New name", "role": "admin", "team_ids": str(house.team)}
    answer = client.post(f"/staff/{house.operator.id}", data=form)
    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/approvals/new")
    assert rows("SELECT name, role FROM users WHERE id = %s", house.operator.id) == [("New name", "operator")]
    page = client.get(answer.location).text
    approval_id = re.search(r'name="approval_id" value="([^"]+)"', page)[1]
    asked = csrf | {
        "approval_id": approval_id,
        "kind": "admin_role",
        "subject_id": str(house.operator.id),
        "reason": "Leads",
    }
    answer = client.post("/approvals/new", data=asked)
    assert answer.location == f"/approvals/{approval_id}"
    page = client.get(answer.location).text
    assert 'value="approved"' not in page
    assert client.post(f"{answer.location}/decide", data=csrf | {"decision": "approved"}).status_code == 403
    other, their_csrf, _ = browser(app, house.supervisor)
    page = other.get(answer.location).text
    assert 'value="approved"' in page
    assert "Leads" in page
    assert "1 waits for you" in browser(app, house.other_admin)[0].get("/staff").text
    reader = browser(app, house.auditor)[0]
    assert "New name" in reader.get("/approvals").text
    assert "Leads" not in reader.get(answer.location).text
    assert other.post(f"{answer.location}/decide", data=their_csrf | {"decision": "approved"}).status_code == 303
    assert role_of(rows, house.operator.id) == "admin"
    late = browser(app, house.other_admin)
    assert late[0].post(f"{answer.location}/decide", data=late[1] | {"decision": "declined"}).status_code == 409


def test_by_page_an_invited_administrator_is_prepared(app, house, rows):
    client, csrf, _ = browser(app, house.admin)
    user_id = new_id()
    form = csrf | {
        "user_id": str(user_id),
        "name": "Chan",
        "login": f"c{user_id.hex[-8:]}",
        "email": f"{user_id.hex}@x.test",
        "role": "admin",
        "locale": "en",
    }
    answer = client.post("/staff/new", data=form)
    assert answer.location.partition("?")[0] == "/approvals/new"
    assert "is prepared and closed" in client.get(answer.location).text
    assert rows("SELECT role, status FROM users WHERE id = %s", user_id) == [("operator", "deactivated")]


def test_by_page_whom_it_is_about_stops_it_with_one_press(app, house, rows):
    with app.app_context():
        approval_id = ask(house.supervisor, house.caseworker, FACTOR)
        decide(house.admin, approval_id)
    client, csrf, _ = browser(app, house.caseworker)
    assert "unless you stop it" in client.get("/account/security").text
    assert client.post(f"/account/approvals/{approval_id}/stop", data=csrf).status_code == 303
    assert states(rows, approval_id)[-1] == "stopped"
    assert "unless you stop it" not in client.get("/account/security").text


def test_by_page_a_form_that_is_not_whole_comes_back(app, house):
    client, csrf, _ = browser(app, house.admin)
    form = csrf | {
        "approval_id": str(new_id()),
        "kind": "factor_reset",
        "subject_id": str(house.caseworker.id),
        "reason": "",
    }
    assert client.post("/approvals/new", data=form).status_code == 422


def test_by_api(app, house, rows):
    client, _, headers = browser(app, house.admin)
    body = {"name": "X", "role": "admin", "team_ids": [], "version": 1}
    answer = client.put(f"/api/v1/users/{house.operator.id}", json=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (422, "role_needs_two")
    asked = {
        "approval_id": str(new_id()),
        "kind": "factor_reset",
        "subject_id": str(house.caseworker.id),
        "reason": "Knows her voice",
    }
    made = client.post("/api/v1/approvals", json=asked, headers=headers)
    assert (made.status_code, made.json["state"], made.json["reason"]) == (201, "asked", "Knows her voice")
    path = f"/api/v1/approvals/{asked['approval_id']}"
    assert client.post(f"{path}/decision", json={"decision": "approved"}, headers=headers).status_code == 403
    other, _, theirs = browser(app, house.supervisor)
    assert other.post(f"{path}/decision", json={"decision": "approved"}, headers=theirs).json["state"] == "approved"
    assert client.post(f"{path}/stop", headers=headers).json["state"] == "stopped"
    assert [item["id"] for item in other.get("/api/v1/approvals").json["items"]] == [asked["approval_id"]]
    assert other.get(path).json["stopped_by_name"]
