"""What every answer tells a browser: no frame, no script but ours, no guess, no copy kept, no cookie lent."""

import re
from dataclasses import replace

import pytest

from helpline.app import create_app
from helpline.foundation.db import db
from helpline.settings import ROOT
from tests.architecture.test_doors import ADMITTED, ANYBODY, LINK
from tests.attacks.conftest import nowhere
from tests.factories.accounts import PASSWORD, sign_in

POLICY = {
    "default-src": "'self'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
    "font-src": "'self'", "connect-src": "'self'", "object-src": "'none'", "frame-ancestors": "'none'",
    "base-uri": "'none'", "form-action": "'self'",
}  # fmt: skip
ALWAYS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip


def holds(answer):
    told = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert told == POLICY
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
    return answer.headers.getlist("Cache-Control")


def test_every_answer_of_every_route_says_so(app, staff):
    """To whoever may and to a stranger; what is there, what isn't, and what was refused."""
    browsers = {role: staff.browser(role).client for role in staff.people} | {"visitor": app.test_client()}
    for rule in app.url_map.iter_rules():
        who = ADMITTED[rule.endpoint] or ANYBODY
        role = "visitor" if rule.endpoint in {"accounts.sign_out", "accounts.lock"} else min(who)
        for method in sorted(rule.methods - {"HEAD"} - ({"OPTIONS"} if rule.endpoint == "static" else set())):
            for client in (browsers[role], browsers["visitor"]):
                assert holds(client.open(nowhere(rule.rule), method=method)) == ["no-store"], f"{method} {rule.rule}"
    assert holds(app.test_client().get("/nothing/at/all")) == ["no-store"]


def test_only_files_of_ours_are_kept_and_no_page_among_them(app, staff):
    """A page that says "not found" carries a token and may set a cookie: a cache must not hand it to the next."""
    client = app.test_client()
    folder = app.static_url_path
    with client.get(f"{folder}/js/repeat.js") as script:
        assert holds(script) == ["public, max-age=31536000, immutable"]
    missing = client.get(f"{folder}/js/nothing.js")
    assert missing.status_code == 404
    assert holds(missing) == ["no-store"]
    for path in ("../../settings.py", "..%2f..%2fsettings.py", "%2e%2e/%2e%2e/app.py", "/etc/passwd", "js/"):
        answer = client.get(f"{folder}/{path}")
        assert answer.status_code in {404, 308}
        assert "import" not in answer.text


# Files that leave the house, whole in themselves: no page of ours. Each brings a policy of its own, stricter than ours.
LEAVING = {"registers/package.html"}
THEIRS = {
    "default-src": "'none'", "style-src": "'unsafe-inline'", "font-src": "data:", "base-uri": "'none'",
    "form-action": "'none'",
}  # fmt: skip
TEMPLATES = sorted((ROOT / "helpline").rglob("*.html"))
INLINE = {
    "script": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE),
    "handler": re.compile(r"<[^>{]*\son[a-z]+\s*=", re.IGNORECASE),
    "style": re.compile(r"<style\b|<[^>{]*\sstyle\s*=", re.IGNORECASE),
    "address": re.compile(r"(?:javascript|vbscript):", re.IGNORECASE),
    "unescaped": re.compile(r"\|\s*safe\b|autoescape\s+false", re.IGNORECASE),
}


def needs(path):
    """What of the forbidden this template needs."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {name for name, pattern in INLINE.items() if pattern.search(text)} - data_blocks(text)


def named(path):
    return path.relative_to(path.parents[1]).as_posix()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(path):
    assert needs(path) <= ({"style"} if named(path) in LEAVING else set())


def test_a_file_that_leaves_the_house_forbids_whoever_opens_it_more_than_a_page_does():
    """Before anything else in it is read; the one thing it may is to look as it does, without asking anybody."""
    found = {named(path): path for path in TEMPLATES if named(path) in LEAVING}
    assert set(found) == LEAVING
    for path in found.values():
        text = path.read_text(encoding="utf-8")
        [told] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
        assert dict(part.strip().split(" ", 1) for part in told.split(";")) == THEIRS
        assert text.index(told) < min(text.index(tag) for tag in ("<title", "<style", "<body"))
        assert not re.search(r"<(script|link|img|iframe|form|a)\b", text)
        assert needs(path) == {"style"}


def data_blocks(text):
    """`script` where each one without an address holds data, which browsers never run."""
    bare = INLINE["script"].findall(text)
    return {"script"} if bare and all('type="application/json"' in tag for tag in bare) else set()


def test_what_people_typed_is_text_in_every_page(staff, rows):
    """A name that is markup, on the page of whoever looks at it."""
    browser = staff.browser("admin")
    poison = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
    rows("UPDATE users SET name = %s WHERE id = %s", poison, browser.user.id)
    for path in ("/account", "/staff", f"/staff/{browser.user.id}", "/account/security"):
        page = browser.client.get(path)
        assert page.status_code == 200
        assert "alert(1)" in page.text
        assert "<img src=x" not in page.text
        assert "<script>alert" not in page.text
    rows("UPDATE users SET name = 'Admin' WHERE id = %s", browser.user.id)


@pytest.fixture(scope="module")
def behind_tls(settings):
    app = create_app(replace(settings, secure_cookies=True))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_cookies_stay_with_this_host_over_tls_out_of_scripts_reach(behind_tls, make_person):
    browser = behind_tls.test_client()
    sign_in(browser, make_person("operator"))
    answers = [behind_tls.test_client().get("/sign-in", base_url="https://helpline.example.org")]
    answers += [browser.get("/language/km", base_url="https://localhost")]
    cookies = [cookie for answer in answers for cookie in answer.headers.getlist("Set-Cookie")]
    names = {cookie.partition("=")[0] for cookie in cookies}
    assert names == {"__Host-helpline", "__Host-locale"}
    for cookie in cookies:
        parts = {part.strip() for part in cookie.split(";")}
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= parts, cookie
        assert not [part for part in parts if part.startswith("Domain=")]
    assert browser.get("/account", base_url="https://localhost").status_code == 200
    assert 'lang="km"' in browser.get("/leave/", base_url="https://localhost").text


def test_a_cookie_that_a_neighbour_planted_is_not_ours(behind_tls, staff):
    """A name without the prefix can be set by any host of the domain: it signs nobody in."""
    browser = staff.browser("operator").client
    session = browser.get_cookie("helpline").value
    other = behind_tls.test_client()
    other.set_cookie("helpline", session, domain="localhost")
    assert other.get("/account", base_url="https://localhost").status_code == 302


def test_tls_is_demanded_for_a_year_where_there_is_tls(app, behind_tls):
    assert "Strict-Transport-Security" not in app.test_client().get("/sign-in").headers
    told = behind_tls.test_client().get("/sign-in", base_url="https://localhost").headers["Strict-Transport-Security"]
    assert told == "max-age=31536000; includeSubDomains"


def test_nothing_secret_stands_in_an_address(app):
    """Tokens of partners' and invitations' links are the one exception; they end, and no other site is told them."""
    tokens = {rule.endpoint for rule in app.url_map.iter_rules() if "<token>" in rule.rule}
    assert tokens == {name for name, who in ADMITTED.items() if who == LINK and not name.endswith("portal")} | {
        "accounts.invitation", "accounts.join", "accounts.new_password", "accounts.take_password",
    }  # fmt: skip
    browser = app.test_client()
    assert browser.get(f"/sign-in?login=somebody&password={PASSWORD}").text.count("somebody") == 0
