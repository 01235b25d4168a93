"""The case's page: what it shows to whom, and what it must not."""

import pytest

from helpline.agencies.vocabulary import Service
from helpline.cases import queries, services
from helpline.cases.commands import AddNote
from helpline.cases.vocabulary import NoteKind
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
                services.add_note(ctx, AddNote(new_id(), given, NoteKind.CONTACT, f"Call {n}"))
    assert count() == few
    assert few <= 26


def test_what_happened_can_be_narrowed_and_paged(client, app, world, given):
    with app.app_context():
        for n in range(queries.PAGE + 5):
            ctx = world.caseworker.ctx()
            with unit_of_work(ctx):
                services.add_event(ctx, given, "referral.requested", {"service": "health", "n": n})
    html = page_for(client, world.caseworker, given, kind="case").get_data(as_text=True)
    assert "Help sought" not in html
    html = page_for(client, world.caseworker, given).get_data(as_text=True)
    assert html.count("Help sought") == queries.PAGE
    assert 'rel="next"' in html
