"""The second factor at the door: a session that waits reaches nothing; what matters asks again and loses nothing."""

import re
import threading
import uuid
from html import unescape

import psycopg
import pyotp
import pytest
from lxml import html
from playwright.sync_api import expect, sync_playwright
from werkzeug.serving import make_server

from helpline.accounts import rules
from helpline.accounts.services import sessions
from helpline.foundation import clock
from helpline.foundation.clock import now
from tests.factories import accounts
from tests.factories.accounts import PASSWORD, add_authenticator, make_team, set_password

# What somebody reaches who has given the password and not the factor, beside what a visitor reaches.
PENDING = {"accounts.factor", "accounts.give_factor", "accounts.unlock", "accounts.open_again"}
# What somebody reaches whose role needs a factor and who has none.
MISSING = {
    "accounts.set_up", "accounts.begin_authenticator", "accounts.authenticator", "accounts.confirm_authenticator",
    "accounts.new_passkey", "accounts.add_passkey", "accounts.unlock", "accounts.open_again",
}  # fmt: skip
CLOSING = {"accounts.sign_out", "accounts.lock"}  # open to both, and not tried: the session would not be the same
pytestmark = pytest.mark.usefixtures("_fresh_counters")


@pytest.fixture
def admin(make_person):
    person = make_person("admin")
    set_password(person)
    return person


@pytest.fixture
def phone(admin):
    return add_authenticator(admin)


@pytest.fixture
def needed(monkeypatch):
    """Administrators must have a second factor."""
    monkeypatch.setattr(sessions.door, "factor_roles", frozenset({"admin"}))


