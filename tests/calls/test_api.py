"""Calls by API: the same rules as on pages, and what one request may cost."""

import pytest

from helpline.accounts.commands import CreateToken
from helpline.accounts.services import tokens
from helpline.foundation.access.permissions import Permission
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user, sign_in
from tests.factories.calls import CANARY, PHONE

P = Permission
MOST_STATEMENTS = 12  # of POST /calls: two contexts, who knocks, ground, reasons, six inserts and the draft, audit


@pytest.fixture
def bearer(app):
    def make(person, *scopes):
        with app.app_context(), unit_of_work(person.ctx()) as ctx:
            wanted = scopes or (P.CALL_LOG, P.CALL_READ, P.CALL_CORRECT, P.CALL_VOID)
            made = tokens.create_api_token(ctx, CreateToken("test", tuple(scope.value for scope in wanted), 30))
        return {"Authorization": f"Bearer {made.token}"}

    return make


@pytest.fixture
def operator(world, bearer):
    return bearer(world.operator)


def body(**more):
    return {
        "call_id": str(new_id()), "relation": "neighbour", "caller": {"name": f"Mrs {CANARY}", "phone": PHONE},
        "children": [{"name": CANARY, "age": 9, "age_known": "about", "gender": "female"}, {"gender": "male"}],
        "categories": ["violence.physical_violence", "violence.neglect"], "actions": ["counselling"],
        "danger": {"hurt": "yes", "near_person_feared": "yes"}, "narrative": f"{CANARY} is hurt.",
    } | more  # fmt: skip


def test_a_call_from_its_logging_to_its_history(client, world, operator):
    sent = body(place_id=str(world.province))
    answer = client.post("/api/v1/calls", json=sent, headers=operator)
    assert answer.status_code == 201
    assert (answer.json["risk_level"], answer.json["first"]) == ("immediate", True)
    again = client.post("/api/v1/calls", json=sent, headers=operator)
    assert (again.status_code, again.json["number"], again.json["first"]) == (201, answer.json["number"], False)
    path = f"/api/v1/calls/{sent['call_id']}"
    call = client.get(path, headers=operator).json
    assert (call["narrative"], call["caller"]["phone"]) == (f"{CANARY} is hurt.", PHONE)
    assert [child["name"] for child in call["children"]] == [CANARY, None]
    assert call["risk_reasons"][0]["code"] == "hurt_near_person_feared"
    change = {name: value for name, value in sent.items() if name != "call_id"} | {
        "version": 1, "reason": "Heard it wrong", "narrative": "She fell.", "danger": {},
        "children": [{"person_id": call["children"][0]["id"], "name": CANARY}],
    }  # fmt: skip
    changed = client.put(path, json=change, headers=operator)
    assert (changed.status_code, changed.json["narrative"], changed.json["risk_level"]) == (200, "She fell.", "medium")
    stale = client.put(path, json=change, headers=operator)
    assert (stale.status_code, stale.json["code"], stale.mimetype) == (409, "stale", "application/problem+json")
    [version] = client.get(f"{path}/history", headers=operator).json["items"]
    assert (version["before"]["narrative"], version["reason"]) == (f"{CANARY} is hurt.", "Heard it wrong")
    gone = client.post(f"{path}/void", json={"version": 2, "reason": "Twice"}, headers=operator)
    assert (gone.status_code, gone.json["void_reason"]) == (200, "Twice")
    assert client.get("/api/v1/calls", headers=operator).json["items"] == []


def test_what_posting_a_call_costs(client, world, bearer, statements):
    headers = bearer(world.operator)
    client.post("/api/v1/calls", json=body(), headers=headers)  # the token's last use is noted once a minute
    statements.clear()
    answer = client.post("/api/v1/calls", json=body(place_id=str(world.province)), headers=headers)
    assert answer.status_code == 201
    assert len(statements) <= MOST_STATEMENTS, statements


def test_a_list_costs_the_same_however_long_it_is(client, operator, statements):
    counts = []
    for _ in range(3):
        for _ in range(4):
            client.post("/api/v1/calls", json=body(), headers=operator)
        statements.clear()
        page = client.get("/api/v1/calls", headers=operator)
        counts.append(len(statements))
    assert len(page.json["items"]) == 12
    assert len(set(counts)) == 1
    assert CANARY not in page.text
    assert PHONE not in page.text


