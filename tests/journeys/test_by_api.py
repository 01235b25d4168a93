"""One call, all the way, through the JSON API: only the clock is moved by the test."""

from datetime import timedelta

import psycopg
import pytest
import requests

from helpline.foundation.ids import new_id
from tests.journeys.people import address, link_in, make_house
from tests.journeys.stack import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]


def log_call(house, **given):
    call = {
        "call_id": str(new_id()), "relation": "neighbour", "place_id": str(house.province),
        "categories": ["violence.physical_violence"], "narrative": "Canary: bruises on both arms.",
        "children": [{"name": "Canary Bopha", "age": 9, "gender": "female"}],
        "danger": {"hurt": "yes", "near_person_feared": "no"},
    } | given  # fmt: skip
    return house.people["operator"].ask("POST", "/calls", 201, **call)


def open_case(house, call_id, **given):
    operator = house.people["operator"]
    child = operator.ask("GET", f"/calls/{call_id}")["children"][0]["id"]
    case = {
        "case_id": str(new_id()), "call_id": call_id, "child_person_id": child, "needs": ["health"],
        "consent": {"services": "yes", "disclosure": "yes", "by": "child", "withhold": ["story"], "why": "Her wish."},
    } | given  # fmt: skip
    return operator.ask("POST", "/cases", 201, **case)


def test_from_a_call_to_the_figures(stack):
    house = make_house(stack)
    people = house.people
    call = log_call(house)
    assert call["risk_level"] == "high"
    case = open_case(house, call["id"])

    # The nearest clinic is asked by mail, which says nothing of the child; looking at its link answers nothing.
    first = link_in(stack, address(house, "first"))
    mail = stack.receiver.to(address(house, "first"))[0]
    assert "Canary" not in mail.as_string()
    neutral = requests.get(f"{stack.url}/r/{first}", timeout=30)
    assert neutral.status_code == 200
    assert "bruises" not in neutral.text and "Bopha" not in neutral.text
    referral = people["supervisor"].ask("GET", f"/cases/{case['id']}/referrals")
    assert [row["state"] for row in referral] == ["asked"]

    # It declines; the next one is asked, and accepts. What was withheld stays withheld.
    portal = f"{stack.url}/api/v1/portal"
    declined = requests.post(f"{portal}/{first}/answer", json={"answer": "decline", "reason": "full"}, timeout=30)
    assert declined.status_code == 200, declined.text
    second = link_in(stack, address(house, "second"))
    accepted = requests.post(f"{portal}/{second}/answer", json={"answer": "accept"}, timeout=30)
    assert accepted.status_code == 200, accepted.text
    seen = requests.post(f"{portal}/{second}/request", timeout=30)
    assert seen.status_code == 200
    assert "bruises" not in seen.text
    assert requests.post(f"{portal}/{first}/request", timeout=30).status_code in {404, 410}

    # A caseworker is given the case, and sees it from then on.
    worker = people["caseworker"]
    worker.ask("GET", f"/cases/{case['id']}", 404)
    fresh = people["supervisor"].ask("GET", f"/cases/{case['id']}")
    people["supervisor"].ask(
        "PUT", f"/cases/{case['id']}/assignment", version=fresh["version"], caseworker_id=str(worker.user.id)
    )
    assert worker.ask("GET", f"/cases/{case['id']}")["code"] == case["code"]

    # The first response falls due: the caseworker is reminded once, however often beat looks.
    until(lambda: worker.ask("GET", "/followups")["items"], "planned follow-ups")
    mailbox = worker.user.email
    before = len(stack.receiver.to(mailbox))
    stack.move_clock(timedelta(hours=25).total_seconds())
    due = until(
        lambda: [
            m
            for m in stack.receiver.to(mailbox)[before:]
            if "first" in m["Subject"].lower() or "contact" in m["Subject"].lower()
        ],
        "a reminder",
    )
    until(
        lambda: people["supervisor"].ask("GET", "/figures", period="all")["work"]["overdue_by_risk"],
        "an overdue number",
    )
    assert len(due) == 1
    keys = dedupe_keys(house)
    assert len(keys) == len(set(keys))

    # The supervisor sees every step in numbers, the auditor who did and read what.
    figures = people["supervisor"].ask("GET", "/figures", period="all")
    assert figures["calls"]["total"] == 1
    assert {"key": "high", "count": 1} in figures["work"]["cases_by_risk"]
    assert {"key": "accepted", "count": 1} in figures["work"]["referrals"]
    entries = people["auditor"].ask("GET", "/audit", subject=case["id"])["items"]
    actions = {(entry["actor_role"], entry["action"]) for entry in entries}
    assert ("operator", "case.opened") in actions
    assert ("supervisor", "case.assigned") in actions
    assert ("caseworker", "case.shown") in actions
    assert any(entry["outcome"] == "refused" for entry in entries), "the caseworker's early look"
    everything = people["auditor"].ask("GET", "/audit")["items"]
    assert "Canary" not in str(everything)


def dedupe_keys(house):
    with psycopg.connect(house.centre.owner_url) as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT dedupe_key || channel FROM messages WHERE centre_id = %s", [house.centre.id]
            ).fetchall()
        ]
