"""Accounts by API: who may, who may not, and what a token is good for."""

import re

import pytest

from helpline.accounts.commands import CreateToken
from helpline.accounts.services import tokens
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_centre, make_team, make_user, sign_in

OTHERS = [role.value for role in Role if role not in {Role.ADMIN, Role.PARTNER}]


@pytest.fixture
def bearer(app):
    """`bearer(person, scope, …)` -> headers of a new API token with these permissions."""

    def make(person, *scopes):
        with app.app_context(), unit_of_work(person.ctx()) as ctx:
            made = tokens.create_api_token(ctx, CreateToken("test", tuple(scope.value for scope in scopes), 30))
        return {"Authorization": f"Bearer {made.token}"}

    return make


@pytest.fixture
def admin(make_person):
    return make_person("admin")


@pytest.fixture
def browse(client):
    """`browse(person)` -> headers of this client's own session, in which a second factor was given just now."""

    def begin(person):
        sign_in(client, person, fresh=True)
        return {"X-CSRFToken": re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)[1]}

    return begin


@pytest.fixture
def as_admin(admin, browse):
    return browse(admin)


def invitation(**more):
    user_id = new_id()
    mark = user_id.hex[-8:]
    return {
        "user_id": str(user_id), "name": "Chan Sokha", "login": f"sokha.{mark}", "email": f"sokha.{mark}@helpline.test",
        "role": "operator", "locale": "km",
    } | more  # fmt: skip


def test_nothing_without_or_with_a_wrong_token(client):
    for headers in ({}, {"Authorization": "Bearer hlp_nothing"}, {"Authorization": "Basic eDp5"}):
        answer = client.get("/api/v1/me", headers=headers)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_does_what_it_was_made_for_and_no_more(client, admin, bearer):
    narrow = bearer(admin, Permission.OWN_ACCOUNT)
    me = client.get("/api/v1/me", headers=narrow).json
    assert (me["id"], me["role"]) == (str(admin.id), "admin")
    assert me["permissions"] == [Permission.OWN_ACCOUNT.value]
    assert client.get("/api/v1/users", headers=narrow).status_code == 403
    assert client.post("/api/v1/users", json=invitation(), headers=narrow).status_code == 403


def test_a_token_makes_no_other(client, admin, bearer):
    whole = bearer(admin, Permission.OWN_ACCOUNT, Permission.USER_EDIT)
    body = {"name": "another", "scopes": ["account:own"], "days": 1}
    answer = client.post("/api/v1/tokens", json=body, headers=whole)
    assert (answer.status_code, answer.json["code"]) == (403, "step_up_needed")


def test_a_token_is_no_wider_than_its_owner(client, make_person, browse):
    body = {"name": "wider", "scopes": ["user:edit"], "days": 1}
    answer = client.post("/api/v1/tokens", json=body, headers=browse(make_person("operator")))
    assert (answer.status_code, answer.json["code"]) == (422, "scope_unfit")


@pytest.mark.parametrize("role", OTHERS)
def test_who_does_not_administer_reads_names_and_changes_nothing(role, client, make_person, bearer):
    person, target = make_person(role), make_person("operator")
    headers = bearer(person, Permission.USER_READ, Permission.OWN_ACCOUNT)
    listed = client.get("/api/v1/users", headers=headers).json["items"]
    assert str(target.id) in {item["id"] for item in listed}
    assert all("email" not in item and "login" not in item for item in listed)
    version = {"version": 1}
    for method, path, body in (
        ("post", "users", invitation()),
        ("get", f"users/{target.id}", None),
        ("put", f"users/{target.id}", {"name": "X", "role": "admin"} | version),
        ("post", f"users/{target.id}/deactivation", version),
        ("post", f"users/{target.id}/reactivation", version),
        ("post", f"users/{target.id}/invitation", None),
        ("post", "teams", {"team_id": str(new_id()), "name": "X"}),
        ("put", f"teams/{new_id()}", {"name": "X"} | version),
        ("put", "centres/current", {"name": "X", "code": "X", "timezone": "UTC", "languages": ["en"]} | version),
    ):
        answer = getattr(client, method)(f"/api/v1/{path}", json=body, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), path