@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"started_at": "2126-01-01T00:00:00Z"}, 422, "started_at"),
        ({"started_at": "2026-01-02T00:00:00Z", "ended_at": "2026-01-01T00:00:00Z"}, 422, "ended_at"),
        ({"started_at": "2026-01-01T00:00:00"}, 422, "json"),
        ({"place_id": "00000000-0000-7000-8000-000000000000"}, 422, "place_id"),
        ({"categories": ["no_such.reason"]}, 422, "categories"),
        ({"risk_level": "low"}, 422, "risk_reason"),
        ({"children": [{"age": 200}]}, 422, "json"),
        ({"surprise": 1}, 422, "json"),
        ({"kind": "chat"}, 422, "json"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(client, operator, wrong, status, field):
    answer = client.post("/api/v1/calls", json=body(**wrong), headers=operator)
    assert answer.status_code == status
    assert field in answer.json["errors"]
    assert CANARY not in answer.text


def test_ones_own_judgement_stands_beside_the_answers_with_its_reason(client, operator):
    sent = body(risk_level="high", risk_reason="The police are there")
    assert client.post("/api/v1/calls", json=sent, headers=operator).json["risk_level"] == "high"
    call = client.get(f"/api/v1/calls/{sent['call_id']}", headers=operator).json
    assert call["risk_reasons"][0] == {"code": "judged", "value": "immediate"}
    assert call["risk_reason"] == "The police are there"


def test_late_entry_keeps_its_times(client, operator):
    sent = body(started_at="2026-01-01T10:00:00+07:00", ended_at="2026-01-01T10:20:00+07:00")
    assert client.post("/api/v1/calls", json=sent, headers=operator).status_code == 201
    call = client.get(f"/api/v1/calls/{sent['call_id']}", headers=operator).json
    assert (call["started_at"][:19], call["ended_at"][:19]) == ("2026-01-01T03:00:00", "2026-01-01T03:20:00")


def test_another_body_under_an_id_is_a_neutral_conflict(client, world, operator, bearer):
    sent = body()
    client.post("/api/v1/calls", json=sent, headers=operator)
    stranger = bearer(make_user(world.centre, "operator"))
    seen = {
        client.post("/api/v1/calls", json=sent | more, headers=who).data
        for who, more in ((operator, {"narrative": "other"}), (stranger, {}), (stranger, {"narrative": "other"}))
    }
    assert len(seen) == 1
    assert b'"id_in_use"' in seen.pop()


def test_a_contact_by_one_key(client, operator):
    quick = {"call_id": str(new_id()), "kind": "silent"}
    assert client.post("/api/v1/calls/quick", json=quick, headers=operator).status_code == 201
    [item] = client.get("/api/v1/calls?kind=silent", headers=operator).json["items"]
    assert item["id"] == quick["call_id"]
    counselling = {"call_id": str(new_id()), "kind": "counselling"}
    assert client.post("/api/v1/calls/quick", json=counselling, headers=operator).status_code == 422


def test_drafts_by_cookie_as_the_page_sends_them(client, world):
    sign_in(client, world.operator)
    token = client.get("/inbox").text.split('name="csrf-token" content="')[1].split('"')[0]
    path = f"/api/v1/calls/drafts/{new_id()}"
    send = {"fields": [["narrative", CANARY], ["reasons", "violence", "Violence", "x"]], "base": None}
    assert client.put(path, json=send).status_code == 400
    saved = client.put(path, json=send, headers={"X-CSRFToken": token})
    assert saved.status_code == 200
    assert client.get(path).json["fields"] == send["fields"]
    assert client.get(path).json["saved_at"] == saved.json["saved_at"]
    other = send | {"fields": [["narrative", "else"]], "base": "2020"}
    assert client.put(path, json=other, headers={"X-CSRFToken": token}).status_code == 409
    assert (
        client.put(path, json=other | {"base": saved.json["saved_at"]}, headers={"X-CSRFToken": token}).status_code
        == 200
    )
    assert client.delete(path, headers={"X-CSRFToken": token}).status_code == 204
    assert client.get(path).status_code == 404


def test_earlier_calls_are_asked_for_in_the_body_and_recorded(client, world, operator, rows):
    sent = body()
    client.post("/api/v1/calls", json=sent, headers=operator)
    answer = client.post("/api/v1/calls/earlier", json={"phone": "+85512345678"}, headers=operator)
    assert (answer.json["count"], answer.json["items"][0]["id"]) == (1, sent["call_id"])
    shown = rows(
        "SELECT count(*) FROM audit_entries WHERE actor_id = %s AND action = 'call.shown' AND subject_ids = ARRAY[%s::uuid]",
        world.operator.id, sent["call_id"],
    )  # fmt: skip
    assert shown == [(1,)]


def test_admins_and_auditors_read_no_call(client, world, bearer, operator):
    sent = body()
    client.post("/api/v1/calls", json=sent, headers=operator)
    for role in ("admin", "auditor"):
        sign_in(client, getattr(world, role))
        for path in ("/api/v1/calls", f"/api/v1/calls/{sent['call_id']}", f"/api/v1/calls/{sent['call_id']}/history"):
            assert client.get(path).status_code == 403
    sign_in(client, world.caseworker)
    assert client.get(f"/api/v1/calls/{sent['call_id']}").status_code == 404
