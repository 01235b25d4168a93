"""The role that a rotation steps down to sees ids and wrapped keys, of every table of records, and nothing else."""

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.access.rows import signed_context
from helpline.foundation.context import system_context
from helpline.foundation.crypto.sealed import wrapped_keys
from helpline.foundation.db import db
from helpline.keys.policy import ROTATED

TABLES = {name for name, columns in wrapped_keys(db.metadata).items() if "record_key" in columns}
STAGED = {("call_import_rows", "SELECT"): "call_key caller_key child_key"}


def test_its_privileges_are_these_columns_and_no_more(own):
    query = """SELECT relname, privilege_type, string_agg(attname, ' ' ORDER BY attname)
               FROM pg_class c JOIN pg_attribute ON attrelid = c.oid CROSS JOIN aclexplode(attacl)
               WHERE grantee = 'helpline_rotator'::regrole GROUP BY 1, 2"""
    with psycopg.connect(own.database_owner_url) as connection:
        held = {(table, what): columns for table, what, columns in connection.execute(query).fetchall()}
    held = {cell: columns for cell, columns in held.items() if cell[0] != "key_rotations"}  # its own account of how far
    expected = {(table, "SELECT"): "id record_key" for table in TABLES} | {(t, "UPDATE"): "record_key" for t in TABLES}
    assert held == expected | STAGED, "a new table of records calls migrations.tools.rotate"


def test_its_rows_are_everybodys_but_only_for_the_rotation(own):
    with psycopg.connect(own.database_owner_url) as connection:
        found = connection.execute(
            "SELECT tablename, cmd, roles::text, permissive, qual, with_check FROM pg_policies WHERE policyname LIKE '%%_rotated'"
        ).fetchall()
        connection.execute(f"CREATE POLICY probe ON calls USING ({ROTATED})")
        qual = connection.execute("SELECT qual FROM pg_policies WHERE policyname = 'probe'").fetchone()[0]
        connection.rollback()
    assert {table for table, *_ in found} == TABLES | {"call_import_rows"}
    for table, command, roles, permissive, seen, written in found:
        staged = table == "call_import_rows"
        assert (command, roles, permissive) == ("SELECT" if staged else "ALL", "{helpline_rotator}", "PERMISSIVE")
        assert (seen, written) == (qual, None if staged else qual)


@pytest.fixture
def stepped_down(own, logs):
    """`stepped_down(actor)`: the worker's login in the role, signed as that actor."""
    connections = []

    def connect(actor):
        connection = psycopg.connect(own.database_worker_url)
        connections.append(connection)
        for name, value in signed_context(system_context(actor)).items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"app.{name}", value])
        connection.execute("SET LOCAL ROLE helpline_rotator")
        return connection

    logs(1)
    yield connect
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("statement", [
    "SELECT narrative_sealed FROM calls", "SELECT * FROM calls", "SELECT risk_level FROM calls",
    "SELECT age FROM persons", "SELECT name_sealed FROM persons", "SELECT name FROM users", "INSERT INTO key_rotations (id) VALUES (uuidv7())",
    "SELECT body FROM call_import_rows", "SELECT * FROM app.context_key", "DELETE FROM calls",
    "UPDATE calls SET narrative_sealed = NULL", "UPDATE calls SET id = id", "UPDATE call_import_rows SET call_key = ''",
    "INSERT INTO calls (id) VALUES (uuidv7())", "SELECT * FROM audit_entries", "SELECT * FROM outbox_events",
])  # fmt: skip
def test_it_reads_and_writes_nothing_else(stepped_down, statement):
    with pytest.raises(InsufficientPrivilege):
        stepped_down(SystemActor.ROTATOR).execute(statement)


def test_it_sees_every_centres_keys(stepped_down):
    assert stepped_down(SystemActor.ROTATOR).execute("SELECT count(record_key) FROM calls").fetchone()[0] >= 1


@pytest.mark.parametrize("actor", [actor for actor in SystemActor if actor is not SystemActor.ROTATOR])
def test_for_another_actor_the_role_sees_no_row(stepped_down, actor):
    for table in sorted(TABLES):
        count = stepped_down(actor).execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        assert count.fetchone() == (0,)


@pytest.mark.parametrize("login", ["database_url", "database_relay_url"])
def test_no_other_login_steps_down_to_it(own, login):
    with psycopg.connect(getattr(own, login)) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SET ROLE helpline_rotator")
