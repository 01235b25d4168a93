"""Taking a call in a real browser: by keyboard alone, with nothing lost on the way."""

import re
import threading

import psycopg
import pytest
from playwright.sync_api import expect, sync_playwright
from werkzeug.serving import make_server

from helpline.foundation.clock import now
from tests.factories.accounts import PASSWORD, set_password

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, served, world):
    set_password(world.operator)
    context = chromium.new_context(base_url=served, viewport={"width": 1366, "height": 768}, locale="en")
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto("/sign-in")
    page.get_by_label(re.compile("user name|sign-in name|e-mail", re.IGNORECASE)).first.fill(world.operator.login)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ready", exact=True)).to_be_visible()
    yield page
    context.close()


def taken(page):
    page.keyboard.press("Enter")
    expect(page.locator("form[data-draft-ready]")).to_be_visible()


def test_a_call_is_taken_and_ended_without_a_mouse(page, world, rows):
    taken(page)
    page.get_by_label("What is happening").focus()
    page.keyboard.type("Hurt at home tonight.")
    page.get_by_role("combobox", name="Why").focus()
    page.keyboard.type("physical v")
    expect(page.locator("[role=option]").first).to_be_visible()
    page.keyboard.press("Enter")
    for question in ("Hurt, or about to be?", "With the person feared, or near?"):
        page.get_by_role("group", name=question).get_by_label("No", exact=True).focus()
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Do now", exact=True)).to_be_visible()
    expect(page.locator("#risk")).to_contain_text("Immediate danger")
    page.keyboard.press("Alt+c")
    expect(page.get_by_role("heading", name="Child 2")).to_be_visible()
    page.keyboard.type("Second child")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("is saved.")).to_be_visible()
    found = rows("SELECT risk_level FROM calls WHERE operator_id = %s", world.operator.id)
    assert found == [("immediate",)]
    assert rows(
        "SELECT count(*) FROM call_terms t JOIN calls c ON c.id = t.call_id WHERE c.operator_id = %s", world.operator.id
    ) == [(1,)]


def test_a_silent_call_takes_one_key_and_another_takes_it_back(page, world, rows):
    page.keyboard.press("s")
    expect(page.get_by_text("is saved.")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Ready", exact=True)).to_be_visible()
    expect(page.get_by_text("is saved.")).to_have_count(0)
    assert rows("SELECT kind, voided_at IS NULL FROM calls WHERE operator_id = %s", world.operator.id) == [
        ("silent", False)
    ]


def test_reload_back_and_park_lose_nothing(page):
    taken(page)
    page.get_by_label("What is happening").fill("She whispers.")
    page.get_by_label("Name (Khmer or Latin)").first.fill("ស្រីនាង")
    page.keyboard.press("Alt+c")
    page.get_by_label("Name (Khmer or Latin)").nth(1).fill("Brother")
    expect(page.locator("[data-draft-status][data-state=both]")).to_be_visible()
    page.reload()
    expect(page.locator("form[data-draft-ready]")).to_be_visible()
    expect(page.get_by_label("What is happening")).to_have_value("She whispers.")
    expect(page.get_by_label("Name (Khmer or Latin)").nth(1)).to_have_value("Brother")
    page.get_by_label("What is happening").fill("She whispers. A door.")
    page.keyboard.press("F8")
    expect(page.get_by_role("heading", name="Parked begun")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_label("What is happening")).to_have_value("She whispers. A door.")


def test_an_expired_session_asks_for_the_password_and_keeps_what_was_typed(page, world, rows, database_urls):
    taken(page)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute("UPDATE user_sessions SET ended_at = %s WHERE user_id = %s", [now(), world.operator.id])
    page.get_by_label("What is happening").fill("Before the session ended.")
    expect(page.locator("[data-draft-status][data-state=here]")).to_be_visible()
    page.context.clear_cookies()
    address = page.url
    page.goto("/sign-in")
    page.get_by_label(re.compile("user name|sign-in name|e-mail", re.IGNORECASE)).first.fill(world.operator.login)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ready", exact=True)).to_be_visible()
    page.goto(address)
    expect(page.get_by_label("What is happening")).to_have_value("Before the session ended.")
    assert rows("SELECT count(*) FROM calls WHERE operator_id = %s", world.operator.id) == [(0,)]


def test_a_lost_connection_keeps_the_form_and_the_call_is_sent_later(page, world, rows):
    taken(page)
    page.get_by_label("What is happening").fill("On a bad line.")
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-draft-status][data-state=offline]")).to_be_visible()
    expect(page.get_by_label("What is happening")).to_have_value("On a bad line.")
    page.context.set_offline(False)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("is saved.")).to_be_visible()
    assert rows("SELECT count(*) FROM calls WHERE operator_id = %s", world.operator.id) == [(1,)]


