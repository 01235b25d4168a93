"""What people and programs are told when something went wrong: calm, coded, and never what they typed."""

import io
import re
from contextlib import redirect_stderr
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.app import create_app
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from tests.factories.accounts import sign_in

NOWHERE = "postgresql://helpline_web@127.0.0.1:1/gone"


@pytest.fixture
def without_database(settings):
    """A browser of a service whose database has been stopped."""
    app = create_app(replace(settings, database_url=NOWHERE))
    with redirect_stderr(io.StringIO()):
        yield app.test_client()


def test_without_its_database_a_page_says_that_it_will_be_back(without_database):
    with without_database.session_transaction() as session:
        session["_user_id"] = "the canary sings"
    answer = without_database.get("/cases")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Part of the system is resting" in answer.text
    assert not [word for word in ("Traceback", "psycopg", "127.0.0.1", "canary") if word in answer.text]


def test_without_its_database_the_api_says_unavailable(without_database):
    answer = without_database.get("/api/v1/cases", headers={"Authorization": "Bearer nothing"})
    assert (answer.status_code, answer.mimetype, answer.json["code"]) == (
        503,
        "application/problem+json",
        "unavailable",
    )


def test_an_error_of_the_database_quotes_nothing_that_was_typed(in_app):
    with db.engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("SELECT 1 / (length(:words) - 10)"), {"words": "the canary"})
    assert "canary" not in str(raised.value)


def token_of(client):
    return {"X-CSRFToken": re.search(r'"csrf-token" content="([^"]+)"', client.get("/nothing-here").text)[1]}


UNFIT = {
    "nul": {"login": "so\0kha", "password": "x"},
    "nul in a password": {"login": "sokha", "password": "x\0"},
}


@pytest.mark.parametrize("typed", UNFIT.values(), ids=UNFIT)
def test_what_no_column_can_hold_is_no_fault_of_ours(client, typed):
    assert client.post("/sign-in", data=typed, headers=token_of(client)).status_code == 422


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"reason": "\\ud800", "version": 1}', b'{"version": 1e400}'])
def test_bodies_that_break_parsers_are_refused(client, make_person, body):
    sign_in(client, make_person("supervisor"))
    headers = token_of(client)
    for route in ("/api/v1/cases", f"/api/v1/calls/{new_id()}/void"):
        answer = client.post(route, data=body, content_type="application/json", headers=headers)
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "typed", [{"a": "1", "a.b": "2"}, {".".join("a" * 500): "1"}, {}], ids=["clash", "deep", "none"]
)
def test_forms_that_no_page_draws_are_no_fault_of_ours(client, make_person, typed):
    sign_in(client, make_person("supervisor"))
    headers = token_of(client)
    for route in ("/account", "/calls", f"/calls/{new_id()}/correction", "/agencies/add"):
        assert client.post(route, data=typed, headers=headers).status_code < 500
