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
    assert "bruises" not in neutral.text
    assert "Bopha" not in neutral.text
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


OLD_LOG = """when;age;child;phone;why
2024-05-02 10:00;9;Bopha Canary;012 345 678;neglect
2024-05-03 11:00;7;;;neglect
"""
MAPPING = {
    "name": "journey",
    "title": "A small log",
    "unknown": [""],
    "constants": {"kind": "counselling"},
    "fields": [
        {"target": "started_at", "columns": ["when"], "type": "datetime", "formats": ["iso"], "required": True},
        {"target": "child_age", "columns": ["age"], "type": "integer", "min": 0, "max": 120},
        {"target": "child_name", "columns": ["child"], "type": "text"},
        {"target": "caller_phone", "columns": ["phone"], "type": "text"},
        {"target": "category", "columns": ["why"], "type": "choice", "values": {"violence.neglect": ["neglect"]}},
    ],
}


def test_from_an_old_log_to_a_case(stack):
    house = make_house(stack)
    supervisor = house.people["supervisor"]
    headers = {"Authorization": f"Bearer {supervisor.token}"}
    files = {"file": ("old.csv", OLD_LOG.encode("utf-16"), "text/csv")}
    sent = requests.post(f"{stack.url}/api/v1/imports", headers=headers, files=files, timeout=30)
    assert sent.status_code == 201, sent.text
    path = f"/imports/{sent.json()['id']}"
    mapped = supervisor.ask("PUT", f"{path}/mapping", version=sent.json()["version"], document=MAPPING)
    supervisor.ask("POST", f"{path}/step", 202, version=mapped["version"], step="checking")
    checked = until(lambda: (found := supervisor.ask("GET", path))["state"] == "checked" and found, "the check")
    supervisor.ask("POST", f"{path}/step", 202, version=checked["version"], step="importing")
    done = until(lambda: (found := supervisor.ask("GET", path))["state"] == "done" and found, "the import")
    assert (done["rows_read"], done["calls_added"], done["rows_rejected"]) == (2, 2, 0)

    # Nothing routes, reminds or alerts by itself; a case opened from it does.
    assert supervisor.ask("GET", "/cases")["items"] == []
    assert stack.receiver.to(address(house, "first")) == []
    calls = supervisor.ask("GET", "/calls", source="imported")["items"]
    call = supervisor.ask("GET", f"/calls/{calls[-1]['id']}")
    case = supervisor.ask(
        "POST", "/cases", 201, case_id=str(new_id()), call_id=call["id"], child_person_id=call["children"][0]["id"],
        team_id=str(house.team), needs=["health"], consent={"services": "yes", "by": "child"},
    )  # fmt: skip
    until(lambda: [row["state"] for row in supervisor.ask("GET", f"/cases/{case['id']}/referrals")], "a referral")
    until(lambda: supervisor.ask("GET", "/followups")["items"], "planned follow-ups")


def dedupe_keys(house):
    with psycopg.connect(house.centre.owner_url) as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT dedupe_key || channel FROM messages WHERE centre_id = %s", [house.centre.id]
            ).fetchall()
        ]
