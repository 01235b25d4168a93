"""Row rules of cases, seen by the plain login of the web application with raw SQL; and their text against the database's."""

import psycopg
import pytest
from sqlalchemy import text

from helpline.cases import policy
from helpline.cases.commands import AddNote
from helpline.cases.services import hooks, working
from helpline.cases.vocabulary import NoteKind
from helpline.foundation.access import grants
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user
from tests.factories.cases import assign, make_world, open_case

pytestmark = pytest.mark.usefixtures("in_app")
TABLES = {
    "cases": "SELECT count(*) FROM cases WHERE id = :id",
    "case_notes": "SELECT count(*) FROM case_notes WHERE case_id = :id",
    "case_events": "SELECT count(*) FROM case_events WHERE case_id = :id AND action = 'case.opened'",
    "case_obligations": "SELECT count(*) FROM case_obligations WHERE case_id = :id",
    "persons": "SELECT count(*) FROM persons p JOIN cases c ON c.child_person_id = p.id WHERE c.id = :id",
}


@pytest.fixture
def full_case(world):
    """A case with a row in each of its tables."""
    case_id = open_case(world)
    for deed, *args in (
        (working.add_note, AddNote(new_id(), case_id, NoteKind.NOTE, "The aunt was asked.")),
        (hooks.open_obligation, case_id, "referral", ("referral", new_id())),
    ):
        ctx = world.operator.ctx()
        with unit_of_work(ctx):
            deed(ctx, *args)
    return case_id


def seen(ctx, case_id):
    with unit_of_work(ctx):
        return {table: db.session.scalar(text(statement), {"id": case_id}) for table, statement in TABLES.items()}


ALL, NOTHING = dict.fromkeys(TABLES, 1), dict.fromkeys(TABLES, 0)
EXPECTED = {
    "operator": ALL, "caseworker": NOTHING, "other_caseworker": NOTHING, "team_supervisor": ALL, "supervisor": ALL,
    "admin": NOTHING, "auditor": NOTHING,
}  # fmt: skip


@pytest.mark.parametrize("role", EXPECTED)
def test_who_sees_a_case_that_nobody_has(world, full_case, role):
    assert seen(getattr(world, role).ctx(), full_case) == EXPECTED[role]


def test_a_caseworker_sees_it_from_the_assignment_on_and_not_after_it_went_to_another(world, full_case):
    assert seen(world.caseworker.ctx(), full_case) == NOTHING
    assign(world, full_case)
    assert seen(world.caseworker.ctx(), full_case) == ALL
    assign(world, full_case, make_user(world.centre, "caseworker", world.team))
    assert seen(world.caseworker.ctx(), full_case) == NOTHING


def test_neither_another_operator_nor_another_centre_nor_another_team_sees_it(world, full_case, database_urls):
    elsewhere = make_world(database_urls["owner"])
    others = (
        make_user(world.centre, "operator"), make_user(world.centre, "team_supervisor", world.other_team),
        elsewhere.supervisor, elsewhere.operator,
    )  # fmt: skip
    for other in others:
        assert seen(other.ctx(), full_case) == NOTHING


def test_a_partner_who_was_let_in_sees_the_case_but_no_note_and_no_person(world, full_case):
    ask = Actor(id=new_id(), role="partner", centre_id=world.centre.id)
    ctx = world.supervisor.ctx()
    with unit_of_work(ctx):
        grants.allow(ctx, ask.id, [("case", full_case)], reason="referral", source_id=ask.id)
    partner = Context(ask, ctx.now, new_id(), Channel.PORTAL)
    assert seen(partner, full_case) == ALL | {"case_notes": 0, "persons": 0}


def test_without_a_signed_context_there_is_nothing(world, full_case):
    with db.engine.connect() as connection:
        assert [connection.scalar(text(each), {"id": full_case}) for each in TABLES.values()] == [0] * len(TABLES)


RULES = {
    "cases": policy.CASES, "case_notes": policy.CASE_NOTES, "case_events": policy.CASE_EVENTS,
    "case_obligations": policy.CASE_OBLIGATIONS, "case_counters": policy.CASE_COUNTERS,
}  # fmt: skip


@pytest.mark.parametrize("table", RULES)
def test_the_rule_written_is_the_rule_in_force(table, database_urls):
    """The database prints a rule its own way: so both are printed by it."""
    printed = "SELECT qual FROM pg_policies WHERE tablename = %s AND policyname = %s"
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(f"CREATE POLICY probe ON {table} USING ({RULES[table]})")
        probe = connection.execute(printed, [table, "probe"]).fetchall()
        assert connection.execute(printed, [table, f"{table}_rows"]).fetchall() == probe
        connection.rollback()
