"""Every number on the page of figures is the length of the list it leads to."""

import html
import re
from datetime import timedelta

import psycopg
import pytest

from helpline.calls.services.log import log_quick_call
from helpline.calls.vocabulary import CallKind, DangerAnswers
from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from tests.factories.accounts import sign_in
from tests.factories.calls import do, logged_call
from tests.factories.cases import make_call, make_world, open_case

TILE = re.compile(r'<a class="main" href="([^"]+)"><span>[^<]*</span><b>(\d+)</b>')
NOTE = re.compile(r'<a (?:class="also" )?href="([^"]+)">(\d+) (?!days)\w')
NUMBER = re.compile(r'<a href="([^"]+)">(\d+)</a>')
HELD = re.compile(r">(\d+) in all<")


def execute(url, statement, *values):
    with psycopg.connect(url) as connection:
        connection.execute(statement, values)


@pytest.fixture
def lived_in(in_app, database_urls):
    """Calls of every sort in two teams, cases in all states of lateness, referrals asked, silent and exhausted."""
    world = make_world(database_urls["owner"])
    url = world.centre.owner_url
    for at in (now(), now() - timedelta(days=1), now() - timedelta(days=95)):
        logged_call(world.operator, at=at)
    logged_call(world.operator, categories=(), danger=DangerAnswers())
    make_call(world.operator, place=world.province, team=world.team)
    for kind in (CallKind.SILENT, CallKind.THANKS):
        do(world.operator, log_quick_call, kind, new_id())
    cases = [open_case(world, risk=risk) for risk in ("immediate", "high", "low", "low")]
    open_case(world, risk="medium", team_id=world.other_team)
    execute(url, "UPDATE cases SET assign_by = now() - interval '1 hour' WHERE id = %s", cases[0])
    execute(url, "UPDATE cases SET first_response_by = now() - interval '1 hour' WHERE id = ANY(%s)", cases[1:3])
    execute(url, "UPDATE cases SET caseworker_id = %s WHERE id = %s", world.caseworker.id, cases[1])
    execute(url, "UPDATE followups SET due_at = now() - interval '1 hour' WHERE case_id = ANY(%s)", cases[1:])
    return world


def links_of(page):
    found = [pair for pattern in (TILE, NOTE, NUMBER) for pair in pattern.findall(page)]
    return {html.unescape(href): int(number) for href, number in found}


@pytest.mark.parametrize("narrower", ["period=all", "period=month", "period=all&team={team}", "from={from}&to={to}"])
def test_every_number_leads_to_a_list_as_long(client, lived_in, narrower):
    sign_in(client, lived_in.supervisor)
    first, last = now().date() - timedelta(days=96), now().date() + timedelta(days=1)
    page = client.get("/figures?" + narrower.format(team=lived_in.team, **{"from": first, "to": last}))
    links = links_of(page.get_data(as_text=True))
    told = [(href, number) for href, number in links.items() if number or "weekday" not in href]
    assert len(told) > 20
    lists = {href.partition("?")[0] for href, _number in told}
    assert lists >= {"/calls", "/cases", "/followups", "/referrals"}
    for href, number in told:
        listed = client.get(href)
        assert listed.status_code == 200, href
        held = HELD.search(listed.get_data(as_text=True))
        assert (href, held and held[1]) == (href, str(number))


def test_what_nobody_noted_has_its_list_too(client, lived_in):
    sign_in(client, lived_in.supervisor)
    page = html.unescape(client.get("/figures?period=all").get_data(as_text=True))
    assert "category=none" in page
    assert "province=none" in page
    for href in ("/calls?category=none&kind=counselling", "/calls?province=none"):
        listed = client.get(href).get_data(as_text=True)
        assert "selected" in listed, "the form says what the list was narrowed by"
        api = client.get("/api/v1" + href).get_json()["items"]
        assert HELD.search(listed)[1] == str(len(api)) != "0"


def test_only_counselling_calls_are_judged_the_gravest_first(client, lived_in):
    sign_in(client, lived_in.supervisor)
    risks = client.get("/api/v1/figures?period=all").get_json()["calls"]["risks"]
    levels = ["immediate", "high", "medium", "low"]
    assert [each["key"] for each in risks] == [level for level in levels if level in {each["key"] for each in risks}]
    calls = client.get("/api/v1/calls").get_json()["items"]
    assert {call["kind"] for call in calls if call["risk_level"] is None} == {"silent", "thanks"}
    assert {call["kind"] for call in calls if call["risk_level"]} == {"counselling"}
    assert sum(each["count"] for each in risks) == sum(call["kind"] == "counselling" for call in calls)
    severe = client.get("/api/v1/calls?risk=severe").get_json()["items"]
    assert {call["risk_level"] for call in severe} == {"high", "immediate"}


def test_more_than_two_months_are_months_in_words(client, lived_in):
    sign_in(client, lived_in.supervisor)
    execute(
        lived_in.centre.owner_url,
        "INSERT INTO calls (id, record_key, centre_id, operator_id, channel, direction, kind, started_at, logged_at,"
        " caller_relation, risk_level, risk_reasons, source) SELECT gen_random_uuid(), decode('00', 'hex'), %s, %s, 'phone', 'in', 'silent',"
        " timestamptz '2025-01-15 12:00+07' + n * interval '1 day', now(), 'unknown', 'low', '[]', 'live'"
        " FROM generate_series(1, 70) n",
        lived_in.centre.id, lived_in.operator.id,
    )  # fmt: skip
    page = client.get("/figures?from=2025-01-20&to=2025-03-24").get_data(as_text=True)
    assert "Calls by month" in page
    assert "January 2025" in page
    assert "Calls by day" not in page
    assert "from=2025-01-20&amp;to=2025-01-31" in page, "a month's list holds the days that were counted, no more"
    few = client.get("/figures?from=2025-01-20&to=2025-01-26").get_data(as_text=True)
    assert "Calls by day" in few


def test_referrals_are_red_only_when_an_answer_is_late(client, lived_in):
    sign_in(client, lived_in.supervisor)
    tile = 'class="fig bad"><a class="main" href="/referrals'
    assert tile not in client.get("/figures").get_data(as_text=True)
    assert "Answer late" in client.get("/referrals?late=true").get_data(as_text=True)
