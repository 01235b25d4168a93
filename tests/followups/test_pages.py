"""The pages of follow-ups, by a browser without script, and the same by API."""

import re
from datetime import timedelta
from html import unescape

import pytest

from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from tests.factories.accounts import sign_in

D = timedelta(days=1)


@pytest.fixture
def case_id(app, planned):
    with app.app_context():
        return planned(risk="high")


@pytest.fixture
def row_of(rows, case_id):
    """`row_of("contact")`: id and version of the one that stands open."""

    def find(kind):
        [(followup_id, version)] = rows(
            "SELECT id, version FROM followups WHERE case_id = %s AND kind = %s AND state = 'planned'", case_id, kind
        )
        return followup_id, version

    return find


def token_in(answer):
    return re.search(r'name="csrf_token" value="([^"]+)"', answer.text)[1]


def post(client, url, **form):
    return client.post(url, data=form | {"csrf_token": token_in(client.get(url))})


def local(when):
    return when.strftime("%Y-%m-%dT%H:%M")


def test_the_list_shows_mine_and_its_filters_narrow_it(client, world, case_id, rows):
    sign_in(client, world.caseworker)
    page = client.get("/followups")
    assert page.status_code == 200
    assert "<h1>Follow-ups</h1>" in page.text
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    assert page.text.count(code) == 3
    assert "First contact" in page.text
    assert client.get("/followups?kind=review").text.count(code) == 1
    assert code not in client.get("/followups?state=overdue").text
    assert "Nothing stands here." in client.get("/followups?risk_level=low").text
    assert client.get("/followups?state=nonsense").status_code == 422


def test_overdue_ones_stand_behind_the_figure(client, world, case_id, rows):
    rows("UPDATE followups SET due_at = now() - interval '3 hours' WHERE case_id = %s AND kind = 'contact'", case_id)
    sign_in(client, world.supervisor)
    page = client.get("/followups?state=overdue").text
    assert "Regular contact" in page
    assert "3 h late" in page
    assert page.count('data-label="Case"') == 1


def test_the_outcome_is_written_down_and_the_case_comes_back(client, world, case_id, row_of, rows):
    sign_in(client, world.caseworker)
    followup_id, version = row_of("first_response")
    answer = post(client, f"/followups/{followup_id}", version=version, outcome="reached", note="Safe at the aunt's")
    assert (answer.status_code, answer.location) == (303, f"/cases/{case_id}")
    assert rows("SELECT state, outcome FROM followups WHERE id = %s", followup_id) == [("done", "reached")]
    over = client.get(f"/followups/{followup_id}").text
    assert "This is over already." in over
    assert "Safe at the aunt's" in unescape(over)


def test_what_was_typed_stays_when_something_is_missing(client, world, row_of, rows):
    sign_in(client, world.caseworker)
    followup_id, version = row_of("first_response")
    answer = post(
        client, f"/followups/{followup_id}", version=version, note="<b>Safe</b>", next_due_at="2020-01-01T10:00"
    )
    assert answer.status_code == 422
    assert "&lt;b&gt;Safe&lt;/b&gt;" in answer.text
    answer = post(client, f"/followups/{followup_id}", version=version, note="Safe", outcome="reached", next_due_at="2020-01-01T10:00")  # fmt: skip
    assert answer.status_code == 422
    assert "Choose a time that lies ahead." in answer.text
    assert rows("SELECT state FROM followups WHERE id = %s", followup_id) == [("planned",)]


def test_a_stale_answer_is_said_and_kept(client, world, row_of):
    sign_in(client, world.caseworker)
    followup_id, version = row_of("contact")
    answer = post(client, f"/followups/{followup_id}", version=version + 5, outcome="reached", note="Spoke")
    assert answer.status_code == 409
    assert "Someone changed this" in answer.text
    assert "Spoke" in answer.text


