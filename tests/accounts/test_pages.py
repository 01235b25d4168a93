"""The whole way through the door, by a browser without script."""

import re
import threading
from datetime import timedelta

import psycopg
import pytest
from argon2 import PasswordHasher
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from helpline.accounts.gateways import RedisCounters
from helpline.accounts.services import passwords, sessions
from helpline.accounts.vocabulary import LinkPurpose
from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from tests.factories import accounts
from tests.factories.accounts import PASSWORD, make_centre, make_team, make_user, set_password
from tests.journeys.stack import until

OTHER = "nobody else says it so"
pytestmark = pytest.mark.usefixtures("_fresh_counters")


@pytest.fixture
def change(database_urls):
    def do(sql, *values):
        with psycopg.connect(database_urls["owner"]) as connection:
            connection.execute(sql, values)

    return do


@pytest.fixture
def admin(make_person):
    person = make_person("admin")
    set_password(person)
    return person


@pytest.fixture
def inside(client, admin):
    """The client, signed in as the administrator, who gave a second factor just now."""
    accounts.sign_in(client, admin, fresh=True)
    return client


def token_of(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def post(client, path, page="/account", **form):
    return client.post(path, data={"csrf_token": token_of(client.get(page))} | form)


def sign_in(client, login, password=PASSWORD, **more):
    return post(client, "/sign-in", "/sign-in", login=login, password=password, **more)


def test_signing_in_and_out(client, admin, rows):
    assert client.get("/account").location == "/sign-in?next=%2Faccount"
    assert sign_in(client, admin.login.upper()).status_code == 303
    assert client.get("/account").status_code == 200
    assert post(client, "/sign-out").location == "/sign-in"
    assert client.get("/account").status_code == 302
    assert rows("SELECT ended_at IS NOT NULL FROM user_sessions WHERE user_id = %s", admin.id) == [(True,)]
    done = rows("SELECT action FROM audit_entries WHERE centre_id = %s ORDER BY id", admin.centre.id)
    assert [action for (action,) in done if action.startswith("session")] == ["session.started", "session.ended"]


def test_an_address_serves_as_login(client, admin):
    assert sign_in(client, admin.email).status_code == 303


def test_signing_in_changes_the_cookie_and_its_token(client, admin):
    page = client.get("/sign-in")
    with client.session_transaction() as before:
        before["planted"] = "by a stranger"
    sign_in(client, admin.login)
    with client.session_transaction() as first:
        assert "planted" not in first
        token = first["_user_id"]
    assert client.post("/sign-out", data={"csrf_token": token_of(page)}).status_code == 400  # that was another cookie
    sign_in_again = client.post(
        "/sign-in", data={"csrf_token": token_of(client.get("/account")), "login": admin.login, "password": PASSWORD}
    )
    assert sign_in_again.status_code == 303
    with client.session_transaction() as second:
        assert second["_user_id"] != token
    with client.application.app_context():
        assert sessions.identify_session(token) is None


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/account/tokens", "/account/tokens"),
        ("https://evil.example/", None),
        ("//evil.example/", None),
        ("/\\evil.example", None),
        ("javascript:alert(1)", None),
        ("/ok\r\nX: y", None),
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(client, admin, asked, given):
    answer = sign_in(client, admin.login, next=asked)
    assert answer.status_code == 303
    assert answer.location == (given or "/staff")


def test_a_form_without_its_token_is_refused(client, admin):
    assert client.post("/sign-in", data={"login": admin.login, "password": PASSWORD}).status_code == 400


@pytest.fixture
def verifications(monkeypatch):
    """Every Argon2 verification that is really done: the work that an asker could time."""
    seen = []
    real = PasswordHasher.verify

    def verify(self, stored, given):
        seen.append(stored)
        return real(self, stored, given)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    return seen


def plain(answer, login):
    return re.sub(r'(csrf[^>]*"|X-CSRFToken": ")[^"]+', "", answer.text).replace(login, "LOGIN")


@pytest.mark.parametrize("status", ["active", "invited", "deactivated", "unknown", "demo"])
def test_every_refusal_looks_alike_and_takes_one_verification(client, make_person, change, verifications, status):
    person = make_person("operator", status=status if status in {"active", "invited", "deactivated"} else "active")
    if status != "invited":
        set_password(person)
    if status == "demo":
        change("UPDATE users SET demo = true WHERE id = %s", person.id)
    login = person.login if status != "unknown" else f"nobody.{person.login}"
    wrong = OTHER if status == "active" else PASSWORD
    answer = sign_in(client, login, wrong)
    assert answer.status_code == 422
    assert len(verifications) == 1
    assert plain(answer, login) == plain(sign_in(client, "someone.else", OTHER), "someone.else")


def test_after_five_tries_even_the_right_password_stays_outside(client, admin, make_person):
    answers = [sign_in(client, admin.login, OTHER) for _ in range(5)]
    assert sign_in(client, admin.login).status_code == 422
    assert plain(sign_in(client, admin.login), admin.login) == plain(answers[0], admin.login)
    another = make_person("admin")
    set_password(another)
    assert sign_in(client, another.login).status_code == 303, "a name shut for one address is no other's harm"


def test_unknown_names_are_shut_out_alike(client, verifications):
    for _ in range(6):
        assert sign_in(client, "nobody.at.all").status_code == 422
    assert len(verifications) == 5


@pytest.fixture
def redis_away(_fresh_counters, monkeypatch, change):
    """Nothing listens there, as after Redis has stopped."""
    change("DELETE FROM tries")
    monkeypatch.setattr(sessions.door, "counters", RedisCounters("redis://127.0.0.1:1/0"))


@pytest.mark.usefixtures("redis_away")
def test_while_redis_is_away_tries_are_counted_all_the_same(client, admin, verifications, change):
    assert sign_in(client, admin.login).status_code == 303
    client.delete_cookie("helpline")
    for _ in range(5):
        assert sign_in(client, admin.login, OTHER).status_code == 422
    assert sign_in(client, admin.login).status_code == 422
    assert len(verifications) == 6, "the password was not even looked at"
    change("UPDATE tries SET until_at = now()")
    assert sign_in(client, admin.login).status_code == 303


@pytest.mark.usefixtures("redis_away")
def test_a_good_sign_in_forgives_what_was_counted_meanwhile(client, admin):
    for _ in range(2):
        for _ in range(4):
            assert sign_in(client, admin.login, OTHER).status_code == 422
        assert sign_in(client, admin.login).status_code == 303
        client.delete_cookie("helpline")


def test_locking_shows_nothing_until_the_password(inside, admin):
    token = token_of(inside.get("/account"))
    assert inside.post("/lock", data={"csrf_token": token}).status_code == 204
    assert inside.get("/account").location == "/unlock?next=%2Faccount"
    assert inside.get("/account", headers={"HX-Request": "true"}).status_code == 401
    assert inside.post("/unlock", data={"csrf_token": token, "password": OTHER}).status_code == 403
    assert inside.get("/account").status_code == 302
    answer = inside.post("/unlock", data={"csrf_token": token, "password": PASSWORD})
    assert answer.status_code == 200
    assert set(answer.json) <= {"csrf_token"}
    assert inside.get("/account").status_code == 200


def test_unlocking_by_its_own_page(inside):
    page = inside.get("/account")
    assert inside.post("/lock", data={"csrf_token": token_of(page), "leave": "1"}).location == "/leave/"
    page = inside.get("/unlock?next=/account/tokens")
    assert "account/tokens" in page.text
    form = {"csrf_token": token_of(page), "next": "/account/tokens"}
    assert inside.post("/unlock", data=form | {"password": OTHER}).status_code == 422
    assert inside.post("/unlock", data=form | {"password": PASSWORD}).location == "/account/tokens"


def test_the_leave_page_says_nothing(inside, admin):
    page = inside.get("/leave/")
    assert page.status_code == 200
    assert "elpline" not in page.text
    assert str(admin.id) not in page.text


def test_too_many_wrong_passwords_end_a_locked_session(inside):
    token = token_of(inside.get("/account"))
    inside.post("/lock", data={"csrf_token": token})
    for _ in range(5):
        assert inside.post("/unlock", data={"csrf_token": token, "password": OTHER}).status_code == 403
    assert inside.post("/unlock", data={"csrf_token": token, "password": PASSWORD}).json == {"location": "/sign-in"}
    assert inside.get("/account").location.startswith("/sign-in")


def test_an_idle_session_locks_and_an_old_one_ends(inside, later):
    later(minutes=14)
    assert inside.get("/account").status_code == 200
    later(minutes=28)
    assert inside.get("/account").status_code == 200, "the touch a quarter of an hour ago counts"
    later(minutes=28 + 16)
    assert inside.get("/account").location == "/unlock?next=%2Faccount"
    later(hours=12)
    assert inside.get("/account").location.startswith("/sign-in")


def test_seen_is_written_once_a_minute(inside, later, statements):
    inside.get("/account")
    statements.clear()
    inside.get("/account")
    assert not [sql for sql in statements if "touch_session" in sql]
    later(minutes=2)
    inside.get("/account")
    assert len([sql for sql in statements if "touch_session" in sql]) == 1


def test_what_a_signed_in_request_costs(inside, statements):
    inside.get("/leave/")
    statements.clear()
    inside.get("/leave/")
    assert len(statements) <= 3, "who is it, as the visitor; then as them"


def link_of(purpose, person, version=0, hours=1):
    return passwords.link_path(purpose, person.id, version, now() + timedelta(hours=hours))


def test_an_invitation_is_accepted_once(client, make_person, rows):
    person = make_person("operator", status="invited")
    path = link_of(LinkPurpose.INVITATION, person)
    for _ in range(2):
        assert client.get(path).status_code == 200, "opening it changes nothing: mail scanners do"
    for weak in ("short", "passwordpassword", person.login + "helpline", "1234567890123456"):
        refused = post(client, path, path, password=weak)
        assert refused.status_code == 422
        assert weak not in refused.text
    assert post(client, path, path, password=OTHER).status_code == 303
    assert rows("SELECT status FROM users WHERE id = %s", person.id) == [("active",)]
    assert client.get(path).status_code == 410
    assert post(client, path, "/sign-in", password=PASSWORD).status_code == 410
    assert sign_in(client, person.login, OTHER).status_code == 303


def test_a_link_is_good_for_its_purpose_and_time_only(client, make_person):
    person = make_person("operator", status="invited")
    invitation = link_of(LinkPurpose.INVITATION, person)
    assert client.get(invitation.replace("/invitation/", "/password/")).status_code == 410
    assert client.get(invitation[:-1] + ("x" if invitation[-1] != "x" else "y")).status_code == 410
    assert client.get(link_of(LinkPurpose.INVITATION, person, hours=-1)).status_code == 410
    assert client.get(link_of(LinkPurpose.PASSWORD, person)).status_code == 410
    gone = make_person("operator", status="deactivated")
    assert client.get(link_of(LinkPurpose.INVITATION, gone)).status_code == 410


def test_a_forgotten_password(client, admin, rows):
    known = post(client, "/forgotten", "/forgotten", login=admin.email)
    unknown = post(client, "/forgotten", "/forgotten", login="nobody@nowhere.test")
    assert known.status_code == unknown.status_code == 200
    assert plain(known, admin.email) == plain(unknown, admin.email)
    asked = rows(
        "SELECT payload FROM outbox_events WHERE name = 'accounts.password_reset_requested'"
        " AND payload ->> 'user_id' = %s",
        str(admin.id),
    )
    assert len(asked) == 1
    sign_in(client, admin.login)
    path = link_of(LinkPurpose.PASSWORD, admin, version=asked[0][0]["version"])
    assert post(client, path, path, password=OTHER).status_code == 303
    assert client.get("/account").status_code == 302, "every session has ended"
    assert sign_in(client, admin.login).status_code == 422
    assert sign_in(client, admin.login, OTHER).status_code == 303
    assert client.get(path).status_code == 410


def test_links_are_sent_a_few_times_an_hour_only(client, admin, rows):
    for _ in range(5):
        post(client, "/forgotten", "/forgotten", login=admin.login)
    found = rows("SELECT count(*) FROM outbox_events WHERE payload ->> 'user_id' = %s", str(admin.id))
    assert found == [(3,)]


def test_changing_ones_own_password_ends_the_other_sessions(app, inside, admin):
    elsewhere = app.test_client()
    sign_in(elsewhere, admin.login)
    assert post(inside, "/account/password", current=OTHER, password=OTHER).status_code == 422
    assert post(inside, "/account/password", current=PASSWORD, password="short").status_code == 422
    assert post(inside, "/account/password", current=PASSWORD, password=OTHER).status_code == 303
    assert inside.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302


def test_ending_a_session_elsewhere(app, inside, admin, make_person, rows):
    elsewhere = app.test_client()
    sign_in(elsewhere, admin.login)
    [(other,)] = rows("SELECT id FROM user_sessions WHERE user_id = %s ORDER BY created_at DESC LIMIT 1", admin.id)
    stranger = make_person("admin")
    third = app.test_client()
    accounts.sign_in(third, stranger)
    assert post(third, f"/account/sessions/{other}/end").status_code == 404, "another's session is not theirs to end"
    assert elsewhere.get("/account").status_code == 200
    assert post(inside, f"/account/sessions/{other}/end").status_code == 303
    assert elsewhere.get("/account").status_code == 302


def test_name_language_and_theme(inside, admin, rows):
    assert post(inside, "/account", name="Sok Chan", locale="km", theme="dark").status_code == 303
    page = inside.get("/account").text
    assert 'lang="km"' in page
    assert 'data-theme="dark"' in page
    assert inside.get("/language/en", headers={"Referer": "http://localhost/account"}).location == "/account"
    assert inside.get("/language/en", headers={"Referer": "https://evil.example/x"}).location == "/"
    assert post(inside, "/theme", theme="light").status_code == 303
    assert rows("SELECT name, locale, theme FROM users WHERE id = %s", admin.id) == [("Sok Chan", "en", "light")]


def test_a_visitor_chooses_a_language(client):
    client.get("/language/km")
    assert '<html lang="km"' in client.get("/sign-in").text
    client.get("/language/xx")
    assert '<html lang="km"' in client.get("/sign-in").text


def test_inviting_from_the_staff_page(inside, admin, rows):
    team = make_team(admin.centre)
    page = inside.get("/staff/new")
    form = {
        "csrf_token": token_of(page), "user_id": str(new_id()), "name": "Chan Dara", "login": f"Dara.{admin.login[-6:]}",
        "email": f"Dara.{admin.login[-6:]}@helpline.test", "role": "caseworker", "locale": "km",
    }  # fmt: skip
    refused = inside.post("/staff/new", data=form)
    assert refused.status_code == 422
    assert "Chan Dara" in refused.text, "what was typed is drawn again"
    for _ in range(2):
        assert inside.post("/staff/new", data=form | {"team_ids": str(team)}).status_code == 303
    assert rows("SELECT status, login FROM users WHERE id = %s", form["user_id"]) == [
        ("invited", form["login"].lower())
    ]
    assert "Chan Dara" in inside.get("/staff").text
    taken = inside.post("/staff/new", data=form | {"user_id": str(new_id()), "team_ids": str(team)})
    assert taken.status_code == 422


def test_deactivation_ends_sessions_at_once(app, inside, admin, make_person):
    person = make_person("supervisor")
    theirs = app.test_client()
    accounts.sign_in(theirs, person)
    assert theirs.get("/account").status_code == 200
    page = f"/staff/{person.id}"
    assert post(inside, f"{page}/deactivate", page, version="2").status_code == 409
    assert post(inside, f"{page}/deactivate", page, version="1").status_code == 303
    assert theirs.get("/account").status_code == 302
    assert post(inside, f"{page}/reactivate", page, version="2").status_code == 303
    assert theirs.get("/account").status_code == 302, "an ended session stays ended"


def test_a_change_of_role_counts_from_the_next_request(app, inside, make_person):
    person = make_person("admin")
    theirs = app.test_client()
    accounts.sign_in(theirs, person)
    assert theirs.get("/staff").status_code == 200
    page = f"/staff/{person.id}"
    assert post(inside, page, page, version="1", name="No Longer", role="auditor").status_code == 303
    assert theirs.get("/staff").status_code == 403


def test_staff_of_another_centre_is_not_there(inside, database_urls):
    stranger = make_user(make_centre(database_urls["owner"]), "operator")
    assert inside.get(f"/staff/{stranger.id}").status_code == 404
    assert stranger.login not in inside.get("/staff").text


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "auditor"])
def test_only_administrators_see_the_staff(client, make_person, role):
    accounts.sign_in(client, make_person(role))
    for path in ("/staff", "/staff/new", "/centre", "/centre/teams/new"):
        assert client.get(path).status_code == 403
    assert client.get("/account").status_code == 200


