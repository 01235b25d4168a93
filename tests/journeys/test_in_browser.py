"""One call, all the way, in a real browser: people press keys and links; only the clock is moved by the test."""

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.factories.accounts import PASSWORD, MadeUser, set_password
from tests.journeys.people import House, address, link_in, make_house
from tests.journeys.stack import Stack, until

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(600)]
NAME, STORY, SUMMARY = "Canary Bopha", "Canary: bruises on both arms.", "Canary wants to be seen by a nurse."
FIRST_RESPONSE = timedelta(hours=25)  # a day is given for a high risk


@dataclass
class Visits:
    """Browsers of the people of a journey; what any page complains of is kept."""

    chromium: Browser
    stack: Stack
    complaints: list[str]

    def fresh(self) -> Page:
        """A browser that nobody has used, on the desk of somebody whose language is English."""
        context: BrowserContext = self.chromium.new_context(
            base_url=self.stack.url, viewport={"width": 1366, "height": 768}, locale="en"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:  # a refusal by the policy on content is an error here
            self.complaints.append(f"{message.location}: {message.text}")

    def sign_in(self, user: MadeUser) -> Page:
        page = self.fresh()
        page.goto("/sign-in")
        page.get_by_label("E-mail or user name").fill(user.login)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=re.compile("^You: "))).to_be_visible()
        return page


@pytest.fixture(scope="module")
def visits(stack):
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        found = Visits(chromium, stack, [])
        yield found
        chromium.close()


@pytest.fixture
def house(stack):
    made = make_house(stack)
    for person in made.people.values():
        set_password(person.user)
    return made


def reach(page: Page, name: str, key: str = "Tab") -> None:
    """Go to the field of this name as somebody without a mouse does."""
    for _step in range(80):
        if page.evaluate("document.activeElement.name") in {name, f"{name}_text"}:
            return
        page.keyboard.press(key)
    raise AssertionError(f"no way to {name} by {key}")


def write(page: Page, name: str, text: str, key: str = "Tab") -> None:
    reach(page, name, key)
    page.keyboard.type(text)


def choose(page: Page, name: str, typed: str, found: str) -> None:
    """Type ahead, see it offered, take it."""
    write(page, name, typed)
    expect(page.locator("[role=option]:visible").first).to_contain_text(found)
    page.keyboard.press("Enter")


def answer(page: Page, name: str, value: str) -> None:
    """One of few: arrows go round."""
    reach(page, name)
    wanted = page.locator(f"[name='{name}'][value={value}]")
    for _step in range(5):
        if wanted.is_checked():
            return
        page.keyboard.press("ArrowRight")
    raise AssertionError(f"{name} is never {value}")


def take_the_call(page: Page) -> None:
    """From the ready desk to the end of a call, without a mouse."""
    expect(page.get_by_role("heading", name="Ready", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("form[data-draft-ready]")).to_be_visible()
    write(page, "children-0-name", NAME, "Shift+Tab")
    answer(page, "children-0-gender", "female")
    write(page, "children-0-age", "9")
    page.keyboard.press("Alt+c")
    page.keyboard.type("Canary Rith")
    choose(page, "place_id", "សៀមរាប", "Siemreap")
    write(page, "narrative", STORY)
    choose(page, "categories", "physical v", "iolence")
    answer(page, "danger.hurt", "yes")
    answer(page, "danger.suicide_thoughts", "unknown")
    answer(page, "danger.near_person_feared", "no")
    expect(page.locator("#risk")).to_contain_text("High")
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_role("heading", name="Open a case")).to_be_visible()


def open_the_case(page: Page) -> str:
    """For the first child alone, with what the family agreed to; the path of the case's page."""
    expect(page.locator("[name=children]:checked")).to_have_count(2)
    page.get_by_label("Canary Rith").uncheck()
    page.locator("[name=needs][value=health]").check()
    page.get_by_label("In a few sentences, for the caseworker").fill(SUMMARY)
    for question in ("services", "disclosure"):
        page.locator(f"[name='consent.{question}'][value=yes]").check()
    page.locator("[name='consent.by'][value=child]").check()
    page.locator("[name='consent.withhold'][value=story]").check()
    page.get_by_label("Why it is withheld").fill("Her wish.")
    page.get_by_role("button", name="Open the case").click()
    page.wait_for_url(re.compile(r"/cases/[0-9a-f-]{36}$"))
    return urlparse(page.url).path


def shown(page: Page) -> str:
    """All that reached this browser: text, attributes, scripts."""
    return page.content()


def see_request(visits: Visits, house: House, name: str) -> Page:
    """An agency's link, in a browser of its own: a neutral page first, that says nothing of a child."""
    page = visits.fresh()
    page.goto(f"/r/{link_in(visits.stack, address(house, name))}")
    assert f"{name} clinic" in shown(page)
    assert "Canary" not in shown(page)
    page.locator("main button.main").click()
    expect(page.locator("form:has([value=accept])")).to_be_visible()
    assert "Canary" not in shown(page), "name and story open after an acceptance"
    return page


