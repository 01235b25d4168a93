"""The case's page: what it shows to whom, and what it must not."""

from datetime import timedelta

import psycopg
import pytest

from helpline.agencies.vocabulary import Service
from helpline.cases import queries
from helpline.cases.commands import AddNote
from helpline.cases.services import hooks, working
from helpline.cases.vocabulary import NoteKind
from helpline.followups.commands import AddFollowUp, CompleteFollowUp
from helpline.followups.services import work
from helpline.followups.vocabulary import FollowUpKind, Outcome
from helpline.foundation.clock import now
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import sign_in
from tests.factories.cases import assign, open_case


@pytest.fixture
def a_case(app, world):
    """An open case with words in it, not yet given to anybody."""
    with app.app_context():
        return open_case(world, needs=(Service.HEALTH,), summary="Hurt on the arm")


@pytest.fixture
def given(app, world, a_case):
    with app.app_context():
        assign(world, a_case)
    return a_case


def filled_buttons(html):
    """On the page itself, not in the frame's dialogs."""
    return html.partition("<main")[2].partition("</main>")[0].count("btn main")


def page_for(client, user, case_id, **query):
    sign_in(client, user)
    return client.get(f"/cases/{case_id}", query_string=query)


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor"])
def test_whoever_has_part_in_a_case_sees_who_how_dangerous_and_what_is_next(client, world, given, role):
    answer = page_for(client, getattr(world, role), given)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "Srey Neang" in html
    assert 'class="risk high"' in html
    assert "Hurt on the arm" in html
    assert filled_buttons(html) == 1
    assert "Make the first contact" in html


@pytest.mark.parametrize(
    ("role", "status"), [("caseworker", 404), ("other_caseworker", 404), ("admin", 403), ("auditor", 403)]
)
def test_whoever_has_none_sees_nothing_of_it(client, world, a_case, role, status):
    answer = page_for(client, getattr(world, role), a_case)
    assert answer.status_code == status
    assert "Srey Neang" not in answer.get_data(as_text=True)


def test_a_supervisor_is_told_to_give_it_to_somebody_and_an_operator_waits(client, world, a_case):
    assert "Choose a caseworker" in page_for(client, world.supervisor, a_case).get_data(as_text=True)
    operators = page_for(client, world.operator, a_case).get_data(as_text=True)
    assert "Choose a caseworker" not in operators
    assert "A supervisor gives the case to a caseworker" in operators
    assert filled_buttons(operators) == 1


def test_supervisors_alone_know_who_looked(client, world, given):
    page_for(client, world.caseworker, given)
    supervisors = page_for(client, world.team_supervisor, given).get_data(as_text=True)
    assert "Who looked" in supervisors
    assert f'caseworker {world.caseworker.id.hex[-4:]} <span class="num">1</span>' in supervisors
    assert "Who looked" not in page_for(client, world.caseworker, given).get_data(as_text=True)


def test_reading_a_case_is_on_record_with_what_was_shown(client, world, given, rows):
    page_for(client, world.caseworker, given)
    [(ids, groups)] = rows(
        "SELECT subject_ids, field_groups FROM audit_entries WHERE actor_id = %s AND action = 'case.shown'",
        world.caseworker.id,
    )
    assert ids == [given]
    assert {"story", "risk", "location"} <= set(groups)


def test_the_page_costs_the_same_with_many_lines_as_with_one(client, app, world, given, statements):
    sign_in(client, world.caseworker)
    client.get(f"/cases/{given}")

    def count():
        statements.clear()
        assert client.get(f"/cases/{given}").status_code == 200
        return len(statements)

    few = count()
    with app.app_context():
        for n in range(12):
            ctx = world.caseworker.ctx()
            with unit_of_work(ctx):
                working.add_note(ctx, AddNote(new_id(), given, NoteKind.CONTACT, f"Call {n}"))
    assert count() == few
    assert few <= 26


def test_what_a_caseworker_wrote_on_a_follow_up_stands_where_it_was_done(client, app, world, given):
    followup_id = new_id()
    with app.app_context():
        with unit_of_work(world.caseworker.ctx()) as ctx:
            work.add(ctx, AddFollowUp(followup_id, given, FollowUpKind.VISIT, ctx.now + timedelta(days=1)))
        with unit_of_work(world.caseworker.ctx()) as ctx:
            done = CompleteFollowUp(followup_id, 1, Outcome.REACHED, "She sleeps at her aunt's now")
            work.complete(ctx, done)
    html = page_for(client, world.caseworker, given).get_data(as_text=True)
    told = html.partition("What happened")[2]
    assert "She sleeps at her aunt&#39;s now" in told
    assert f'<a class="what" href="/followups/{followup_id}">Done: Visit</a> reached' in told