def test_the_centre_and_its_teams(inside, admin, rows):
    page = inside.get("/centre")
    form = {"version": "1", "name": "Child Helpline", "code": "QQ" + "".join(chr(65 + int(d, 16)) for d in admin.centre.id.hex[-6:]),
            "timezone": "Asia/Phnom_Penh", "languages": "km", "phone": "1280"}  # fmt: skip
    assert post(inside, "/centre", "/centre", **form).status_code == 303
    assert post(inside, "/centre", "/centre", **form).status_code == 409
    assert post(inside, "/centre", "/centre", **form | {"version": "2", "timezone": "Mars/Base"}).status_code == 422
    assert rows("SELECT name, languages, phone FROM centres WHERE id = %s", admin.centre.id) == [
        ("Child Helpline", ["km"], "1280")
    ]
    [(province,)] = rows("SELECT id FROM places WHERE country = 'KH' AND level = 'province' ORDER BY sort LIMIT 1")
    team = {"team_id": str(new_id()), "name": "North", "places": str(province)}
    assert post(inside, "/centre/teams/new", "/centre/teams/new", **team).status_code == 303
    again = post(inside, "/centre/teams/new", "/centre/teams/new", **team | {"team_id": str(new_id())})
    assert again.status_code == 422
    path = f"/centre/teams/{team['team_id']}"
    assert post(inside, path, path, version="1", name="South", active="1").status_code == 303
    assert rows("SELECT name, places, active FROM teams WHERE id = %s", team["team_id"]) == [("South", [], True)]
    assert "South" in inside.get("/centre").text
    assert page.status_code == 200