def test_one_is_planned_moved_and_called_off_by_hand(client, world, case_id, row_of, rows):
    sign_in(client, world.caseworker)
    when = now() + 2 * D
    answer = post(client, f"/cases/{case_id}/followups/new", followup_id=str(new_id()), kind="visit", due_at=local(when), task="See the room")  # fmt: skip
    assert answer.status_code == 303
    followup_id, version = row_of("visit")
    [(due,)] = rows("SELECT due_at FROM followups WHERE id = %s", followup_id)
    assert due == when.replace(second=0, microsecond=0) - timedelta(hours=7)  # typed as Phnom Penh's time
    assert "See the room" in client.get(f"/followups/{followup_id}").text
    answer = post(client, f"/followups/{followup_id}/due", version=version, due_at=local(when + D), reason="Rain")
    assert answer.status_code == 303
    followup_id, version = row_of("visit")
    assert post(client, f"/followups/{followup_id}/cancellation", version=version).status_code == 422
    assert post(client, f"/followups/{followup_id}/cancellation", version=version, reason="Moved").status_code == 303
    assert rows("SELECT state FROM followups WHERE id = %s", followup_id) == [("cancelled",)]


def test_who_may_not_is_turned_away(client, world, case_id, row_of):
    followup_id, _ = row_of("contact")
    sign_in(client, world.operator)
    assert client.get("/followups").status_code == 200
    assert client.get(f"/followups/{followup_id}").status_code == 403
    assert client.get(f"/cases/{case_id}/followups/new").status_code == 403
    sign_in(client, world.other_caseworker)
    assert client.get(f"/followups/{followup_id}").status_code == 404
    for user in (world.admin, world.auditor):
        sign_in(client, user)
        assert client.get("/followups").status_code == 403


def test_the_list_takes_a_fixed_number_of_statements(client, world, app, planned, statements):
    def look():
        statements.clear()
        assert client.get("/followups").status_code == 200
        return len(statements)

    with app.app_context():
        planned()
    sign_in(client, world.supervisor)
    look()
    few = look()
    with app.app_context():
        for _ in range(3):
            planned()
    assert look() == few


# --- by API


@pytest.fixture
def api(client, world):
    sign_in(client, world.caseworker)
    csrf = token_in(client.get("/followups"))

    def call(method, path, json=None):
        return client.open(f"/api/v1{path}", method=method, json=json, headers={"X-CSRFToken": csrf})

    return call


def test_everything_goes_by_api_too(api, case_id, row_of):
    listed = api("GET", "/followups").json
    assert {item["kind"] for item in listed["items"]} == {"first_response", "contact", "review"}
    assert "task" not in listed["items"][0]
    made = api("POST", f"/cases/{case_id}/followups", {
        "followup_id": str(new_id()), "kind": "call", "due_at": (now() + D).isoformat(), "task": "Ring the school",
    })  # fmt: skip
    assert (made.status_code, made.json["task"]) == (201, "Ring the school")
    path = f"/followups/{made.json['id']}"
    moved = api("PUT", f"{path}/due", {"version": 1, "due_at": (now() + 2 * D).isoformat(), "reason": "Holiday"})
    assert (moved.status_code, moved.json["version"], moved.json["reason"]) == (200, 2, "Holiday")
    off = api("POST", f"{path}/cancellation", {"version": 2, "reason": "They rang"})
    assert (off.status_code, off.json["state"]) == (200, "cancelled")
    followup_id, version = row_of("contact")
    done = api("POST", f"/followups/{followup_id}/outcome", {"version": version, "outcome": "reached", "note": "Well"})
    assert (done.status_code, done.json["outcome"], done.json["note"]) == (200, "reached", "Well")
    assert api("GET", f"/followups/{followup_id}").json["state"] == "done"
    assert [item["id"] for item in api("GET", "/followups?state=done&kind=contact").json["items"]] == [str(followup_id)]


def test_the_api_refuses_as_a_problem(api, row_of):
    followup_id, version = row_of("contact")
    path = f"/followups/{followup_id}/outcome"
    unfit = api("POST", path, {"version": version, "outcome": "done", "note": "x"})
    assert (unfit.status_code, unfit.mimetype, unfit.json["code"]) == (422, "application/problem+json", "outcome_unfit")
    assert api("POST", path, {"version": 99, "outcome": "reached", "note": "x"}).json["code"] == "stale"
    assert api("POST", path, {"version": version, "outcome": "reached", "more": 1}).status_code == 422
    assert api("PUT", f"/followups/{followup_id}/due", {"version": version, "due_at": "0001-01-01T00:00", "reason": "x"}).status_code == 422  # fmt: skip
    assert api("GET", f"/followups/{new_id()}").status_code == 404
