"""Who has an account, who is known: nobody learns it by what is said, nor by the work behind the answer."""

import re
from collections import Counter
from dataclasses import replace

import psycopg
import pytest
from argon2 import PasswordHasher

from helpline.accounts.services import sessions
from helpline.app import create_app
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from tests.architecture.test_doors import ADMITTED, ANYBODY, LINK, token_in
from tests.factories.accounts import PASSWORD, set_password
from tests.journeys.people import make_token

pytestmark = pytest.mark.usefixtures("_fresh_counters")
KINDS = ("active", "unknown", "invited", "deactivated", "demo")


@pytest.fixture
def somebody(make_person, rows):
    """A login of each kind."""

    def make(kind):
        person = make_person("operator", status=kind if kind in {"invited", "deactivated"} else "active")
        if kind != "invited":
            set_password(person)
        if kind == "demo":
            rows("UPDATE users SET demo = true WHERE id = %s", person.id)
        return f"x{new_id().hex[-8:]}.{person.login}" if kind == "unknown" else person.login

    return make


@pytest.fixture
def verifications(monkeypatch):
    seen, real = [], PasswordHasher.verify

    def verify(self, stored, given):
        seen.append(stored[:30])
        return real(self, stored, given)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    return seen


def plain(answer, login):
    headers = {name: value for name, value in answer.headers if name not in {"Content-Length", "Set-Cookie"}}
    return (
        answer.status_code,
        headers,
        re.sub(r'(csrf[^>]*"|X-CSRFToken": ")[^"]+', "", answer.text).replace(login, "LOGIN"),
    )


def test_a_failed_sign_in_takes_the_same_work_whoever_it_is(client, somebody, statements, verifications):
    found = {}
    for kind in KINDS:
        login = somebody(kind)
        token = token_in(client.get("/sign-in").text)
        statements.clear()
        verifications.clear()
        answer = client.post("/sign-in", data={"csrf_token": token, "login": login, "password": f"not {PASSWORD}"})
        found[kind] = plain(answer, login), Counter(statements), len(verifications), {*verifications}
    assert len(found["active"][1]) > 0
    assert [kind for kind in KINDS if found[kind] != found["unknown"]] == []


def test_asking_for_a_new_password_takes_the_same_work_whoever_it_is(client, somebody, statements, rows):
    found = {}
    for kind in KINDS:
        login = somebody(kind)
        token = token_in(client.get("/forgotten").text)
        statements.clear()
        answer = client.post("/forgotten", data={"csrf_token": token, "login": login})
        found[kind] = plain(answer, login), Counter(statements)
    assert [kind for kind in KINDS if found[kind] != found["unknown"]] == []
    inserted = [statement for statement in found["unknown"][1] if statement.startswith("INSERT")]
    assert len(inserted) == 2, "an entry and an event, which leads to nothing"
    [(asked,)] = rows(
        "SELECT count(*) FROM outbox_events WHERE name = 'accounts.password_reset_unmet' AND payload <> '{}'"
    )
    assert asked == 0


@pytest.mark.parametrize("how", ["made up", "revoked", "expired", "leaver"])
def test_every_token_that_is_none_is_refused_alike(client, make_person, rows, statements, how):
    person = make_person("operator")
    token = make_token(person)
    change = {
        "revoked": "UPDATE api_tokens SET revoked_at = now() WHERE user_id = %s",
        "expired": "UPDATE api_tokens SET expires_at = now() - interval '1 day' WHERE user_id = %s",
        "leaver": "UPDATE users SET status = 'deactivated' WHERE id = %s",
    }.get(how)
    if change:
        rows(change, person.id)

    def ask(bearer):
        statements.clear()
        answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {bearer}"})
        return answer.status_code, answer.json, Counter(statements)

    assert ask(token if change else "hlp_made-up") == ask("hlp_nobody")


# Where a visitor may send something. None takes a name for somebody new: whoever comes in was invited.
DOORS = {
    "accounts.start": "a login, and what is said is compared above", "accounts.send_link": "a login, compared above",
    "accounts.join": "an invitation's token", "accounts.take_password": "the token of a mail",
    "accounts.set_theme": "how pages look", "keys.open_again": "the parts of a key",
    "keys.lock_by_link": "a prepared link", "referrals.answer": "a partner's link",
    "referrals.open_request": "a partner's link", "api_referrals.answer": "a partner's link",
    "api_referrals.open_request": "a partner's link",
}  # fmt: skip


def test_nobody_outside_learns_that_a_login_is_in_use(client):
    """An invitation says so, which only administrators send; no door of a visitor takes a new name."""
    assert client.post("/api/v1/users", json={"login": "x"}).status_code == 401
    found = {
        rule.endpoint for rule in client.application.url_map.iter_rules()
        if ADMITTED[rule.endpoint] in (ANYBODY, LINK) and rule.methods - {"GET", "HEAD", "OPTIONS"}
    }  # fmt: skip
    assert found == set(DOORS)


@pytest.fixture(scope="module")
def behind_a_proxy(settings):
    app = create_app(replace(settings, trusted_proxies=1))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("proxied", [False, True])
def test_no_header_makes_a_stranger_somebody_else(app, behind_a_proxy, proxied):
    """A hundred tries from one place: what the sender writes of where it is from counts as little as it should."""
    client = (behind_a_proxy if proxied else app).test_client()
    token = token_in(client.get("/sign-in").text)
    seen = []
    for number in range(3):
        last = "203.0.113.77" if proxied else f"198.51.100.{number}"
        headers = {
            "X-Forwarded-For": f"198.51.100.{number}, {last}", "X-Real-Ip": f"198.51.100.{number}",
            "Forwarded": f"for=198.51.100.{number}", "X-Client-Ip": f"198.51.100.{number}",
        }  # fmt: skip
        client.post("/sign-in", data={"csrf_token": token, "login": f"n{number}", "password": "x"}, headers=headers)
        seen.append(len(sessions.door.counters._redis.keys("tries:address:*")))
    assert seen == [1, 1, 1]


def test_the_database_tells_a_stranger_nothing(database_urls):
    """The web login without a signed context, and without a ticket."""
    with psycopg.connect(database_urls["web"]) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
        assert connection.execute("SELECT * FROM app.find_credential('admin', 'no ticket')").fetchall() == []
