"""Row rules of calls and people, seen by the plain login of the web application with raw SQL; and their text."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.calls import policy
from helpline.calls.commands import CorrectCall, SaveDraft
from helpline.calls.services.correct import correct_call
from helpline.calls.services.drafts import save_draft
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from helpline.people import policy as people_policy
from tests.factories.accounts import make_user
from tests.factories.calls import do, logged_call, told
from tests.factories.cases import make_world

pytestmark = pytest.mark.usefixtures("in_app")
TABLES = {
    "calls": "SELECT count(*) FROM calls WHERE id = :id",
    "call_children": "SELECT count(*) FROM call_children WHERE call_id = :id",
    "call_terms": "SELECT count(*) FROM call_terms WHERE call_id = :id AND position = 0",
    "call_versions": "SELECT count(*) FROM call_versions WHERE call_id = :id",
    "child": "SELECT count(*) FROM persons WHERE id = :child",
    "caller": "SELECT count(*) FROM persons WHERE id = :caller",
}


@pytest.fixture
def full_call(world, rows):
    """A call of the other team with a row in each of its tables."""
    call_id = logged_call(world.operator)
    do(world.operator, correct_call, CorrectCall(call_id, 1, told(), "Spelling"))
    [(child,)] = rows("SELECT person_id FROM call_children WHERE call_id = %s", call_id)
    [(caller,)] = rows("SELECT caller_person_id FROM calls WHERE id = %s", call_id)
    return {"id": call_id, "child": child, "caller": caller}


def seen(ctx, call):
    with unit_of_work(ctx):
        return {table: db.session.scalar(text(statement), call) for table, statement in TABLES.items()}


ALL, NOTHING = dict.fromkeys(TABLES, 1), dict.fromkeys(TABLES, 0)
EXPECTED = {
    "operator": ALL, "caseworker": NOTHING, "other_caseworker": NOTHING, "team_supervisor": NOTHING, "supervisor": ALL,
    "admin": NOTHING, "auditor": NOTHING,
}  # fmt: skip


@pytest.mark.parametrize("role", EXPECTED)
def test_who_sees_a_call(world, full_call, role):
    assert seen(getattr(world, role).ctx(), full_call) == EXPECTED[role]


def test_its_teams_supervisor_sees_it_and_nobody_of_elsewhere(world, full_call, database_urls):
    assert seen(make_user(world.centre, "team_supervisor", world.other_team).ctx(), full_call) == ALL
    elsewhere = make_world(database_urls["owner"])
    for other in (make_user(world.centre, "operator", world.other_team), elsewhere.supervisor, elsewhere.operator):
        assert seen(other.ctx(), full_call) == NOTHING


def test_nobody_writes_a_call_in_anothers_name_or_centre(world, full_call, database_urls):
    elsewhere = make_world(database_urls["owner"])
    columns = "operator_id, centre_id, team_id"
    for change in (("operator_id", elsewhere.operator.id), ("centre_id", elsewhere.centre.id)):
        ctx = world.operator.ctx()
        with pytest.raises(DBAPIError, match=r"row-level security|may not move"), unit_of_work(ctx):
            db.session.execute(
                text(f"UPDATE calls SET {change[0]} = :value, team_id = NULL WHERE id = :id"),
                {"value": change[1], "id": full_call["id"]},
            )
    with unit_of_work(world.operator.ctx()):
        row = db.session.execute(text(f"SELECT {columns} FROM calls WHERE id = :id"), full_call).one()
    assert (row.operator_id, row.centre_id) == (world.operator.id, world.centre.id)


def test_history_is_never_rewritten(world, full_call):
    for statement in ("UPDATE call_versions SET action = 'voided'", "DELETE FROM call_versions", "DELETE FROM calls"):
        with pytest.raises(DBAPIError, match="permission denied"), unit_of_work(world.supervisor.ctx()):
            db.session.execute(text(statement))


def test_a_draft_is_its_writers_alone(world):
    call_id = new_id()
    do(world.operator, save_draft, SaveDraft(call_id, [["narrative", "x"]]))
    for user, count in ((world.operator, 1), (world.supervisor, 0), (make_user(world.centre, "operator"), 0)):
        with unit_of_work(user.ctx()):
            found = db.session.scalar(text("SELECT count(*) FROM call_drafts WHERE id = :id"), {"id": call_id})
        assert found == count


RULES = {
    "calls": (policy.CALLS, policy.CALLS_WRITTEN),
    "call_children": (policy.PART_OF_CALL, policy.PART_OF_CALL),
    "call_terms": (policy.PART_OF_CALL, policy.PART_OF_CALL),
    "call_versions": (policy.PART_OF_CALL, policy.PART_OF_CALL),
    "call_drafts": (policy.DRAFTS, policy.DRAFTS),
    "persons": (people_policy.PERSONS, people_policy.PERSONS),
}


@pytest.mark.parametrize("table", RULES)
def test_the_rule_written_is_the_rule_in_force(table, database_urls):
    """The database prints a rule its own way: so both are printed by it."""
    printed = "SELECT qual, with_check FROM pg_policies WHERE tablename = %s AND policyname = %s"
    seen_by, written_by = RULES[table]
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(f"CREATE POLICY probe ON {table} USING ({seen_by}) WITH CHECK ({written_by})")
        probe = connection.execute(printed, [table, "probe"]).fetchall()
        assert connection.execute(printed, [table, f"{table}_rows"]).fetchall() == probe
        connection.rollback()


def test_the_rule_of_adding_people_is_the_one_in_force(database_urls):
    printed = "SELECT with_check FROM pg_policies WHERE tablename = 'persons' AND policyname = %s"
    with psycopg.connect(database_urls["owner"]) as connection:
        rule = people_policy.PERSONS_INSERT
        connection.execute(f"CREATE POLICY probe ON persons FOR INSERT WITH CHECK ({rule})")
        probe = connection.execute(printed, ["probe"]).fetchall()
        assert connection.execute(printed, ["persons_add"]).fetchall() == probe
        connection.rollback()
