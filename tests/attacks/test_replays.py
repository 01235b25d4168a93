"""What was good once, used again: links, cookies, tokens and forms. Codes: tests/accounts/test_factors.py."""

from datetime import timedelta

import pytest

from helpline.accounts.services import passwords
from helpline.accounts.vocabulary import LinkPurpose
from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from tests.architecture.test_doors import token_in
from tests.factories.accounts import PASSWORD, set_password
from tests.factories.accounts import sign_in as give_session
from tests.journeys.people import make_token

NEW = "quiet boats cross at dawn"
pytestmark = pytest.mark.usefixtures("_fresh_counters")


@pytest.fixture
def person(make_person):
    made = make_person("operator")
    set_password(made)
    return made


def link(app, person, version=1, hours=1):
    with app.app_context():
        return passwords.link_path(LinkPurpose.PASSWORD, person.id, version, now() + timedelta(hours=hours))


def choose(client, path, password=NEW):
    page = client.get(path)
    if page.status_code != 200:
        return page
    return client.post(path, data={"csrf_token": token_in(page.text), "password": password})


def force(client, path):
    """Post though the page refused to be drawn."""
    return client.post(
        path, data={"csrf_token": token_in(client.get("/sign-in").text), "password": "another one that is long"}
    )


def test_a_link_for_a_password_dies_with_its_use_and_so_do_its_sisters(app, client, person):
    first, second = link(app, person), link(app, person, hours=2)
    assert choose(client, first).status_code == 303
    for path in (first, second):
        assert client.get(path).status_code == 410
        assert force(client, path).status_code in {410, 422}
    answer = client.post(
        "/sign-in", data={"csrf_token": token_in(client.get("/sign-in").text), "login": person.login, "password": NEW}
    )
    assert answer.status_code == 303


def test_a_link_dies_when_the_password_changes_otherwise(app, client, person):
    path = link(app, person)
    give_session(client, person)
    token = token_in(client.get("/account/security").text)
    changed = client.post("/account/password", data={"csrf_token": token, "current": PASSWORD, "password": NEW})
    assert changed.status_code == 303
    assert client.get(path).status_code == 410


def test_a_link_of_one_kind_or_person_serves_no_other(app, client, person, make_person):
    path = link(app, person)
    for wrong in (
        path.replace("/password/", "/invitation/"),
        path.replace("/password/", "/r/"),
        path.replace("/password/", "/close/"),
    ):
        assert client.get(wrong).status_code in {404, 410}
        assert client.post(wrong, data={"csrf_token": token_in(client.get("/sign-in").text)}).status_code in {
            404,
            410,
            422,
        }
    assert client.get(path).status_code == 200


def test_a_cookie_kept_past_signing_out_is_nobodys(app, client, person):
    give_session(client, person)
    kept = client.get_cookie("helpline").value
    token = token_in(client.get("/account").text)
    client.post("/sign-out", data={"csrf_token": token})
    thief = app.test_client()
    thief.set_cookie("helpline", kept)
    assert thief.get("/account").status_code == 302
    assert thief.post("/account", data={"csrf_token": token}).status_code in {400, 401}


def test_an_api_token_kept_past_its_end_is_nobodys(client, person, rows):
    headers = {"Authorization": f"Bearer {make_token(person)}"}
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    rows("UPDATE api_tokens SET revoked_at = now() WHERE user_id = %s", person.id)
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_form_posted_again_makes_nothing_twice(app, staff, rows):
    browser, call_id = staff.browser("operator"), str(new_id())
    body = {"call_id": call_id, "kind": "counselling", "relation": "self", "narrative": "x"}
    first, second = (browser.client.post("/api/v1/calls", json=body, headers=browser.token) for _ in range(2))
    assert (first.status_code, first.json["first"], second.json["first"]) == (201, True, False)
    other = browser.client.post("/api/v1/calls", json=body | {"narrative": "y"}, headers=browser.token)
    assert other.status_code == 409
    assert rows("SELECT count(*) FROM calls WHERE id = %s", call_id) == [(1,)]
