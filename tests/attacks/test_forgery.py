"""Requests that another site, or a disguise, would send in somebody's name."""

import pytest

from tests.architecture.test_doors import ADMITTED, ANYBODY, GUARDED, LINK, asked, put_aside
from tests.attacks.conftest import nowhere

SAFE = {"GET", "HEAD", "OPTIONS"}
BY_COOKIE = sorted(name for name in GUARDED if ADMITTED[name] != LINK)


def one_of(endpoint):
    return min(ADMITTED[endpoint] - {"visitor"})


@pytest.fixture(scope="module")
def browsers(staff):
    """A browser of each role, and the token of somebody else's."""
    found = {role: staff.browser(role) for role in staff.people}
    return found, staff.browser("caseworker").token


@pytest.mark.parametrize("endpoint", BY_COOKIE)
def test_nothing_is_written_by_a_cookie_without_the_token_of_its_forms(app, browsers, endpoint):
    found, anothers = browsers
    for method, path in asked(app, endpoint):
        for headers in ({}, {"X-CSRFToken": "made up"}, anothers) if method not in SAFE else ():
            with put_aside(app, endpoint) as came:
                answer = found[one_of(endpoint)].client.open(path, method=method, headers=headers)
            assert (answer.status_code, came) == (400, []), f"{method} {path}"


def test_a_visitors_forms_have_a_token_too(app):
    for endpoint in (name for name in GUARDED if ADMITTED[name] == ANYBODY):
        for method, path in asked(app, endpoint):
            if method not in SAFE:
                with put_aside(app, endpoint) as came:
                    assert app.test_client().open(path, method=method).status_code == 400, path
                assert came == []


def test_a_method_in_disguise_is_what_it_is(staff, rows):
    browser = staff.browser("operator")
    for way in ({"headers": {"X-HTTP-Method-Override": "POST"}}, {"query_string": {"_method": "POST"}}):
        assert browser.client.get("/sign-out", **way).status_code == 405
        assert browser.client.get("/api/v1/tokens", **way).status_code == 200
    assert browser.client.get("/account").status_code == 200
    assert rows("SELECT 1 FROM api_tokens WHERE user_id = %s", browser.user.id) == []


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_no_other_method_opens_a_door(app, method):
    stranger = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint in BY_COOKIE and ADMITTED[rule.endpoint] != ANYBODY and "GET" in rule.methods:
            with put_aside(app, rule.endpoint) as came:
                answer = stranger.open(nowhere(rule.rule), method=method)
            assert (came, answer.data) == ([], b"") or (came == [] and answer.status_code == 405), rule.rule
            assert method != "HEAD" or answer.status_code in {302, 401}


def test_a_body_that_is_json_by_another_name_is_none(staff):
    """What a form of another site can send without asking first: text, that reads like JSON."""
    browser = staff.browser("operator")
    body = '{"name": "Somebody Else"}'
    answer = browser.client.patch("/api/v1/me", data=body, content_type="text/plain", headers=browser.token)
    assert answer.status_code in {200, 422}
    assert browser.client.get("/api/v1/me").json["name"] != "Somebody Else"
    assert (
        "Access-Control-Allow-Origin"
        not in browser.client.get("/api/v1/me", headers={"Origin": "https://evil.example"}).headers
    )


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Referer": "https://evil.example/x"}],
)
def test_another_sites_link_changes_no_ones_language(staff, rows, headers):
    browser = staff.browser("auditor")
    answer = browser.client.get("/language/km", headers=headers)
    assert answer.status_code == 302
    assert "Set-Cookie" not in answer.headers
    assert rows("SELECT locale FROM users WHERE id = %s", browser.user.id) == [("en",)]
    browser.client.get("/language/km", headers={"Sec-Fetch-Site": "same-origin", "Referer": "http://localhost/account"})
    assert rows("SELECT locale FROM users WHERE id = %s", browser.user.id) == [("km",)]
    browser.client.get("/language/en")