def test_an_api_token_is_shown_once(inside, client):
    made = post(inside, "/account/tokens", "/account/tokens", name="Figures", days="7", scopes=["user:read"])
    assert (made.status_code, made.location) == (303, "/account/tokens")
    [token] = re.findall(r"hlp_[\w-]+", inside.get("/account/tokens").text)
    again = inside.get("/account/tokens").text
    assert token not in again
    assert again.count("Figures</td>") == 1, "a reload makes no second one"
    assert "their" not in again
    assert (
        post(inside, "/account/tokens", "/account/tokens", name="x", days="7", scopes=["call:log"]).status_code == 422
    )


@pytest.fixture
def address(app):
    """The service on a port of its own, for a real browser."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
def test_in_a_browser_what_was_typed_outlives_the_lock(address, admin, rows):
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        refused = []
        page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
        page.goto(f"{address}/account")
        page.get_by_label("E-mail or user name").fill(admin.login)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/account")

        page.get_by_label("Name", exact=True).fill("Half written")
        page.evaluate("document.dispatchEvent(new Event('helpline:locked'))")
        lock = page.get_by_role("dialog")
        lock.get_by_label("Password").fill(OTHER)
        lock.get_by_role("button", name="Go on").click()
        lock.get_by_text("That did not work.").wait_for()
        lock.get_by_label("Password").fill(PASSWORD)
        lock.get_by_role("button", name="Go on").click()
        lock.wait_for(state="hidden")
        assert page.get_by_label("Name", exact=True).input_value() == "Half written"
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/account?saved=own")

        page.evaluate(  # at once: on a busy machine three presses by hand may come too far apart
            "document.activeElement.blur(); for (let n = 0; n < 3; n++)"
            " document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))"
        )
        page.wait_for_url("**/leave/")
        assert page.title() == "Weather"
        locked = "SELECT FROM user_sessions WHERE user_id = %s AND locked_at IS NOT NULL"
        until(lambda: rows(locked, admin.id), "the lock")  # the page that asked for it is gone by now
        page.goto(f"{address}/account")
        page.wait_for_url("**/unlock?next=%2Faccount")
        assert admin.email not in page.content()
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/account")
        page.get_by_role("button", name="You: Half written").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        browser.close()
    assert not refused
