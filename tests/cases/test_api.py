"""Cases by API: the whole life of one, refusals with their codes, masks and what stands in the description."""

import pytest

from helpline.accounts.commands import CreateToken
from helpline.accounts.services import tokens
from helpline.foundation.access.matrix import PERMISSIONS
from helpline.foundation.access.permissions import Permission
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user
from tests.factories.cases import make_call

P = Permission
EVERYTHING = (P.CASE_OPEN, P.CASE_READ, P.CASE_ASSIGN, P.CASE_UPDATE, P.CASE_CLOSE)


@pytest.fixture
def api(app, client):
    """`api(user)(method, path, **json)` -> (status, body), with a token of theirs."""

    def of(person):
        held = [scope.value for scope in EVERYTHING if scope in PERMISSIONS[person.role]]
        with app.app_context(), unit_of_work(person.ctx()) as ctx:
            token = tokens.create_api_token(ctx, CreateToken("test", tuple(held), 30)).token

        def send(method, path, **body):
            kwargs = {"json": body} if method != "get" else {"query_string": body}
            answer = client.open(
                f"/api/v1{path}", method=method.upper(), headers={"Authorization": f"Bearer {token}"}, **kwargs
            )
            return answer.status_code, answer.json

        return send

    return of


def body_for(call, **more):
    return {"case_id": str(new_id()), "call_id": str(call.id), "child_person_id": str(call.child_id)} | more


def test_the_life_of_a_case(api, world):
    operator, supervisor, caseworker = api(world.operator), api(world.supervisor), api(world.caseworker)
    call = make_call(world.operator, place=world.province)
    sent = body_for(call, needs=["health"], consent={"services": "yes", "by": "caregiver"}, summary="Hurt")
    status, case = operator("post", "/cases", **sent)
    assert (status, case["status"], case["step"], case["summary"]) == (201, "open", "register", "Hurt")
    assert operator("post", "/cases", **sent)[1]["code"] == case["code"]
    path = f"/cases/{case['id']}"
    assert caseworker("get", path)[0] == 404
    assert supervisor("get", f"{path}/caseworkers")[1]["items"] == [
        {
            "id": str(world.caseworker.id),
            "name": f"caseworker {world.caseworker.id.hex[-4:]}",
            "open_cases": 0,
            "over": False,
        }
    ]
    given = supervisor("put", f"{path}/assignment", version=1, caseworker_id=str(world.caseworker.id))
    assert (given[0], given[1]["caseworker_id"], given[1]["version"]) == (200, str(world.caseworker.id), 2)
    note = {"note_id": str(new_id()), "kind": "visit", "body": "The aunt was there."}
    assert caseworker("post", f"{path}/notes", **note)[0] == 201
    assert caseworker("put", f"{path}/needs", version=2, needs=["health", "school"])[1]["needs"] == ["health", "school"]
    agreed = {"services": "yes", "withhold": ["story"], "why": "The mother asks"}
    assert caseworker("put", f"{path}/consent", version=3, consent=agreed)[1]["consent_why"] == "The mother asks"
    assert caseworker("put", f"{path}/risk", version=4, risk_level="low", reason="Safe")[1]["risk_level"] == "low"
    assert caseworker("put", f"{path}/step", version=5, step="assess")[1]["step"] == "assess"
    assert caseworker("get", f"{path}/obligations")[1] == {"items": []}
    asked = caseworker("post", f"{path}/closing", version=6, reason="goals_met", note="All is well")[1]
    assert (asked["status"], asked["closing_reason"]) == ("open", "goals_met")
    assert supervisor("get", "/cases", closing_asked="true")[1]["items"][0]["id"] == case["id"]
    assert supervisor("post", f"{path}/closing/decision", version=7, approve=False, reason="One visit more")[0] == 200
    assert supervisor("post", f"{path}/closing", version=8, reason="goals_met", note="Well")[1]["status"] == "closed"
    assert supervisor("post", f"{path}/reopening", version=9, reason="He called")[1]["status"] == "open"
    told = caseworker("get", f"{path}/timeline")[1]
    assert [line["action"].removeprefix("case.") for line in told["items"]] == [
        "reopened", "closed", "closing_declined", "closing_requested", "step_changed", "risk_changed", "consent_set",
        "needs_set", "noted", "assigned", "opened",
    ]  # fmt: skip
    assert told["items"][-3]["body"] == "The aunt was there."
    assert told["next"] is None