def test_no_address_holds_what_was_typed(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    taken(page)
    page.get_by_label("Name (Khmer or Latin)").first.fill("Zephyrine")
    page.get_by_label("Phone, if given").fill("012 345 678")
    page.get_by_label("What is happening").fill("Quillfeather")
    expect(page.locator("#before")).to_contain_text("No earlier call")
    expect(page.locator("[data-draft-status][data-state=both]")).to_be_visible()
    assert asked
    assert not [url for url in asked if "Zephyrine" in url or "345" in url or "Quillfeather" in url]


def option(page, text):
    return page.locator("[role=option]", has_text=text).first


def test_reasons_are_browsed_by_keyboard_and_offered_where_words_fit_nothing(page):
    taken(page)
    why = page.get_by_role("combobox", name="Why")
    why.focus()
    expect(page.locator("#categories-list [role=option]")).to_have_count(10)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(option(page, "All categories")).to_be_visible()
    expect(option(page, "Neglect")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#categories-list [aria-selected=true]")).to_contain_text("Violence")
    page.keyboard.type("hits him")
    expect(page.locator("#categories ~ .none")).to_have_text("Nothing is called so. Choose from these:")
    expect(page.locator("#categories-list [role=option]")).to_have_count(10)
    option(page, "Violence").click()
    option(page, "Neglect").click()
    expect(page.locator(".picks")).to_contain_text("Violence Neglect")
    expect(page.locator("#categories ~ .none")).to_be_hidden()


def test_what_was_chosen_is_named_in_the_language_of_the_page(page):
    taken(page)
    page.get_by_role("combobox", name="Why").fill("neglect")
    option(page, "Neglect").click()
    expect(page.locator("[data-draft-status][data-state=both]")).to_be_visible()
    address = page.url
    page.goto("/language/km")
    page.goto(address)
    expect(page.locator("form[data-draft-ready]")).to_be_visible()
    expect(page.locator(".picks input[value='violence.neglect']")).to_be_checked()
    expect(page.locator(".picks")).not_to_contain_text("Neglect")


def test_a_place_is_found_by_what_it_lies_in_and_nothing_found_is_said(page):
    taken(page)
    where = page.get_by_role("combobox", name="Where the child is now")
    where.fill("svay dangkum siem reap")
    expect(option(page, "Commune · Siem Reab, Siemreap")).to_be_visible()
    where.fill("zzzz")
    expect(page.locator("#place_id ~ .none")).to_be_visible()


def test_on_a_phone_a_call_begins_at_the_top_of_its_page(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/calls/new")
    expect(page.locator("form[data-draft-ready]")).to_be_visible()
    expect(page.get_by_role("link", name="Park")).to_be_in_viewport()
    assert page.evaluate("window.scrollY") == 0


def test_leaving_puts_another_page_in_the_place_of_this_one(page):
    taken(page)
    length = page.evaluate("history.length")
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Weather")).to_be_visible()
    assert page.evaluate("location.pathname") == "/leave/"
    assert page.evaluate("history.length") == length