def test_what_happened_can_be_narrowed_and_paged(client, app, world, given):
    with app.app_context():
        for n in range(queries.PAGE + 5):
            ctx = world.caseworker.ctx()
            with unit_of_work(ctx):
                hooks.add_event(ctx, given, "referral.requested", {"service": "health", "n": n})
    html = page_for(client, world.caseworker, given, kind="case").get_data(as_text=True)
    assert "Help sought" not in html
    html = page_for(client, world.caseworker, given).get_data(as_text=True)
    assert html.count("Help sought") == queries.PAGE
    assert 'rel="next"' in html


def work_of(client, user):
    sign_in(client, user)
    answer = client.get("/work")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def code_of(rows, case_id):
    return rows("SELECT code FROM cases WHERE id = %s", case_id)[0][0]


def move_back(database_urls, case_id, hours):
    """As if the case had been opened so long ago."""
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(
            "UPDATE cases SET opened_at = opened_at - make_interval(hours => %(h)s), assign_by = assign_by -"
            " make_interval(hours => %(h)s), first_response_by = first_response_by - make_interval(hours => %(h)s)"
            " WHERE id = %(id)s",
            {"h": hours, "id": case_id},
        )


def plan(database_urls, case_id, kind, due_at, escalated=False):
    followup_id = new_id()
    key = seal_values("followups", followup_id, {})["record_key"]
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(
            "INSERT INTO followups (id, record_key, case_id, centre_id, team_id, caseworker_id, kind, risk_level, due_at,"
            " remind_at, escalate_at, escalated_at, state, created_at, created_by, version)"
            " SELECT %s, %s, id, centre_id, team_id, caseworker_id, %s, risk_level, %s, %s, %s, %s, 'planned', now(),"
            " opened_by, 1 FROM cases WHERE id = %s",
            [followup_id, key, kind, due_at, due_at, due_at, due_at if escalated else None, case_id],
        )
    return followup_id


def test_a_supervisor_first_sees_what_is_late_and_then_what_is_for_today(client, world, a_case, rows, database_urls):
    html = work_of(client, world.team_supervisor)
    assert "Today <small>1</small>" in html
    assert "Overdue" not in html
    assert filled_buttons(html) == 1
    move_back(database_urls, a_case, 5)
    html = work_of(client, world.team_supervisor)
    assert "Overdue <small>1</small>" in html
    assert code_of(rows, a_case) in html
    assert "4 h late" in html


def test_a_caseworker_sees_their_own_follow_ups_by_the_end_of_today(client, world, given, database_urls):
    plan(database_urls, given, "visit", now() - timedelta(minutes=40))
    plan(database_urls, given, "call", now() + timedelta(days=3))
    html = work_of(client, world.caseworker)
    assert "Overdue <small>1</small>" in html
    assert "40 min late" in html
    assert "Record call" not in html
    other = work_of(client, world.other_caseworker)
    assert "Nothing to do just now" in other
    assert filled_buttons(other) == 1


def test_what_escalated_comes_to_the_supervisor(client, world, given, database_urls):
    assert "Visit" not in work_of(client, world.supervisor)
    plan(database_urls, given, "visit", now() - timedelta(days=2), escalated=True)
    html = work_of(client, world.supervisor)
    assert "Visit" in html
    assert "2 days late" in html


def test_an_operator_sees_what_waits_for_a_caseworker(client, world, a_case, rows):
    html = work_of(client, world.operator)
    assert "Case waits for a caseworker" in html
    assert code_of(rows, a_case) in html


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_who_works_on_no_case_has_no_such_page(client, world, role):
    sign_in(client, getattr(world, role))
    assert client.get("/work").status_code == 403


def test_my_work_costs_the_same_with_many_cases_as_with_one(client, app, world, a_case, statements):
    sign_in(client, world.supervisor)
    client.get("/work")

    def count():
        statements.clear()
        assert client.get("/work").status_code == 200
        return len(statements)

    few = count()
    with app.app_context():
        for _ in range(8):
            open_case(world)
    assert count() == few
    assert few <= 22
