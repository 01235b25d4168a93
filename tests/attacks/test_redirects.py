"""Addresses that lead elsewhere, and a Host that isn't ours."""

import pytest

from helpline.accounts.pages.door import local_path
from tests.architecture.test_doors import token_in
from tests.factories.accounts import PASSWORD, sign_in
from tests.factories.accounts import set_password as give_password

pytestmark = pytest.mark.usefixtures("_fresh_counters")
ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "///evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "/\n/evil.example", "http:evil.example", "javascript:alert(1)", "data:text/html,x", "https:/evil.example", " //evil.example",
    "%2f%2fevil.example", "evil.example", "/ok\r\nSet-Cookie: x=1", "https://localhost@evil.example/", "//localhost:80@evil.example",
    "/\x00//evil.example", "//%65vil.example", "\x0b//evil.example", "/\\/evil.example",
]  # fmt: skip


@pytest.fixture
def person(make_person):
    user = make_person("operator")
    give_password(user)
    return user


def leads_home(answer):
    assert answer.status_code in {302, 303}
    assert answer.location.startswith("/")
    assert not answer.location.startswith(("//", "/\\"))
    assert "evil" not in answer.location


@pytest.mark.parametrize("address", ELSEWHERE)
def test_no_way_in_leads_out(app, client, person, address):
    assert local_path(address) is None
    token = token_in(client.get("/sign-in", query_string={"next": address}).text)
    leads_home(
        client.post(
            "/sign-in", data={"csrf_token": token, "login": person.login, "password": PASSWORD, "next": address}
        )
    )
    leads_home(client.get("/sign-in", query_string={"next": address}))
    leads_home(client.get("/sign-in/factor", query_string={"next": address}))
    leads_home(client.get("/unlock", query_string={"next": address}))
    sign_in(client, person, fresh=True)
    token = token_in(client.get("/account").text)
    leads_home(client.post("/account/confirm", data={"csrf_token": token, "next": address}))
    leads_home(client.post("/unlock", data={"csrf_token": token, "password": PASSWORD, "next": address}))


@pytest.mark.parametrize("door", ["/language/en", "/theme"])
@pytest.mark.parametrize(
    "referrer",
    ["https://evil.example//evil.example", "http://localhost//evil.example", "http://localhost/\\evil.example"],
)
def test_nobody_is_sent_back_to_where_they_were_not(client, door, referrer):
    headers = {"Referer": referrer}
    if door == "/theme":
        headers["X-CSRFToken"] = token_in(client.get("/sign-in").text)
    leads_home(client.open(door, method="POST" if door == "/theme" else "GET", headers=headers))


def test_a_false_host_comes_back_in_no_answer(client, person):
    """Nothing is built from what a request says of our own name: links in mail come from the settings (workers/links.py)."""
    sign_in(client, person)
    for path in (
        "/sign-in",
        "/forgotten",
        "/account",
        "/account/security",
        "/nothing-here",
        "/api/v1/openapi.json",
        "/language/en",
    ):
        for headers in (
            {"Host": "evil.example"},
            {"X-Forwarded-Host": "evil.example"},
            {"Forwarded": "host=evil.example"},
        ):
            answer = client.get(path, headers=headers)
            assert "evil" not in answer.text
            assert "evil" not in str(answer.headers)