def test_somebody_is_invited_changed_and_let_go(client, admin, as_admin):
    body = invitation()
    made = client.post("/api/v1/users", json=body, headers=as_admin)
    assert made.status_code == 201
    assert (made.json["status"], made.json["login"]) == ("invited", body["login"])
    assert client.post("/api/v1/users", json=body, headers=as_admin).json["id"] == body["user_id"], "twice is once"
    url = f"/api/v1/users/{body['user_id']}"
    assert client.post(f"{url}/invitation", headers=as_admin).status_code == 204
    change = {"name": "Chan S.", "role": "caseworker", "team_ids": [str(make_team(admin.centre))], "version": 1}
    changed = client.put(url, json=change, headers=as_admin)
    assert (changed.status_code, changed.json["version"]) == (200, 2)
    assert client.put(url, json=change, headers=as_admin).status_code == 409
    gone = client.post(f"{url}/deactivation", json={"version": 2}, headers=as_admin)
    assert gone.json["status"] == "deactivated"
    back = client.post(f"{url}/reactivation", json={"version": gone.json["version"]}, headers=as_admin)
    assert back.json["status"] == "invited", "who never chose a password is invited again"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"role": "partner"}, "role"),
        ({"email": "nowhere"}, "email"),
        ({"login": "two words"}, "login"),
        ({"name": ""}, "name"),
        ({"locale": "xx"}, "locale"),
        ({"status": "active"}, "status"),
        ({"role": "caseworker"}, "team_ids"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(client, as_admin, more, field):
    answer = client.post("/api/v1/users", json=invitation(**more), headers=as_admin)
    assert answer.status_code == 422
    assert field in (answer.json["errors"].get("json") or answer.json["errors"])


def test_another_centres_staff_and_teams_are_not_there(client, as_admin, database_urls):
    other = make_centre(database_urls["owner"])
    stranger, team = make_user(other, "operator"), make_team(other)
    listed = client.get("/api/v1/users", headers=as_admin).json["items"]
    assert str(stranger.id) not in {item["id"] for item in listed}
    assert client.get(f"/api/v1/users/{stranger.id}", headers=as_admin).status_code == 404
    body = {"version": 1}
    assert client.post(f"/api/v1/users/{stranger.id}/deactivation", json=body, headers=as_admin).status_code == 404
    assert client.put(f"/api/v1/teams/{team}", json={"name": "X"} | body, headers=as_admin).status_code == 404


def test_the_last_administrator_stays(client, admin, as_admin):
    answer = client.put(
        f"/api/v1/users/{admin.id}", json={"name": "X", "role": "operator", "version": 1}, headers=as_admin
    )
    assert (answer.status_code, answer.json["code"]) == (409, "last_admin")


def test_teams_and_the_centre(client, as_admin):
    body = {"team_id": str(new_id()), "name": "North"}
    assert client.post("/api/v1/teams", json=body, headers=as_admin).status_code == 201
    changed = client.put(f"/api/v1/teams/{body['team_id']}", json={"name": "South", "version": 1}, headers=as_admin)
    assert changed.json["name"] == "South"
    assert "South" in {team["name"] for team in client.get("/api/v1/teams", headers=as_admin).json["items"]}
    centre = client.get("/api/v1/centres/current", headers=as_admin).json
    code = "".join(chr(65 + int(digit, 16)) for digit in centre["id"][-8:])
    change = {"name": "House", "code": code, "timezone": "Asia/Phnom_Penh", "languages": ["en"], "version": 1}
    assert client.put("/api/v1/centres/current", json=change, headers=as_admin).json["name"] == "House"
    assert client.put("/api/v1/centres/current", json=change, headers=as_admin).status_code == 409


def test_own_settings(client, make_person, bearer):
    headers = bearer(make_person("operator"), Permission.OWN_ACCOUNT)
    assert client.patch("/api/v1/me", json={"locale": "km", "theme": "dark"}, headers=headers).json["theme"] == "dark"
    assert client.patch("/api/v1/me", json={"role": "admin"}, headers=headers).status_code == 422


def test_tokens_are_listed_without_their_secret_and_revoked(app, client, make_person, browse):
    person, script = make_person("operator"), app.test_client()
    headers = browse(person)
    body = {"name": "second", "scopes": ["account:own"], "days": 5}
    made = client.post("/api/v1/tokens", json=body, headers=headers).json
    listed = client.get("/api/v1/tokens", headers=headers)
    assert made["token"] not in listed.text
    assert {item["name"] for item in listed.json["items"]} == {"second"}
    second = {"Authorization": f"Bearer {made['token']}"}
    assert script.get("/api/v1/me", headers=second).status_code == 200
    assert client.delete(f"/api/v1/tokens/{made['id']}", headers=headers).status_code == 204
    assert script.get("/api/v1/me", headers=second).status_code == 401
    assert client.delete(f"/api/v1/tokens/{new_id()}", headers=headers).status_code == 404


def test_a_cookies_write_needs_its_csrf_token_and_a_bearers_does_not(client, make_person):
    sign_in(client, make_person("operator"))
    assert client.get("/api/v1/me").status_code == 200
    assert client.patch("/api/v1/me", json={"theme": "dark"}).status_code == 400


def test_an_authenticated_request_takes_two_statements_before_its_own(client, make_person, statements):
    sign_in(client, make_person("operator"))
    client.get("/api/v1/me")
    statements.clear()
    client.get("/api/v1/me")
    assert sum("set_config" in statement for statement in statements) == 1
    assert sum("find_session" in statement for statement in statements) == 1
    assert len(statements) == 3, statements
