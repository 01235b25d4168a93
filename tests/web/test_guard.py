"""The door: who is let in, as whom, and that what happens behind it happens whole or not at all."""

import re

import pytest
from flask import Flask, request
from marshmallow import ValidationError

from helpline.app import create_app
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.web.guard import acting, guard, portal, public, signed_in
from tests.factories.accounts import sign_in

DONE = "tests.done"


def _redraw(problem, **_args):
    record(acting(), "tests.drawn", "thing", new_id())
    return f"{type(problem).__name__} again: {request.form.get('typed', '')}"


@guard(Permission.CASE_ASSIGN, retry=_redraw)
def write():
    record(acting(), DONE, "thing", new_id())
    wrong = {
        "invalid": Invalid("x", "y"), "validation": ValidationError({"y": ["z"]}), "conflict": Conflict("stale"),
        "hidden": NotFound("thing", new_id()), "forbidden": Forbidden("case:close"), "broken": ZeroDivisionError(),
    }.get(request.values.get("wrong", ""))  # fmt: skip
    if wrong:
        raise wrong
    return f"as {acting().actor.role}"


@guard(Permission.CASE_ASSIGN)
def without_retry():
    raise Invalid("x", "y")


@public()
def anybody():
    return f"as {acting().actor.role}, {'known' if signed_in() else 'unknown'}"


@portal()
def by_link(token):
    return "in"


@guard(Permission.OWN_ACCOUNT, locked=True)
def for_the_locked():
    return "unlock here"


@pytest.fixture(scope="module")
def doors(settings):
    app = create_app(settings)
    app.add_url_rule("/t/write", view_func=write, methods=["GET", "POST"])
    app.add_url_rule("/api/v1/t/write", "api_write", view_func=write, methods=["GET", "POST"])
    app.add_url_rule("/t/plain", view_func=without_retry, methods=["GET", "POST"])
    app.add_url_rule("/t/anybody", view_func=anybody, methods=["GET", "POST"])
    app.add_url_rule("/t/by/<token>", view_func=by_link, methods=["GET", "POST"])
    app.add_url_rule("/t/locked", view_func=for_the_locked)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(doors: Flask):
    return doors.test_client()


@pytest.fixture
def entries(rows):
    """`entries(user)`: what the audit says that they did, in order."""

    def read(user):
        return rows("SELECT action, outcome FROM audit_entries WHERE actor_id = %s ORDER BY id", user.id)

    return read


@pytest.fixture
def supervisor(make_person):
    return make_person("supervisor")


def csrf(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/inbox").text)[1]


def test_a_stranger_is_sent_to_sign_in_and_back(client):
    answer = client.get("/t/write?page=2")
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in")
    assert "next=%2Ft%2Fwrite%3Fpage%3D2" in answer.location


def test_a_script_or_a_form_is_told_so_instead(client):
    assert client.get("/t/write", headers={"HX-Request": "true"}).status_code == 401
    assert client.post("/t/write").status_code == 401
    answer = client.get("/api/v1/t/write")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_who_holds_the_permission_comes_in_as_themselves(client, supervisor, entries):
    sign_in(client, supervisor)
    assert client.get("/t/write").text == "as supervisor"
    assert entries(supervisor) == [(DONE, "done")]


@pytest.mark.parametrize("role", ["operator", "caseworker", "admin", "auditor"])
def test_who_does_not_is_refused_once_and_nothing_runs(client, make_person, entries, role):
    person = make_person(role)
    sign_in(client, person)
    assert client.get("/t/write").status_code == 403
    assert entries(person) == [("case:assign", "refused")]


def test_an_unsafe_request_of_a_browser_needs_its_token(client, supervisor, entries):
    sign_in(client, supervisor)
    for form in ({}, {"csrf_token": "made up"}):
        assert client.post("/t/write", data=form).status_code == 400
    assert entries(supervisor) == []
    token = csrf(client)
    assert client.post("/t/write", data={"csrf_token": token}).status_code == 200
    assert client.post("/t/write", headers={"X-CSRFToken": token}).status_code == 200


def test_anothers_token_does_not_do(client, doors, supervisor, make_person):
    other = doors.test_client()
    sign_in(other, make_person("supervisor"))
    token = csrf(other)
    sign_in(client, supervisor)
    assert client.post("/t/write", data={"csrf_token": token}).status_code == 400


def test_a_visitor_needs_it_too(client):
    assert client.get("/t/anybody").text == "as visitor, unknown"
    assert client.post("/t/anybody").status_code == 400


def test_an_open_page_knows_who_is_signed_in(client, supervisor):
    sign_in(client, supervisor)
    assert client.get("/t/anybody").text == "as supervisor, known"


@pytest.mark.parametrize(
    ("wrong", "status", "kind"), [("invalid", 422, "Invalid"), ("validation", 422, "ValidationError"), ("conflict", 409, "Conflict")]
)  # fmt: skip
def test_bad_input_is_rolled_back_and_the_form_drawn_again(client, supervisor, entries, wrong, status, kind):  # noqa: PLR0917
    sign_in(client, supervisor)
    answer = client.post("/t/write", data={"csrf_token": csrf(client), "wrong": wrong, "typed": "my words"})
    assert (answer.status_code, answer.text) == (status, f"{kind} again: my words")
    assert entries(supervisor) == [("tests.drawn", "done")]


def test_without_a_form_to_draw_it_is_an_error(client, supervisor):
    sign_in(client, supervisor)
    assert client.get("/t/plain").status_code == 422


def test_by_api_the_problem_is_told_with_its_code(client, supervisor):
    sign_in(client, supervisor)
    answer = client.get("/api/v1/t/write?wrong=hidden")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("wrong", "status", "left"),
    [
        ("hidden", 404, [("thing:read", "refused")]),
        ("forbidden", 403, [("case:close", "refused")]),
        ("broken", 500, []),
    ],
)
def test_what_goes_wrong_undoes_everything(client, supervisor, entries, wrong, status, left):  # noqa: PLR0917
    sign_in(client, supervisor)
    answer = client.get(f"/t/write?wrong={wrong}")
    assert answer.status_code == status
    assert "ZeroDivision" not in answer.text
    assert entries(supervisor) == left


def test_an_ended_session_and_a_leaver_are_strangers(client, supervisor, rows):
    sign_in(client, supervisor)
    assert client.get("/t/write").status_code == 200
    rows("UPDATE user_sessions SET ended_at = now() WHERE user_id = %s", supervisor.id)
    assert client.get("/t/write").status_code == 302
    sign_in(client, supervisor)
    rows("UPDATE users SET status = 'deactivated' WHERE id = %s", supervisor.id)
    assert client.get("/t/write").status_code == 302


def test_a_locked_session_reaches_the_unlocking_alone(client, supervisor, rows):
    sign_in(client, supervisor)
    rows("UPDATE user_sessions SET locked_at = now() WHERE user_id = %s", supervisor.id)
    assert client.get("/t/write").location.startswith("/unlock")
    assert client.get("/api/v1/t/write").json["code"] == "locked"
    assert client.get("/t/locked").text == "unlock here"
    assert client.get("/t/anybody").text == "as visitor, unknown"


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_a_link_that_was_not_signed_here_opens_nothing(client, token):
    for answer in (client.get(f"/t/by/{token}"), client.post(f"/t/by/{token}")):
        assert answer.status_code == 404
        assert answer.text != "in"


def test_a_made_up_bearer_is_nobody_and_a_cookie_does_not_help_it(client, supervisor):
    sign_in(client, supervisor)
    assert client.get("/api/v1/t/write", headers={"Authorization": "Bearer made-up"}).status_code == 401