REFUSALS = [
    ("put", "assignment", {"version": 9, "caseworker_id": str(new_id())}, 409, "stale"),
    ("put", "assignment", {"version": 1, "caseworker_id": str(new_id())}, 422, "caseworker_not_of_team"),
    ("put", "step", {"version": 1, "step": "close"}, 409, "case_step"),
    ("put", "risk", {"version": 1, "risk_level": "high", "reason": "x"}, 422, "risk_same"),
    ("put", "needs", {"version": 1, "needs": ["no_such"]}, 422, "invalid"),
    ("put", "needs", {"version": 1, "needs": [], "surplus": 1}, 422, "invalid"),
    ("put", "consent", {"version": 1, "consent": {"by": "override"}}, 422, "consent_basis_needed"),
    ("post", "closing/decision", {"version": 1, "approve": True}, 409, "closing_not_asked"),
    ("post", "reopening", {"version": 1, "reason": "x"}, 409, "case_open"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal[-1])
def test_refusals_are_problems_with_codes(api, world, refusal):
    method, path, body, status, code = refusal
    operator, supervisor = api(world.operator), api(world.supervisor)
    _, case = operator("post", "/cases", **body_for(make_call(world.operator, place=world.province)))
    answer = supervisor(method, f"/cases/{case['id']}/{path}", **body)
    assert (answer[0], answer[1]["code"]) == (status, code)


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_who_has_no_part_is_refused(client, app, world, role):
    person = getattr(world, role)
    with app.app_context(), unit_of_work(person.ctx()) as ctx:
        token = tokens.create_api_token(ctx, CreateToken("test", (P.OWN_ACCOUNT.value,), 30)).token
    assert client.get("/api/v1/cases", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_a_second_case_for_the_same_child_of_a_call_is_refused(api, world):
    operator = api(world.operator)
    call = make_call(world.operator, place=world.province)
    assert operator("post", "/cases", **body_for(call))[0] == 201
    status, problem = operator("post", "/cases", **body_for(call))
    assert (status, problem["code"]) == (409, "case_exists")


def test_a_page_of_the_list_leads_to_the_next(api, world, monkeypatch):
    monkeypatch.setattr("helpline.cases.queries.PAGE", 2)
    monkeypatch.setattr("helpline.cases.queries.list_cases.__defaults__", (None, 2))
    operator = api(world.operator)
    made = [
        operator("post", "/cases", **body_for(make_call(world.operator, place=world.province)))[1]["id"]
        for _ in range(3)
    ]
    _, first = operator("get", "/cases")
    _, second = operator("get", "/cases", after=first["next"])
    assert [case["id"] for case in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
    assert operator("get", "/cases", after="no key")[0] == 422


def test_opening_costs_few_statements(api, world, statements):
    operator = api(world.operator)
    operator("post", "/cases", **body_for(make_call(world.operator, place=world.province)))
    body = body_for(make_call(world.operator, place=world.province))
    statements.clear()
    assert operator("post", "/cases", **body)[0] == 201
    assert len(statements) <= 17, statements


def test_another_centre_knows_nothing(api, world, database_urls):
    operator = api(world.operator)
    _, case = operator("post", "/cases", **body_for(make_call(world.operator, place=world.province)))
    stranger = api(make_user(world.centre, "caseworker"))
    assert stranger("get", f"/cases/{case['id']}")[0] == 404
    assert stranger("get", f"/cases/{case['id']}/timeline")[0] == 404
    assert stranger("get", "/cases")[1]["items"] == []