def decline(visits: Visits, house: House, name: str) -> None:
    page = see_request(visits, house, name)
    page.locator("details summary").click()
    page.locator("[name=reason][value=full]").check()
    page.locator("form:has([value=decline]) button").click()
    expect(page.locator("form")).to_have_count(0)
    assert "Canary" not in shown(page)


def accept(visits: Visits, house: House, name: str) -> None:
    """The child and family agreed to the name, and withheld the story."""
    page = see_request(visits, house, name)
    page.locator("form:has([value=accept]) button").click()
    expect(page.locator("main")).to_contain_text(NAME)
    for withheld in ("bruises", "nurse", "Rith"):
        assert withheld not in shown(page)


def assign(page: Page, case: str, caseworker: MadeUser) -> None:
    page.goto("/cases")
    page.locator(f"a[href='{case}']").first.click()
    page.get_by_role("link", name="Choose a caseworker").click()
    page.locator(f"[name=caseworker_id][value='{caseworker.id}']").check()
    page.get_by_role("button", name="Give the case").click()
    page.wait_for_url(f"**{case}")


def record_contact(page: Page, case: str) -> None:
    """The reminder stands in the inbox once; what came of the contact is written where My work leads."""
    page.goto("/inbox")
    expect(page.locator("main li", has_text="first contact in case")).to_have_count(1)
    page.goto("/work")
    page.get_by_role("link", name="Record contact").first.click()
    page.locator("[name=outcome][value=reached]").check()
    page.get_by_label("What was seen and said, and what is agreed").fill("She is well and at school.")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**{case}")
    expect(page.locator("main")).to_contain_text("Done: First contact")


def follow(page: Page, number: Locator, value: str, found: str) -> None:
    """A number of the figures and the list behind it."""
    expect(number).to_contain_text(value)
    number.click()
    expect(page.locator("main table tbody tr")).to_have_count(int(value))
    expect(page.locator("main table")).to_contain_text(found)
    assert "Canary" not in shown(page), "lists are for finding, not for reading"
    page.go_back()


def read_figures(page: Page, code: str) -> None:
    page.goto("/figures?period=all")
    for tile, value, found in (("Calls", "1", "Counselling"), ("Open cases", "1", code)):
        follow(page, page.locator(".fig a.main", has_text=tile).first, value, found)
    for table, bar, found in (("Referrals by state", "Accepted", code), ("How dangerous", "High", "High"),
                              ("Open cases by caseworker", "", code)):  # fmt: skip
        row = page.locator("table.bars", has=page.locator("caption", has_text=table)).locator("tbody tr", has_text=bar)
        follow(page, row.first.get_by_role("link"), "1", found)
    tile = page.get_by_role("table", name="Calls by province").get_by_role("row", name="Siemreap")
    follow(page, tile.get_by_role("link"), "1", "Siemreap")


def audit(page: Page, case: str) -> None:
    """Who did and read what for this case; nobody's name or story."""
    deeds = (("Operator", "Began a case"), ("Supervisor", "Gave a case to a caseworker"), ("Caseworker", "Read cases"))
    for who, what in deeds:
        page.goto("/audit")
        page.get_by_text("More to search by").click()
        page.get_by_label("Record", exact=True).fill(case.rpartition("/")[2])
        page.get_by_label("Action").select_option(label=what)
        page.get_by_role("button", name="Search").click()
        expect(page.locator("main tbody tr", has_text=who).filter(has_text=what).first).to_be_visible()
        assert "Canary" not in shown(page)
    page.goto("/audit")
    assert "Canary" not in shown(page)


def test_one_call_all_the_way(visits, stack, house):
    people = {role: person.user for role, person in house.people.items()}
    desk = visits.sign_in(people["operator"])
    take_the_call(desk)
    case = open_the_case(desk)
    code = desk.locator("h1").inner_text().split()[0]

    decline(visits, house, "first")
    accept(visits, house, "second")

    assign(visits.sign_in(people["supervisor"]), case, people["caseworker"])
    before = len(stack.receiver.to(people["caseworker"].email))
    stack.move_clock(FIRST_RESPONSE.total_seconds())
    until(lambda: reminders(stack, people["caseworker"], before), "a reminder")
    record_contact(visits.sign_in(people["caseworker"]), case)
    assert len(reminders(stack, people["caseworker"], before)) == 1

    read_figures(visits.sign_in(people["supervisor"]), code)
    audit(visits.sign_in(people["auditor"]), case)
    assert visits.complaints == []


def reminders(stack: Stack, user: MadeUser, before: int) -> list[str]:
    subjects = [mail["Subject"] for mail in stack.receiver.to(user.email)[before:]]
    return [subject for subject in subjects if "contact" in subject.lower()]
