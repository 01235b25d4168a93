"""A session that somebody planted, saw or kept: a token known before its owner proved who they are is worth nothing."""

import re

import pyotp
import pytest

from helpline.accounts.services import sessions
from helpline.foundation import clock
from tests.architecture.test_doors import token_in
from tests.factories.accounts import PASSWORD, add_authenticator, set_password
from tests.factories.accounts import sign_in as give_session

pytestmark = pytest.mark.usefixtures("_fresh_counters")


@pytest.fixture
def admin(make_person):
    person = make_person("admin")
    set_password(person)
    return person


@pytest.fixture
def phone(admin):
    return add_authenticator(admin)


def held(client):
    """The token in this browser's cookie."""
    with client.session_transaction() as session:
        return session.get("_user_id")


def counts(app, token):
    with app.app_context():
        return sessions.identify_session(token) is not None


def post(client, path, page, **form):
    return client.post(path, data={"csrf_token": token_in(client.get(page).text)} | form)


def test_signing_in_takes_nothing_over_from_a_planted_cookie(app, client, admin, make_person):
    give_session(client, make_person("operator"))
    planted = held(client)
    with client.session_transaction() as session:
        session["planted"] = "yes"
    assert post(client, "/sign-in", "/account", login=admin.login, password=PASSWORD).status_code == 303
    assert held(client) != planted
    assert not counts(app, planted)
    with client.session_transaction() as session:
        assert "planted" not in session


def test_the_second_factor_ends_the_token_of_before(app, client, admin, phone):
    post(client, "/sign-in", "/sign-in", login=admin.login, password=PASSWORD)
    waiting = held(client)
    assert post(client, "/sign-in/factor", "/sign-in/factor", factor_code=phone.at(clock.now())).status_code == 303
    assert held(client) != waiting
    assert not counts(app, waiting)
    assert counts(app, held(client))


@pytest.fixture
def tired(client, admin, phone, later):
    """Signed in so long ago that what matters asks for the factor again."""
    give_session(client, admin, fresh=True)
    later(minutes=11)
    return client


def test_a_factor_given_again_ends_the_token_of_before(app, tired, phone, make_person, rows):
    """Who copied the cookie before has no part in what the factor opens."""
    person, stolen = make_person("operator"), held(tired)
    thief = app.test_client()
    with thief.session_transaction() as session:
        session["_user_id"] = stolen
    assert thief.get("/account").status_code == 200
    form = {"version": "1", "name": "Sok Dara", "role": "operator", "factor_code": phone.at(clock.now())}
    assert post(tired, f"/staff/{person.id}", f"/staff/{person.id}", **form).status_code == 303
    assert held(tired) != stolen
    assert thief.get("/account").status_code == 302
    assert tired.get("/account/security").status_code == 200
    again = {"version": "2", "name": "Sok Dara Ny", "role": "operator"}
    assert post(tired, f"/staff/{person.id}", f"/staff/{person.id}", **again).status_code == 303, (
        "it counts for ten minutes"
    )
    began = rows(
        "SELECT created_at, ended_at IS NULL FROM user_sessions WHERE user_id = %s ORDER BY ended_at NULLS LAST",
        person.id,
    )
    assert began == []


def test_going_on_makes_no_session_longer(tired, admin, phone, rows, later):
    [(began,)] = rows("SELECT created_at FROM user_sessions WHERE user_id = %s", admin.id)
    post(tired, "/account/confirm", "/account", factor_code=phone.at(clock.now()), next="/account")
    assert rows("SELECT created_at, ended_at IS NULL FROM user_sessions WHERE user_id = %s ORDER BY id", admin.id) == [
        (began, False), (began, True),
    ]  # fmt: skip
    later(hours=12, minutes=1)
    assert tired.get("/account").status_code == 302


@pytest.mark.parametrize("form", [{"name": "Sok Dara", "role": "caseworker"}, {"name": "Sok Dara", "role": "nobody"}])
def test_a_form_refused_after_the_factor_keeps_the_browser_signed_in(app, tired, phone, make_person, form):
    person, stolen = make_person("operator"), held(tired)
    page = f"/staff/{person.id}"
    assert post(tired, page, page, version="1", factor_code=phone.at(clock.now()), **form).status_code == 422
    assert tired.get("/account").status_code == 200
    assert not counts(app, stolen)


def test_a_factor_added_with_a_factor_in_one_form_leaves_one_session(app, tired, admin, phone, rows):
    """The door and the page each give a new token: the browser goes on under the last."""
    first = held(tired)
    begun = post(tired, "/account/security/authenticator", "/account", factor_code=phone.at(clock.now()))
    assert begun.status_code == 303
    [(begun_id,)] = rows("SELECT id FROM factors WHERE user_id = %s AND confirmed_at IS NULL", admin.id)
    page = tired.get("/account/security/authenticator")
    other = pyotp.TOTP(re.search(r"\b[A-Z2-7]{32}\b", page.text.replace(" ", ""))[0])
    rows("UPDATE user_sessions SET factor_at = factor_at - interval '1 hour' WHERE user_id = %s", admin.id)
    rows("UPDATE factors SET last_step = NULL WHERE id <> %s", begun_id)
    form = {"name": "Another", "code": other.at(clock.now()), "factor_code": phone.at(clock.now())}
    assert post(tired, "/account/security/authenticator/confirm", "/account", **form).status_code == 303
    assert tired.get("/account").status_code == 200
    assert not counts(app, first)
    assert rows("SELECT count(*) FROM user_sessions WHERE user_id = %s AND ended_at IS NULL", admin.id) == [(1,)]


def test_what_is_rolled_back_gives_no_token(app, tired, phone, make_person, database_urls):
    """Somebody of another helpline: the answer is "not there", and the session of before still stands."""
    before = held(tired)
    answer = post(tired, "/staff/01a20a85-0663-7f12-8885-6f22a4184823", "/account", version="1", name="A", role="operator",
                  factor_code=phone.at(clock.now()))  # fmt: skip
    assert answer.status_code == 404
    assert held(tired) == before
    assert counts(app, before)


def test_unlocking_ends_the_token_of_before(app, client, admin):
    post(client, "/sign-in", "/sign-in", login=admin.login, password=PASSWORD)
    locked = held(client)
    token = token_in(client.get("/account").text)
    client.post("/lock", data={"csrf_token": token})
    assert client.post("/unlock", data={"csrf_token": token, "password": PASSWORD}).status_code == 200
    assert held(client) != locked
    assert not counts(app, locked)
    assert client.get("/account").status_code == 200


def test_a_new_password_ends_every_token(app, client, admin):
    other = app.test_client()
    give_session(other, admin)
    give_session(client, admin)
    before = {held(client), held(other)}
    form = {"current": PASSWORD, "password": "quiet boats cross at dawn"}
    assert post(client, "/account/password", "/account/security", **form).status_code == 303
    assert not [token for token in before if counts(app, token)]
    assert counts(app, held(client))


def test_a_cookie_is_signed_by_sha_256(client, admin):
    give_session(client, admin)
    assert len(client.get_cookie("helpline").value.rpartition(".")[2]) == 43


def test_a_token_is_long_and_never_stored_as_it_is(app, client, admin, rows):
    post(client, "/sign-in", "/sign-in", login=admin.login, password=PASSWORD)
    assert re.fullmatch(r"[\w-]{43}", held(client))
    kept = rows("SELECT * FROM user_sessions WHERE user_id = %s", admin.id)
    assert held(client) not in str(kept)
    assert held(client).encode() not in [value for row in kept for value in row if isinstance(value, bytes)]
