"""The pages of lock, opening and renewal; and what everybody gets while the keys are locked."""

import re

import pytest

from helpline.foundation.crypto import keyfile, keyring
from helpline.foundation.crypto.keyfile import machine_beside
from helpline.foundation.crypto.keyring import KeyRing
from helpline.foundation.ids import new_id
from helpline.keys import pages
from helpline.keys.services import rotating
from tests.factories.accounts import sign_in

TELLING = ("helpline", "child", "case", "1280", "sign in", "call", "password")


@pytest.fixture(autouse=True)
def _open_after(sql, own, codes):
    yield
    sql("UPDATE key_state SET locked_at = NULL; DELETE FROM key_rotations")
    if not machine_beside(own.keys_path).exists():
        KeyRing.by_shares(own.keys_path, codes[0], codes[1]).renew_machine()


@pytest.fixture
def closed(web_app, monkeypatch):
    """The application after its watch let go of the keys."""
    ring = keyring._Port.ring
    keyring.install(None)
    monkeypatch.setitem(web_app.config, "SECRET_KEY", None)
    monkeypatch.setattr(pages, "tries", pages._Tries())
    yield
    keyring.install(ring)


def csrf(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def says_nothing(page):
    """No word of what this is, in what a person sees or a program reads (but the names of our own files)."""
    assert page.mimetype == "text/html"
    text = re.sub(r'href="/static/[^"]+"|type="password"', "", page.text).lower()
    assert not [word for word in TELLING if re.search(rf"\b{word}", text)]


@pytest.mark.parametrize(("path", "method"), [
    ("/", "GET"), ("/sign-in", "GET"), ("/sign-in", "POST"), ("/nowhere", "GET"), ("/keys", "GET"), ("/cases", "GET"),
    ("/r/token", "GET"), ("/close/token", "POST"), ("/leave", "GET"),
])  # fmt: skip
@pytest.mark.parametrize("locale", ["en", "km"])
def test_while_closed_every_page_says_that_and_no_more(browser, closed, path, method, locale):
    page = browser.open(path, method=method, headers={"Accept-Language": locale})
    assert page.status_code == 503
    says_nothing(page)
    assert ("closed at the moment" in page.text) == (locale == "en")
    assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("path", ["/api/v1/calls", "/api/v1/openapi.json", "/api/v1/nowhere"])
def test_while_closed_the_api_says_closed(browser, closed, path):
    answer = browser.get(path, headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json["code"]) == (503, "closed")
    assert answer.mimetype == "application/problem+json"


def test_while_closed_it_lives_and_is_not_ready(browser, closed):
    assert browser.get("/healthz").json == {"status": "ok"}
    ready = browser.get("/readyz")
    assert (ready.status_code, ready.json) == (503, {"status": "closed"})


def test_an_error_while_closed_is_no_other_page(browser, closed, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(pages.locking, "open_keys", broken)
    page = browser.post("/open", data={})
    assert page.status_code == 503
    says_nothing(page)


def test_keys_taken_amid_a_request_end_it_as_closed(browser, somebody, monkeypatch):
    sign_in(browser, somebody("admin"), fresh=True)

    def taken(*_args, **_kwargs):
        raise keyring.NoKeys

    monkeypatch.setattr(pages.queries, "find_latest", taken)
    page = browser.get("/keys")
    assert page.status_code == 503
    assert "closed at the moment" in page.text


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "admin"])
def test_the_lock_is_two_presses_from_every_page_and_one_more_does_it(browser, somebody, sql, role):
    sign_in(browser, somebody(role))
    menu = browser.get("/inbox").text.split('id="me"')[1].split("</header>")[0]
    assert 'href="/close"' in menu
    page = browser.get("/close")
    assert page.text.split("<main")[1].split("</main>")[0].count("btn main") == 1
    assert sql("SELECT app.keys_locked()") == [(False,)], "opening the page closes nothing"
    done = browser.post("/close", data={"csrf_token": csrf(page)})
    assert done.status_code == 200
    says_nothing(done)
    assert sql("SELECT app.keys_locked()") == [(True,)]


def test_an_auditor_has_no_such_button(browser, somebody, sql):
    sign_in(browser, somebody("auditor"))
    assert 'href="/close"' not in browser.get("/inbox").text
    assert browser.get("/close").status_code == 403


def test_another_sites_form_locks_nothing(browser, somebody, sql):
    sign_in(browser, somebody("operator"))
    assert browser.post("/close", data={}).status_code == 400
    assert sql("SELECT app.keys_locked()") == [(False,)]


