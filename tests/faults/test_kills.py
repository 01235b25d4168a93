"""Whatever is killed wherever, the journey completes: inside nothing lost and nothing twice, outside nothing twice.

Each kill happens at a named failpoint inside the step under test; effects are counted at the mail receiver.
"""

import time
from datetime import timedelta

import psycopg
import pytest
import requests

from helpline.foundation.ids import new_id
from tests.journeys.people import address, link_in, make_house
from tests.journeys.stack import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]


def patiently(who, method, path, expect, **body):
    """Ask again while nobody answers, as a browser's user would: the same body, the same ids."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return who.ask(method, path, expect, **body)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the web process did not come back"
            time.sleep(0.3)


def keep_alive(stack):
    """What `make run` does: start again what died."""
    for name in list(stack.running):
        if stack.died(name):
            stack.running.pop(name)
            stack.start(name)


def awaiting(stack, found, what):
    """`until`, with somebody who starts again what dies."""

    def look():
        keep_alive(stack)
        return found()

    return until(look, what, seconds=120)


def count(house, query):
    with psycopg.connect(house.centre.owner_url) as connection:
        return connection.execute(query, [house.centre.id]).fetchone()[0]


def journey(stack, house):
    """A call, a case, a no, a yes, planned follow-ups; then every effect is counted."""
    operator, supervisor = house.people["operator"], house.people["supervisor"]
    call = {
        "call_id": str(new_id()), "place_id": str(house.province), "categories": ["violence.physical_violence"],
        "children": [{"age": 9, "gender": "female"}], "danger": {"hurt": "yes"},
    }  # fmt: skip
    logged = patiently(operator, "POST", "/calls", 201, **call)
    child = patiently(operator, "GET", f"/calls/{logged['id']}", 200)["children"][0]["id"]
    case = {
        "case_id": str(new_id()), "call_id": logged["id"], "child_person_id": child, "needs": ["health"],
        "consent": {"services": "yes", "by": "child"},
    }  # fmt: skip
    patiently(operator, "POST", "/cases", 201, **case)
    for name, answer in (("first", {"answer": "decline", "reason": "full"}), ("second", {"answer": "accept"})):
        awaiting(stack, lambda name=name: stack.receiver.to(address(house, name)), f"mail to the {name} clinic")
        link = link_in(stack, address(house, name))
        awaiting(
            stack,
            lambda link=link, answer=answer: answered(stack, link, answer),
            f"the {name} clinic's answer",
        )
    path = f"/cases/{case['case_id']}/referrals"
    awaiting(stack, lambda: patiently(supervisor, "GET", path, 200)[0]["state"] == "accepted", "the acceptance")
    awaiting(stack, lambda: count(house, "SELECT count(*) FROM followups WHERE centre_id = %s"), "follow-ups")
    awaiting(stack, lambda: open_events(stack) == 0, "every event handled")


def answered(stack, link, answer):
    try:
        return requests.post(f"{stack.url}/api/v1/portal/{link}/answer", json=answer, timeout=30).status_code == 200
    except requests.ConnectionError:
        return False


def open_events(stack):
    with psycopg.connect(stack.settings.database_owner_url) as connection:
        return connection.execute("SELECT count(*) FROM outbox_events WHERE settled_at IS NULL").fetchone()[0]


def waiting_mail(stack):
    with psycopg.connect(stack.settings.database_owner_url) as connection:
        # What is due: at night some of it waits for the morning.
        due = "state = 'sending' OR state = 'queued' AND due_at < now() + interval '30 minutes'"
        return connection.execute(f"SELECT count(*) FROM messages WHERE {due}").fetchone()[0]


def assert_everything_once(stack, house):
    for table, number in (("calls", 1), ("cases", 1), ("referrals", 1), ("referral_asks", 2)):
        assert count(house, f"SELECT count(*) FROM {table} WHERE centre_id = %s") == number, table
    twice = "SELECT count(*) FROM (SELECT kind FROM followups WHERE centre_id = %s AND state = 'planned' GROUP BY case_id, kind HAVING count(*) > 1) t"
    assert count(house, twice) == 0
    for name in ("first", "second"):
        assert len(stack.receiver.to(address(house, name))) == 1, name
    keys = [mail["Message-ID"] for mail in stack.receiver.mails]
    assert len(keys) == len(set(keys)), "no mail twice"


@pytest.mark.parametrize(
    "failpoint",
    [
        "relay.after_send", "referrals.route.before_commit", "web.after_commit",
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in (
                "relay.after_claim", "referrals.route_case.before_commit", "referrals.route_case.after_commit",
                "referrals.route.after_commit", "followups.plan_case.before_commit",
                "followups.plan_case.after_commit", "web.before_commit",
            )
        ),
    ],
)  # fmt: skip
def test_a_process_killed_inside_a_step(stack, failpoint):
    house = make_house(stack)
    stack.arm(failpoint)
    journey(stack, house)
    assert stack.disarmed(), f"nobody came by {failpoint}"
    assert_everything_once(stack, house)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["relay", "worker", "beat", "web"])
def test_a_whole_process_killed_while_work_waits(stack, name):
    house = make_house(stack)
    stack.kill(name)
    stack.start(name)
    journey(stack, house)
    assert_everything_once(stack, house)


@pytest.mark.parametrize("lose_data", [False, True], ids=["keeping", "losing"])
def test_the_broker_killed_while_events_are_under_way(stack, broker, lose_data):
    house = make_house(stack)
    stack.kill("worker")  # so that what is sent stays in the broker
    operator = house.people["operator"]
    call = {
        "call_id": str(new_id()),
        "place_id": str(house.province),
        "children": [{"age": 9}],
        "danger": {"hurt": "yes"},
    }
    logged = operator.ask("POST", "/calls", 201, **call)
    child = operator.ask("GET", f"/calls/{logged['id']}")["children"][0]["id"]
    operator.ask(
        "POST", "/cases", 201, case_id=str(new_id()), call_id=logged["id"], child_person_id=child, needs=["health"],
        consent={"services": "yes", "by": "child"},
    )  # fmt: skip
    broker.kill(lose_data=lose_data)
    broker.start()
    stack.start("worker")
    awaiting(stack, lambda: stack.receiver.to(address(house, "first")), "mail to the first clinic")
    awaiting(stack, lambda: open_events(stack) == 0, "every event handled")
    assert count(house, "SELECT count(*) FROM referral_asks WHERE centre_id = %s") == 1
    assert len(stack.receiver.to(address(house, "first"))) == 1
    awaiting(stack, stack.ready, "everything ready again")


@pytest.mark.parametrize(("failpoint", "arrived"), [("notifications.after_claim", 0), ("notifications.after_send", 1)])
def test_mail_that_may_have_left_is_never_sent_again_by_itself(stack, failpoint, arrived):
    house = make_house(stack)
    supervisor, operator = house.people["supervisor"], house.people["operator"]
    # Nobody in danger, so that nothing is due at once: the agency's is the one mail under way.
    logged = operator.ask(
        "POST", "/calls", 201, call_id=str(new_id()), place_id=str(house.province), children=[{"age": 9}]
    )  # fmt: skip
    child = operator.ask("GET", f"/calls/{logged['id']}")["children"][0]["id"]
    awaiting(stack, lambda: open_events(stack) == 0 and waiting_mail(stack) == 0, "the end of what went before")
    stack.arm(failpoint)
    operator.ask(
        "POST", "/cases", 201, case_id=str(new_id()), call_id=logged["id"], child_person_id=child, needs=["health"],
        consent={"services": "yes", "by": "child"},
    )  # fmt: skip
    awaiting(stack, stack.disarmed, failpoint)
    stack.move_clock(timedelta(minutes=6).total_seconds())
    unknown = awaiting(stack, lambda: supervisor.ask("GET", "/deliveries")["items"], "a visible exception")
    assert [message["state"] for message in unknown] == ["unknown"]
    assert len(stack.receiver.to(address(house, "first"))) == arrived
    # A human says that it did not arrive: only then it goes out (again).
    supervisor.ask("POST", f"/deliveries/{unknown[0]['id']}/resolution", 200, arrived=False)
    awaiting(
        stack, lambda: len(stack.receiver.to(address(house, "first"))) == arrived + 1, "the mail, at a human's word"
    )
    assert supervisor.ask("GET", "/deliveries")["items"] == []
