"""The whole way through the door, by a browser without script."""

import re

import pytest

from helpline.accounts.services import sessions
from tests.factories.accounts import PASSWORD, set_password


@pytest.fixture(autouse=True)
def _fresh_counters(app):
    sessions.door.counters._redis.flushdb()


def token_of(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def sign_in(client, login, password=PASSWORD, **more):
    page = client.get("/sign-in")
    return client.post("/sign-in", data={"csrf_token": token_of(page), "login": login, "password": password} | more)


def test_signing_in_and_out(client, make_person):
    person = make_person("admin")
    set_password(person)
    assert client.get("/account").location == "/sign-in?next=%2Faccount"
    answer = sign_in(client, person.login.upper())
    assert answer.status_code == 303
    page = client.get("/account")
    assert page.status_code == 200
    assert client.post("/sign-out", data={"csrf_token": token_of(page)}).location == "/sign-in"
    assert client.get("/account").status_code == 302