def test_the_prepared_link_locks_by_its_button_alone_and_without_a_sign_in(browser, web_app, somebody, sql):
    admin = somebody("admin")
    sign_in(browser, admin, fresh=True)
    page = browser.post("/keys/link", data={"csrf_token": csrf(browser.get("/keys"))})
    link = re.search(r"https?://[^/<]+(/close/[\w=-]+)", page.text)[1]
    assert link not in browser.get("/keys").text, "shown once"
    outside = web_app.test_client()
    asked = outside.get(link)
    assert asked.status_code == 200
    says_nothing(asked)
    assert sql("SELECT app.keys_locked()") == [(False,)], "a scanner that opens links closes nothing"
    assert outside.post(link[:-8] + "AAAAAAAA").status_code == 404
    assert outside.get("/keys").status_code == 302, "it opens no other door"
    done = outside.post(link)
    assert done.status_code == 200
    says_nothing(done)
    assert sql("SELECT app.keys_locked()") == [(True,)]
    entry = sql(
        "SELECT actor_role, channel, centre_id FROM audit_entries WHERE action = 'keys.locked' ORDER BY id DESC LIMIT 1"
    )
    assert entry == [("locker", "portal", admin.centre.id)]


def test_an_ended_link_is_no_link(browser, web_app, somebody, sql):
    sign_in(browser, somebody("admin"), fresh=True)
    token = csrf(browser.get("/keys"))
    link = re.search(r"(/close/[\w=-]+)", browser.post("/keys/link", data={"csrf_token": token}).text)[1]
    assert browser.post("/keys/link/end", data={"csrf_token": token}).status_code == 303
    assert web_app.test_client().post(link).status_code == 404
    assert sql("SELECT app.keys_locked()") == [(False,)]


def test_opening_is_not_there_while_it_is_open(browser):
    assert browser.get("/open").status_code == 404
    assert browser.post("/open").status_code == 404


def test_two_shares_open_and_what_else_is_typed_looks_all_the_same(browser, closed, own, codes, sql):
    sql("UPDATE key_state SET locked_at = now()")
    keyfile.destroy_machine(machine_beside(own.keys_path))
    form = browser.get("/open")
    assert form.status_code == 200
    says_nothing(form)
    wrong = [
        browser.post("/open", data=data)
        for data in (
            {},
            {"first": codes[0], "second": codes[0]},
            {"first": codes[0], "second": "x"},
            {"first": codes[0]},
        )
    ]
    assert {(page.status_code, page.mimetype) for page in wrong} == {(422, "text/html")}
    assert len({page.text for page in wrong}) == 1
    assert codes[0] not in wrong[1].text
    assert sql("SELECT app.keys_locked()") == [(True,)]
    opened = browser.post("/open", data={"first": codes[1].lower(), "second": codes[0].replace("-", " ")})
    assert opened.status_code == 200
    assert sql("SELECT app.keys_locked()") == [(False,)]
    assert KeyRing.open(own.keys_path).current_version


def test_many_tries_are_refused_whatever_they_are(browser, closed, own, codes, sql):
    sql("UPDATE key_state SET locked_at = now()")
    for _ in range(10):
        browser.post("/open", data={"first": "x", "second": "y"})
    late = browser.post("/open", data={"first": codes[0], "second": codes[1]})
    assert late.status_code == 422
    assert sql("SELECT app.keys_locked()") == [(True,)]


@pytest.mark.parametrize("role", ["operator", "supervisor", "auditor"])
def test_the_keys_are_the_admins(browser, somebody, role):
    sign_in(browser, somebody(role))
    assert browser.get("/keys").status_code == 403


def test_a_renewal_shows_how_far_it_came(  # noqa: PLR0917  # fixtures
    browser, somebody, worker_app, logs, sql, monkeypatch
):
    logs(3)
    sign_in(browser, somebody("admin"), fresh=True)
    page = browser.get("/keys")
    assert "never renewed" in page.text
    assert page.text.split("<main")[1].split("</main>")[0].count("btn main") == 1
    token = csrf(page)
    assert browser.post("/keys/rotation", data={"csrf_token": token}).status_code == 303
    waiting = browser.get("/keys").text
    assert 'hx-trigger="every 1s"' in waiting
    assert "<progress" in waiting
    again = browser.post("/keys/rotation", data={"csrf_token": token})
    assert again.status_code == 409
    assert "under way already" in again.text
    monkeypatch.setattr(rotating, "BATCH", 1)
    with worker_app.app_context():
        for _ in range(3):
            rotating.step()
        part = browser.get("/keys", headers={"HX-Request": "true"}).text
        assert "<html" not in part
        done, total = sql("SELECT done, total FROM key_rotations")[0]
        assert f"{done} of {total} records" in part
        monkeypatch.setattr(rotating, "BATCH", 200)
        rotating.advance()
    finished = browser.get("/keys").text
    assert "every 1s" not in finished
    assert "Last renewed" in finished
    assert "Destroy the older" not in finished, "too early"
    rotation_id = sql("UPDATE key_rotations SET finished_at = finished_at - interval '11 minutes' RETURNING id")[0][0]
    assert "Destroy the older master keys?" in browser.get("/keys").text
    assert browser.post(f"/keys/rotation/{rotation_id}/retire", data={"csrf_token": token}).status_code == 303
    with worker_app.app_context():
        rotating.advance()
    assert "older master keys are destroyed" in browser.get("/keys").text
    assert browser.post(f"/keys/rotation/{new_id()}/retire", data={"csrf_token": token}).status_code == 404
