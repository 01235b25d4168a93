"""Whose directory each role sees, by a table written by hand; and the rules in force are the rules written."""

import psycopg
import pytest
from sqlalchemy import text

from helpline.agencies import policy
from helpline.foundation.db import db, unit_of_work
from tests.factories.agencies import make_agency
from tests.factories.cases import make_world

SEES = {
    "operator": 1, "caseworker": 1, "team_supervisor": 1, "supervisor": 1, "admin": 1, "auditor": 0,
}  # fmt: skip
TABLES = {"agencies": "id", "agency_services": "agency_id", "agency_coverage": "agency_id"}
RULES = {
    "agencies": policy.AGENCIES, "agency_services": policy.AGENCY_SERVICES, "agency_coverage": policy.AGENCY_COVERAGE,
}  # fmt: skip


def seen(user, agency_id):
    with unit_of_work(user.ctx()):
        return [
            db.session.execute(text(f"SELECT count(*) FROM {table} WHERE {column} = :id"), {"id": agency_id}).scalar()
            for table, column in TABLES.items()
        ]


@pytest.mark.usefixtures("in_app")
def test_each_role_sees_its_centre_s_directory_or_none(world, database_urls):
    agency_id, elsewhere = make_agency(world), make_world(database_urls["owner"])
    for role, count in SEES.items():
        assert seen(getattr(world, role), agency_id) == [count] * 3, role
        assert seen(getattr(elsewhere, role), agency_id) == [0, 0, 0], role


@pytest.mark.parametrize("table", RULES)
def test_the_rule_written_is_the_rule_in_force(table, database_urls):
    printed = "SELECT qual FROM pg_policies WHERE tablename = %s AND policyname = %s"
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(f"CREATE POLICY probe ON {table} USING ({RULES[table]})")
        probe = connection.execute(printed, [table, "probe"]).fetchall()
        assert connection.execute(printed, [table, f"{table}_rows"]).fetchall() == probe
        connection.rollback()
