"""The frame and the pieces, drawn in a real browser under the policy on content that production sends.

A small Flask application stands in for the product: it serves gallery.html and answers what the scripts ask.
"""

import json
import logging
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_core_python import sync_playwright as axe
from flask import Flask, Response, jsonify, render_template, request
from flask_babel import Babel
from jinja2 import ChoiceLoader, FileSystemLoader
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from helpline.web.frame import _RAIL

WEB = Path(__file__).parents[2] / "helpline" / "web"
POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
PAGES = ("desk", "work", "case", "figures", "sign-in", "portal")
WORDS = json.loads((Path(__file__).parent / "gallery.json").read_text())
PROVINCES = [
    ("OM", 4, 1),
    ("PV", 5, 1),
    ("ST", 6, 1),
    ("RT", 7, 1),
    ("BM", 2, 2),
    ("SR", 3, 2),
    ("KT", 5, 2),
    ("MK", 7, 2),
    ("PL", 1, 3),
    ("BB", 2, 3),
    ("PP", 4, 4),
    ("KE", 4, 5),
]
REASONS = [
    {"value": "1", "group": "Violence", "label": "Physical violence"},
    {"value": "7", "group": "Mental health", "label": "Mood"},
    {"value": "8", "group": "Mental health", "label": "Anger"},
]