def token_of(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def post(client, path, page, **form):
    return client.post(path, data={"csrf_token": token_of(client.get(page))} | form)


def give_password(client, person, **more):
    return post(client, "/sign-in", "/sign-in", login=person.login, password=PASSWORD, **more)


def asked(app, endpoint):
    """Each (method, path) of an endpoint; ids in it lead nowhere."""
    for rule in app.url_map.iter_rules(endpoint):
        path = re.sub(r"<uuid:[^>]+>", str(uuid.uuid4()), rule.rule).replace("<token>", "x").replace("<locale>", "en")
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield method, path


def guarded(app):
    """Every route that asks who it is: pages and API."""
    free = {"public", "portal", "lock_link", "while_closed", "unguarded"}
    return {name for name, view in app.view_functions.items() if view.helpline_guard not in free}


def reached(app, client, headers, way_in):
    """Which guarded routes let this browser in. Whoever is kept out is sent to `way_in`, or told 401."""
    inside = set()
    for endpoint in sorted(guarded(app) - CLOSING):
        for method, path in asked(app, endpoint):
            answer = client.open(path, method=method, headers=headers)
            if path.startswith("/api/"):
                out = answer.status_code == 401 and answer.json["code"].startswith("factor_")
            elif method == "GET":
                out = answer.status_code == 302 and answer.location.partition("?")[0] == way_in
            else:
                out = answer.status_code == 401
            if not out:
                inside.add(endpoint)
    return inside


def test_a_session_that_waits_reaches_nothing(app, client, admin, phone, rows):
    give_password(client, admin)
    page = client.get("/sign-in/factor")
    inside = reached(app, client, {"X-CSRFToken": token_of(page)}, "/sign-in/factor")
    assert inside == PENDING
    assert page.status_code == 200
    assert admin.email not in page.text
    shown = rows("SELECT action FROM audit_entries WHERE actor_id = %s AND outcome = 'shown'", admin.id)
    assert shown == []
    assert client.get("/leave/").status_code == 200
    assert 'lang="en"' in client.get("/sign-in").text, "public pages take it for a visitor"
    assert post(client, "/sign-out", "/sign-in/factor").status_code == 303


@pytest.mark.usefixtures("needed")
def test_whose_role_needs_a_factor_and_has_none_reaches_nothing_but_setting_one_up(app, client, admin):
    assert give_password(client, admin, next="/account/tokens").location == "/account/tokens"
    page = client.get("/account/tokens", follow_redirects=True)
    assert page.request.path == "/account/security/set-up"
    inside = reached(app, client, {"X-CSRFToken": token_of(page)}, "/account/security/set-up")
    assert inside == MISSING
    assert 'class="rail"' not in page.text


def test_the_password_then_the_code(client, admin, phone):
    assert give_password(client, admin, next="/account/tokens").status_code == 303
    page = client.get("/account/tokens", follow_redirects=True)
    [field] = html.fromstring(page.text).cssselect("input[name=factor_code]")
    assert (field.get("autocomplete"), field.get("inputmode")) == ("one-time-code", "numeric")
    with client.session_transaction() as cookie:
        before = cookie["_user_id"]
        cookie["planted"] = "by a stranger"
    form = {"csrf_token": token_of(page), "next": "/account/tokens"}
    wrong = client.post("/sign-in/factor", data=form | {"factor_code": "1"})
    assert wrong.status_code == 422
    done = client.post("/sign-in/factor", data=form | {"factor_code": phone.now()})
    assert (done.status_code, done.location) == (303, "/account/tokens")
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != before, "the token that a stranger may have planted is another's"
        assert "planted" not in cookie
    assert client.get("/account/tokens").status_code == 200
    assert client.get("/sign-in/factor").location == "/staff"


def test_wrong_used_and_too_many_look_alike(client, admin, phone):
    def plain(answer):
        return re.sub(r'(csrf[^>]*"|X-CSRFToken": ")[^"]+', "", answer.text)

    at = now()
    give_password(client, admin)
    assert post(client, "/sign-in/factor", "/sign-in/factor", factor_code=phone.at(at)).status_code == 303
    post(client, "/sign-out", "/account")
    give_password(client, admin)
    used = post(client, "/sign-in/factor", "/sign-in/factor", factor_code=phone.at(at))
    wrong = [post(client, "/sign-in/factor", "/sign-in/factor", factor_code="12345") for _ in range(12)]
    nothing = post(client, "/sign-in/factor", "/sign-in/factor")
    assert {answer.status_code for answer in (used, nothing, *wrong)} == {422}
    assert len({plain(answer) for answer in (used, nothing, *wrong)}) == 1


@pytest.mark.usefixtures("needed")
def test_setting_up_an_app_and_keeping_the_codes(client, admin, rows):
    give_password(client, admin)
    begun = post(client, "/account/security/authenticator", "/account/security/set-up")
    assert begun.location == "/account/security/authenticator"
    page = client.get(begun.location)
    tree = html.fromstring(page.text)
    secret = tree.cssselect("code")[0].text_content().replace(" ", "")
    assert len(tree.cssselect(".qr svg path")) > 0
    assert "style=" not in page.text, "the policy on content would refuse it"
    assert "otpauth" not in page.text
    confirm = "/account/security/authenticator/confirm"
    refused = post(client, confirm, begun.location, name="Blue telephone", code="1")
    assert refused.status_code == 422
    assert "Blue telephone" in refused.text
    assert secret in html.fromstring(refused.text).cssselect("code")[0].text_content().replace(" ", "")
    code = pyotp.TOTP(secret).now()
    done = post(client, confirm, begun.location, name="Blue telephone", code=f"{code[:3]} {code[3:]}")
    assert done.status_code == 201
    codes = [code.text_content() for code in html.fromstring(done.text).cssselect("ol.codes code")]
    assert len(codes) == 10
    page = client.get("/account/security")
    assert page.status_code == 200, "whole from now on"
    assert "Blue telephone" in page.text
    assert codes[0] not in page.text
    assert client.get(begun.location).location == "/account/security"
    stranger = client.application.test_client()
    give_password(stranger, admin)
    assert post(stranger, "/sign-in/factor", "/sign-in/factor", factor_recovery=codes[0]).status_code == 303


def carried(page):
    return {
        field.get("name"): field.text.removeprefix("\n")
        for field in html.fromstring(page.text).cssselect("textarea[hidden]")
    }


@pytest.fixture
def tired(client, admin, phone, later):
    """The administrator's browser, eleven minutes after the factor was given."""
    accounts.sign_in(client, admin, fresh=True)
    later(minutes=11)
    return client


def test_what_matters_asks_again_and_loses_nothing(tired, admin, phone, make_person, rows):
    person, team = make_person("operator"), make_team(admin.centre)
    page = f"/staff/{person.id}"
    form = {"version": "1", "name": '  Sok "Dara"\r\n<b>', "role": "caseworker", "team_ids": str(team)}
    answer = post(tired, page, page, **form)
    assert answer.status_code == 403
    assert carried(answer) == {name: value.replace("\r\n", "\n") for name, value in form.items()}
    assert html.fromstring(answer.text).cssselect("main form")[0].get("action") == page
    assert rows("SELECT role FROM users WHERE id = %s", person.id) == [("operator",)]
    again = carried(answer) | {"csrf_token": token_of(answer)}
    wrong = tired.post(page, data=again | {"factor_code": "000"})
    assert (wrong.status_code, carried(wrong)) == (403, carried(answer))
    done = tired.post(page, data=again | {"factor_code": phone.at(clock.now())})
    assert done.status_code == 303, unescape(done.text)
    assert rows("SELECT role, name FROM users WHERE id = %s", person.id)[0][0] == "caseworker"
    taken = [action for (action,) in rows("SELECT action FROM audit_entries WHERE actor_id = %s ORDER BY id", admin.id)]
    assert taken.count("factor.refused") == taken.count("factor.presented") == 1
    assert post(tired, page, page, **form | {"version": "2"}).status_code == 303, "it counts for ten minutes"


def test_a_form_that_is_refused_after_the_factor_was_given_keeps_it_given(tired, admin, phone, make_person):
    person = make_person("operator")
    page = f"/staff/{person.id}"
    form = {"version": "1", "name": "Sok Dara", "role": "caseworker"}  # a caseworker needs a team
    answer = post(tired, page, page, **form)
    refused = tired.post(
        page, data=carried(answer) | {"csrf_token": token_of(answer), "factor_code": phone.at(clock.now())}
    )
    assert refused.status_code == 422
    assert "Choose the team for this role" in refused.text
    team = make_team(admin.centre)
    assert post(tired, page, page, **form | {"team_ids": str(team)}).status_code == 303


def test_a_page_that_matters_asks_and_leads_back(tired, phone):
    answer = tired.get("/account/security/passkey?x=1")
    assert answer.status_code == 403
    assert carried(answer) == {"next": "/account/security/passkey?x=1"}
    form = carried(answer) | {"csrf_token": token_of(answer)}
    assert tired.post("/account/confirm", data=form | {"factor_code": ""}).status_code == 403
    back = tired.post("/account/confirm", data=form | {"factor_code": phone.at(clock.now())})
    assert back.location == "/account/security/passkey?x=1"
    assert tired.get(back.location).status_code == 200
    away = tired.post("/account/confirm", data=form | {"next": "https://evil.example/"})
    assert away.location == "/staff"


def test_without_a_factor_what_matters_says_to_set_one_up(client, admin, rows):
    accounts.sign_in(client, admin)
    form = {"name": "Figures", "days": "7", "scopes": "user:read"}
    answer = post(client, "/account/tokens", "/account/tokens", **form)
    assert answer.status_code == 403
    assert carried(answer) == form
    assert html.fromstring(answer.text).cssselect("a.main")[0].get("href") == "/account/security"
    assert rows("SELECT * FROM api_tokens WHERE user_id = %s", admin.id) == []
    given = client.post("/account/tokens", data=form | {"csrf_token": token_of(answer), "factor_code": "123456"})
    assert given.status_code == 403


def test_a_factor_set_up_in_another_tab_lets_the_first_go_on(client, admin, rows):
    accounts.sign_in(client, admin)
    form = {"name": "Figures", "days": "7", "scopes": "user:read"}
    asking = post(client, "/account/tokens", "/account/tokens", **form)
    begun = post(client, "/account/security/authenticator", "/account/security")
    secret = html.fromstring(client.get(begun.location).text).cssselect("code")[0].text_content().replace(" ", "")
    confirm = "/account/security/authenticator/confirm"
    assert post(client, confirm, begun.location, name="x", code=pyotp.TOTP(secret).now()).status_code == 201
    made = client.post("/account/tokens", data=carried(asking) | {"csrf_token": token_of(asking)})
    assert made.status_code == 303
    assert rows("SELECT name FROM api_tokens WHERE user_id = %s", admin.id) == [("Figures",)]


def test_a_second_app_needs_the_first(client, admin, phone, later, rows):
    accounts.sign_in(client, admin, fresh=True)
    later(minutes=11)
    begin, confirm = "/account/security/authenticator", "/account/security/authenticator/confirm"
    assert post(client, begin, "/account/security").status_code == 403, "a session left open adds no factor of its own"
    assert client.get(begin).status_code == 403, "nor looks at one that was begun and left"
    assert post(client, confirm, "/account/security", name="x", code="123456").status_code == 403
    assert rows("SELECT count(*) FROM factors WHERE user_id = %s", admin.id) == [(1,)]


def test_the_api_says_step_up_needed(client, admin, phone):
    accounts.sign_in(client, admin)
    accounts.sign_in(client, admin, fresh=True)
    headers = {"X-CSRFToken": token_of(client.get("/account"))}
    body = {"name": "x", "scopes": ["user:read"], "days": 1}
    assert client.post("/api/v1/tokens", json=body, headers=headers).status_code == 201
    pending = client.application.test_client()
    give_password(pending, admin)
    answer = pending.get("/api/v1/me")
    assert (answer.status_code, answer.json["code"]) == (401, "factor_pending")


def test_taking_a_factor_away_and_new_codes(client, admin, phone, rows, monkeypatch):
    accounts.sign_in(client, admin, fresh=True)
    made = post(client, "/account/security/recovery-codes", "/account/security")
    assert made.status_code == 201
    assert len(html.fromstring(made.text).cssselect("ol.codes li")) == 10
    [(factor_id,)] = rows("SELECT id FROM factors WHERE user_id = %s", admin.id)
    path = f"/account/security/factors/{factor_id}/remove"
    monkeypatch.setattr(sessions.door, "factor_roles", frozenset({"admin"}))
    kept = post(client, path, "/account/security")
    assert kept.status_code == 409
    assert "Your role needs a second step" in kept.text
    monkeypatch.setattr(sessions.door, "factor_roles", frozenset())
    assert post(client, path, "/account/security").status_code == 303
    assert rows("SELECT id FROM factors WHERE user_id = %s", admin.id) == []
    assert post(client, "/account/security/recovery-codes", "/account/security").status_code == 403


def test_ending_all_other_sessions(app, client, admin):
    elsewhere = [app.test_client() for _ in range(2)]
    for other in (*elsewhere, client):
        accounts.sign_in(other, admin)
    assert post(client, "/account/sessions/end-others", "/account/security").status_code == 303
    assert [other.get("/account").status_code for other in (*elsewhere, client)] == [302, 302, 200]


def test_a_passkey_has_its_address(client, admin, monkeypatch):
    accounts.sign_in(client, admin, fresh=True)
    monkeypatch.setattr(sessions.door, "party", rules.relying_party("http://127.0.0.1:8080"))
    page = client.get("/account/security/passkey")
    assert "http://localhost:8080" in page.text, "127.0.0.1 stands for localhost, at the port people open"
    assert "data-passkey=" not in page.text
    monkeypatch.setattr(sessions.door, "party", rules.relying_party("http://10.0.0.5"))
    page = client.get("/account/security/passkey")
    assert "HELPLINE_PUBLIC_URL" in page.text
    post(client, "/account/security/passkey", "/account/security", name="x", passkey="{}")


# In a real browser


@pytest.fixture
def address(app, monkeypatch):
    """The service on a port of its own, by the name that passkeys need."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(sessions.door, "party", rules.relying_party(f"http://127.0.0.1:{server.port}"))
    yield f"http://localhost:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browser_page(address):
    """A page of Chromium with a passkey machine in it, and what the browser complained of."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, base_url=address)
        complaints = []
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        machine = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
        yield page, devtools, machine
        browser.close()
    assert complaints == []


def fill_password(page, person):
    page.get_by_label("E-mail or user name").fill(person.login)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


@pytest.mark.browser
@pytest.mark.usefixtures("needed")
def test_a_passkey_in_a_browser_from_set_up_to_step_up(browser_page, admin, make_person, rows, later):
    page, devtools, machine = browser_page
    page.goto("/sign-in")
    fill_password(page, admin)
    page.wait_for_url("**/account/security/set-up**")
    page.get_by_role("link", name="Use a passkey").click()
    page.get_by_label("A name for it").fill("Desk")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
    assert page.locator("ol.codes li").count() == 10
    [(kind, name, count)] = rows("SELECT kind, name, sign_count FROM factors WHERE user_id = %s", admin.id)
    assert (kind, name) == ("passkey", "Desk")

    page.context.clear_cookies()
    page.goto("/sign-in")
    fill_password(page, admin)
    page.wait_for_url("**/sign-in/factor**")
    expect(page.get_by_label("Six digits from your app")).to_have_count(0)
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": machine, "isUserVerified": True})
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/staff")
    assert rows("SELECT sign_count > %s FROM factors WHERE user_id = %s", count, admin.id) == [(True,)]

    person = make_person("operator")
    later(minutes=11)
    page.goto(f"/staff/{person.id}")
    page.get_by_label("Name", exact=True).fill("Carried along")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/staff?said=saved")
    assert rows("SELECT name FROM users WHERE id = %s", person.id) == [("Carried along",)]


@pytest.mark.browser
def test_a_strange_passkey_and_an_old_answer_do_nothing(browser_page, admin, rows, database_urls):
    page, devtools, machine = browser_page
    page.goto("/sign-in")
    fill_password(page, admin)
    page.wait_for_url("**/staff")
    page.goto("/account/security/passkey")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()

    page.context.clear_cookies()
    page.goto("/sign-in")
    fill_password(page, admin)
    page.wait_for_url("**/sign-in/factor**")
    posted = []
    page.on("request", lambda sent: posted.append(sent.post_data) if sent.method == "POST" else None)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/staff")
    with psycopg.connect(database_urls["owner"]) as connection:  # as of a passkey that counts nothing, as many do
        connection.execute("UPDATE factors SET sign_count = 0 WHERE user_id = %s", [admin.id])

    page.context.clear_cookies()
    page.goto("/sign-in")
    fill_password(page, admin)
    page.wait_for_url("**/sign-in/factor**")
    page.evaluate(
        """answer => {
            const form = document.querySelector("form");
            form.querySelector("[data-passkey-answer]").value = new URLSearchParams(answer).get("factor_passkey");
            form.submit();
        }""",
        next(text for text in posted if "factor_passkey" in text),
    )
    expect(page.get_by_text("That didn't work.")).to_be_visible()
    assert rows("SELECT sign_count FROM factors WHERE user_id = %s", admin.id) == [(0,)]

    devtools.send("WebAuthn.clearCredentials", {"authenticatorId": machine})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The passkey did not answer.")).to_be_visible()