class Server:
    """What the pages talk to, and what it heard."""

    def __init__(self) -> None:
        self.app = Flask("gallery", static_folder=str(WEB / "static"), static_url_path="/static")
        self.app.jinja_env.loader = ChoiceLoader(
            [FileSystemLoader(WEB / "templates"), FileSystemLoader(Path(__file__).parent)]
        )
        Babel(self.app, locale_selector=lambda: request.args.get("lang", "en"))
        self.drafts: dict[str, dict] = {}
        self.heard: list[str] = []
        self.password = "right"
        self.locked = False
        self.lock_heard = threading.Event()
        self.routes()
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def routes(self) -> None:
        app = self.app
        app.context_processor(lambda: {"frame": frame()})
        app.after_request(self.protect)
        app.add_url_rule("/<page>", "page", self.page)
        app.add_url_rule(
            "/error/<int:status>",
            "error",
            lambda status: (render_template("error.html", status=status, request_id="r-1"), status),
        )
        app.add_url_rule("/leave/", "leave", lambda: render_template("leave.html"))
        app.add_url_rule("/lock", "lock", self.lock, methods=["POST"])
        app.add_url_rule("/unlock", "unlock", self.unlock, methods=["POST"])
        app.add_url_rule("/sign-out", "sign_out", lambda: "out", methods=["POST"])
        app.add_url_rule("/theme", "theme", lambda: ("", 204), methods=["POST"])
        app.add_url_rule("/drafts/<key>", "draft", self.draft, methods=["GET", "PUT"])
        app.add_url_rule("/fragment", "fragment", self.fragment, methods=["POST"])
        app.add_url_rule(
            "/places",
            "places",
            lambda: jsonify(
                [{"value": "17", "label": "Siem Reap", "detail": "Province"}, {"value": "18", "label": "Svay Dangkum"}]
            ),
        )
        app.add_url_rule("/reasons", "reasons", lambda: jsonify(items=REASONS))
        app.add_url_rule("/done", "done", self.done, methods=["POST"])

    def protect(self, response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store" if not request.path.startswith("/static") else "max-age=600"
        return response

    def page(self, page: str) -> str:
        errors = {"relation": ["Say how the caller knows the child."]} if "wrong" in request.args else {}
        heat = [
            {"label": day, "cells": [{"value": (d * 7 + h * 5) % 31, "href": "#"} for h in range(24)]}
            for d, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
        ]
        places = [
            {"code": code, "name": f"Province {code}", "value": i * 25, "href": "#", "col": x, "row": y}
            for i, (code, x, y) in enumerate(PROVINCES)
        ]
        return render_template(
            "gallery.html",
            page=page,
            errors=errors,
            en=WORDS["en"],
            km=WORDS["km"],
            heat=heat,
            provinces=places,
            hours=[str(h) if h % 6 == 0 else "" for h in range(24)],
            started=datetime.now(UTC).isoformat(),
            saved=self.drafts.get("d1", {}).get("saved_at"),
        )

    def draft(self, key: str) -> tuple[Response, int] | Response:
        if self.locked:
            return jsonify(), 401
        if request.method == "PUT":
            self.drafts[key] = {"fields": request.json["fields"], "saved_at": f"v{len(self.heard)}"}
            self.heard.append("draft")
        return jsonify(self.drafts[key])

    def lock(self) -> tuple[str, int]:
        self.locked = True
        self.heard.append("lock")
        self.lock_heard.set()
        return "", 204

    def unlock(self) -> tuple[Response, int] | Response:
        if request.form["password"] != self.password:
            return jsonify(), 403
        self.locked = False
        return jsonify(csrf_token="renewed")

    def fragment(self) -> tuple[str, int]:
        self.heard.append(f"{request.headers['X-CSRFToken']} {request.headers['HX-Request']}")
        return ("<p>nothing for you</p>", 401) if self.locked else ("<p>fetched</p>", 200)

    def done(self) -> Response:
        return jsonify({key: request.form.getlist(key) for key in request.form})


def frame() -> dict:
    lang = request.args.get("lang", "en")
    words = WORDS[lang]
    rail = [
        {
            "url": f"/{page}",
            "label": words[f"rail_{icon}"],
            "icon": icon,
            "count": count,
            "current": request.path == f"/{page}",
        }
        for page, icon, count in (
            ("desk", "call", 0),
            ("work", "work", 3),
            ("case", "cases", 0),
            ("figures", "figures", 0),
            ("agencies", "agencies", 0),
            ("inbox", "inbox", 1),
        )
    ]
    return {
        "role_label": words["role"],
        "rail": rail,
        "locale": lang,
        "locales": [("en", "English", "?lang=en"), ("km", "ខ្មែរ", "?lang=km")],
        "theme": request.args.get("theme"),
        "user_name": "sokha@demo",
        "user_id": "u1",
        "csrf_token": "token",
        "idle_seconds": request.args.get("idle", 0),
        "banner": "",
        "lock_url": "/lock",
        "unlock_url": "/unlock",
        "leave_url": "/leave/",
        "sign_out_url": "/sign-out",
        "theme_url": "/theme",
        "find_url": "/find",
        "drafts_done": request.args.getlist("done_draft"),
    }


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    gallery = Server()
    thread = threading.Thread(target=gallery.server.serve_forever, daemon=True)
    thread.start()
    yield gallery
    gallery.server.shutdown()
    thread.join()
    gallery.server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A fresh profile; anything the console complains about fails the test."""
    server.drafts.clear()
    server.heard.clear()
    server.locked = False
    context = browser.new_context(viewport={"width": 1366, "height": 768}, base_url=server.url)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert [
        c
        for c in complaints
        if "401" not in c and "403" not in c and "ERR_INTERNET_DISCONNECTED" not in c and "status of" not in c
    ] == []


def is_clean(page: Page, part: str | None = None) -> None:
    report = axe.Axe().run(page, part)
    found = [(v["id"], [n["html"][:150] for n in v["nodes"]]) for v in report["violations"]]
    assert found == [], found


def ready(page: Page) -> None:
    page.locator("form[data-draft-ready]").wait_for()


@pytest.mark.browser
@pytest.mark.parametrize(("lang", "theme"), [("en", "dark"), ("km", "light")])
@pytest.mark.parametrize("name", PAGES)
def test_every_piece_is_accessible_and_fits(page: Page, name: str, lang: str, theme: str) -> None:
    page.goto(f"/{name}?lang={lang}&theme={theme}&wrong=1")
    for width, height in ((1366, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        is_clean(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (
            "the page must not scroll sideways"
        )


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_text_at_twice_the_size_fits_a_laptop(page: Page, name: str) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(f"/{name}?lang=km")
    page.evaluate("document.styleSheets[0].insertRule('html { font-size: 200% }')")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_targets_on_a_phone_are_large_enough(page: Page, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/{name}")
    small = page.evaluate("""[...document.querySelectorAll('button, .btn, .seg label, input:not([type=radio], [type=checkbox], [type=hidden]), select, label.chip, .rail a, .quiet')]
        .filter((el) => el.checkVisibility() && !el.closest('.away, dialog') && el.getBoundingClientRect().height < 43.5).map((el) => el.outerHTML.slice(0, 120))""")
    assert small == []
    assert page.locator(".rail li:visible").count() in (0, 5)  # a bare page has no rail


def test_no_template_or_page_needs_inline_code() -> None:
    for path in [*WEB.glob("templates/**/*.html"), *Path(__file__).parent.glob("*.html")]:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", path.read_text()), path


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 429, 500, 503])
def test_an_error_says_what_to_do_next_and_nothing_of_the_inside(server: Server, status: int) -> None:
    answer = server.app.test_client().get(f"/error/{status}")
    assert answer.status_code == status
    assert answer.text.count("btn main") <= 2  # one for the page, one in the closed lock dialog
    assert "Traceback" not in answer.text
    assert str(status) not in re.sub(r"data-status=\"\d+\"", "", answer.text).split("<main")[1]


def test_every_icon_of_the_rail_is_drawn() -> None:
    drawn = set(re.findall(r'id="(\w+)"', (WEB / "static" / "icons.svg").read_text()))
    assert {icon for _endpoint, _label, icon, _permission in _RAIL.values()} <= drawn


def test_an_error_page_needs_nothing_but_its_status(server: Server) -> None:
    with server.app.test_request_context():
        html = server.app.jinja_env.get_template("error.html").render(status=503)
    assert "Part of the system is resting" in html


def test_what_people_type_is_escaped(server: Server) -> None:
    with server.app.test_request_context():
        forms = server.app.jinja_env.get_template("macros/forms.html").module
        nasty = "<b>\"x'"
        for html in (
            forms.text("a", nasty, value=nasty),
            forms.textarea("a", "A", value=nasty),
            forms.category("a", "A", "/s", selected=[{"value": nasty, "label": nasty, "group": nasty}]),
            forms.text("a", "A", form={"data": {}, "errors": {"a": [nasty]}}),
        ):
            assert '<b>"' not in html
            assert "&lt;b&gt;&#34;x&#39;" in html


def test_a_wrong_answer_is_said_beside_the_field_and_in_the_summary(server: Server) -> None:
    html = server.app.test_client().get("/desk?wrong=1").text
    assert 'href="#relation"' in html
    assert 'aria-describedby="relation-error" aria-invalid="true"' in html
    assert 'id="relation-error">Say how the caller knows the child.' in html


@pytest.mark.browser
def test_what_was_typed_survives_a_reload_and_is_on_the_server(page: Page, server: Server) -> None:
    page.goto("/desk")
    ready(page)
    page.fill("#story", "She is safe now")
    page.keyboard.press("Alt+c")
    page.fill('[name="children-1-name"]', "វណ្ណា")
    page.locator('[data-draft-status][data-state="both"]').wait_for()
    assert ["story", "She is safe now"] in server.drafts["d1"]["fields"]
    page.reload()
    page.locator('[name="children-1-name"]').wait_for()
    assert page.input_value('[name="children-1-name"]') == "វណ្ណា"
    assert page.input_value("#story") == "She is safe now"


@pytest.mark.browser
def test_offline_text_is_kept_here_and_sent_later(page: Page, server: Server) -> None:
    page.goto("/desk")
    ready(page)
    page.context.set_offline(True)
    page.fill("#story", "typed without a line")
    page.locator('[data-draft-status][data-state="here"]').wait_for()
    page.keyboard.press("Control+Shift+Enter")
    page.locator('[data-draft-status][data-state="offline"]').wait_for()
    assert page.url.endswith("/desk")
    assert server.drafts == {}
    page.context.set_offline(False)
    page.locator('[data-draft-status][data-state="both"]').wait_for()
    assert ["story", "typed without a line"] in server.drafts["d1"]["fields"]


@pytest.mark.browser
def test_the_local_copy_is_sealed_and_gone_after_sign_out(page: Page) -> None:
    page.goto("/desk")
    ready(page)
    page.fill("#story", "a secret of a child")
    page.locator('[data-draft-status][data-state="both"]').wait_for()
    raw = page.evaluate("""async () => { const db = await new Promise((go) => { const r = indexedDB.open('helpline-drafts-u1'); r.onsuccess = () => go(r.result); });
        const tx = db.transaction(['drafts', 'keys']); const get = (store) => new Promise((go) => { const r = tx.objectStore(store).getAll(); r.onsuccess = () => go(r.result); });
        const [row] = await get('drafts'); const [key] = await get('keys'); db.close();
        return { text: new TextDecoder('latin1').decode(row.sealed), extractable: key.extractable }; }""")
    assert "secret" not in raw["text"]
    assert raw["extractable"] is False
    page.click("[popovertarget=me]")
    page.click("[data-sign-out] button")
    page.wait_for_url("**/sign-out")
    assert page.evaluate("async () => (await indexedDB.databases()).map((db) => db.name)") == []


@pytest.mark.browser
def test_a_posted_draft_is_forgotten_when_a_page_says_it_is_done(page: Page, server: Server) -> None:
    page.goto("/desk")
    ready(page)
    page.fill("#story", "posted")
    page.locator('[data-draft-status][data-state="both"]').wait_for()
    server.drafts.clear()
    page.goto("/desk")
    ready(page)
    assert page.input_value("#story") == "posted"  # not yet: the server has not said so
    page.goto("/desk?done_draft=d1")
    ready(page)
    assert page.input_value("#story") == WORDS["en"]["story"]


@pytest.mark.browser
def test_escape_three_times_shows_a_neutral_page_and_locks(page: Page, server: Server) -> None:
    page.goto("/desk")
    ready(page)
    page.fill("#story", "half a sentence")
    server.lock_heard.clear()
    for _ in range(3):
        page.keyboard.press("Escape")
    page.wait_for_url("**/leave/")
    assert server.lock_heard.wait(10), "the lock travels on after the page is gone"
    assert "Helpline" not in page.content()


@pytest.mark.browser
def test_an_idle_page_is_covered_until_the_password_is_given(page: Page, server: Server) -> None:
    page.goto("/desk?idle=2")
    ready(page)
    page.fill("#story", "kept behind the lock")
    page.locator("dialog#lock[open]").wait_for()
    assert not page.locator("#story").is_visible()
    is_clean(page, "#lock")
    page.fill("#lock-password", "wrong")
    page.keyboard.press("Enter")
    page.locator("[data-say=wrong]").wait_for()
    page.fill("#lock-password", "right")
    page.keyboard.press("Enter")
    page.locator("dialog#lock").wait_for(state="hidden")
    assert page.input_value("#story") == "kept behind the lock"
    assert page.get_attribute('meta[name="csrf-token"]', "content") == "renewed"
    assert server.locked is False


@pytest.mark.browser
def test_an_expired_session_locks_and_then_sends_the_draft(page: Page, server: Server) -> None:
    page.goto("/desk")
    ready(page)
    server.locked = True
    page.fill("#story", "typed after the end")
    page.locator("dialog#lock[open]").wait_for()
    page.fill("#lock-password", "right")
    page.keyboard.press("Enter")
    page.locator('[data-draft-status][data-state="both"]').wait_for()
    assert ["story", "typed after the end"] in server.drafts["d1"]["fields"]


@pytest.mark.browser
def test_htmx_runs_under_the_policy_carries_the_token_and_a_401_locks_without_swapping(
    page: Page, server: Server
) -> None:
    page.goto("/work")
    server.locked = True
    page.click("#fragment button")
    page.locator("dialog#lock[open]").wait_for()
    page.fill("#lock-password", "right")
    page.keyboard.press("Enter")
    page.locator("dialog#lock").wait_for(state="hidden")
    page.click("#fragment button")
    page.locator("#fragment p").wait_for()
    assert page.text_content("#fragment") == "fetched"
    assert server.heard == ["token true", "renewed true"]


@pytest.mark.browser
def test_the_menu_and_the_question_before_a_step_are_accessible(page: Page) -> None:
    page.goto("/case")
    page.click("[popovertarget=me]")
    is_clean(page)
    page.keyboard.press("Escape")
    page.click("[popovertarget=void]")
    page.locator("#void:popover-open #reason").wait_for()
    is_clean(page)
    page.keyboard.press("Escape")
    assert not page.locator("#void").is_visible()


@pytest.mark.browser
def test_a_place_is_chosen_by_keyboard_and_posted_by_its_id(page: Page) -> None:
    page.goto("/desk")
    ready(page)
    field = page.locator("#children-0-place")
    field.press_sequentially("siem")
    page.locator("[role=option]").first.wait_for()
    field.press("ArrowDown")
    field.press("ArrowDown")
    assert page.locator("[role=option][aria-selected=true]").text_content() == "Svay Dangkum"
    field.press("Enter")
    page.keyboard.press("Control+Shift+Enter")
    page.wait_for_url("**/done")
    posted = json.loads(page.locator("body").text_content() or "")
    assert posted["children-0-place"] == ["18"]
    assert posted["children-0-place_text"] == ["Svay Dangkum"]


@pytest.mark.browser
def test_reasons_are_added_reordered_and_removed_by_keyboard(page: Page) -> None:
    page.goto("/desk")
    ready(page)
    field = page.locator("#reasons")
    field.press_sequentially("mood")
    page.locator("[role=option]").first.wait_for()
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    field.press("Backspace")
    page.keyboard.press("Home")  # the new one becomes the main one
    page.keyboard.press("ArrowDown")
    page.locator(".picks li input").nth(2).press("Delete")
    page.locator('[data-draft-status][data-state="both"]').wait_for()
    page.reload()
    ready(page)
    values = page.locator(".picks input").evaluate_all("(els) => els.map((el) => el.value)")
    assert values == ["7", "1"]


@pytest.mark.browser
def test_a_letter_is_a_key_only_while_nobody_types_even_on_a_khmer_layout(page: Page) -> None:
    page.goto("/figures")
    page.locator(".figure").first.wait_for()
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ត', code: 'KeyT', bubbles: true}))")
    assert page.locator(".figure.as-table").count() == 5
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "text"
    page.keyboard.type("t/")
    assert page.input_value("[name=text]") == "t/"
    assert page.locator(".figure.as-table").count() == 5
    is_clean(page)


@pytest.mark.browser
def test_without_script_the_form_still_posts_what_was_typed(browser: Browser, server: Server) -> None:
    with browser.new_context(java_script_enabled=False, base_url=server.url) as context:
        tab = context.new_page()
        tab.goto("/desk")
        tab.fill("#children-0-place", "Siem Reap")
        tab.click(".foot .btn.main")
        posted = json.loads(tab.locator("body").text_content() or "")
        assert posted["children-0-place_text"] == ["Siem Reap"]
        assert posted["reasons"] == ["1", "2"]
        assert posted["hurt"] == ["yes"]
