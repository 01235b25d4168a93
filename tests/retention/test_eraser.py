"""The role in which things are erased sees ids, dates, links and keys, and nothing else."""

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.access.rows import signed_context
from helpline.foundation.context import system_context
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db
from helpline.retention.policy import ERASER

SEES = {  # by hand: what it may read of each table
    "calls": "caller_person_id centre_id erased_at id started_at",
    "call_children": "call_id person_id",
    "cases": "call_id centre_id child_person_id closed_at erased_at id status",
    "persons": "canonical_person_id centre_id erased_at id",
    "call_versions": "call_id id", "call_drafts": "centre_id id saved_at", "case_notes": "case_id id",
    "case_closings": "case_id id", "glass_overrides": "case_id id", "followups": "case_id id",
    "referral_asks": "case_id id referral_id",
    "legal_holds": "id lifted_at record_id",
    "retention_reviews": "centre_id id keep_until record_id record_kind",
    "retention_rules": "centre_id kind months", "retention_sweeps": "after_at after_id centre_id kind swept_at",
    "erasures": "centre_id finished_at id record_id",
    "grants": "effect ended_at id record_id", "messages": "centre_id created_at id params state",
    "call_imports": "centre_id created_at id record_key state", "call_import_chunks": "import_id",
    "call_import_rows": "import_id", "call_import_findings": "import_id",
    "user_sessions": "created_at ended_at id user_id", "users": "centre_id id", "centres": "id",
}  # fmt: skip


@pytest.fixture
def stepped_down(database_urls):
    connections = []

    def connect(actor=SystemActor.ERASER):
        connection = psycopg.connect(database_urls["worker"])
        connections.append(connection)
        for name, value in signed_context(system_context(actor)).items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"app.{name}", value])
        connection.execute("SET LOCAL ROLE helpline_eraser")
        return connection

    yield connect
    for connection in connections:
        connection.close()


def test_it_reads_these_columns_and_no_more(database_urls):
    query = """SELECT relname, string_agg(attname, ' ' ORDER BY attname)
               FROM pg_class c JOIN pg_attribute ON attrelid = c.oid CROSS JOIN aclexplode(attacl)
               WHERE grantee = 'helpline_eraser'::regrole AND privilege_type = 'SELECT' GROUP BY 1"""
    with psycopg.connect(database_urls["owner"]) as connection:
        assert dict(connection.execute(query).fetchall()) == SEES


WRITES = {  # by hand: keys and sealed columns, and what is blanked with them
    "calls": "body_digest danger erased_at erased_why narrative_sealed original_sealed place_id record_key"
    " risk_override_sealed risk_reasons void_reason_sealed",
    "cases": "body_index child_age consent_why_sealed erased_at erased_why place_id record_key risk_reasons summary_sealed",
    "persons": "age age_known background_sealed disability erased_at erased_why gender language name_sealed phone_index"
    " phone_sealed record_key",
    "call_versions": "record_key snapshot_sealed", "call_drafts": "body_sealed record_key",
    "case_notes": "body_index body_sealed record_key", "case_closings": "reason_sealed record_key",
    "glass_overrides": "note_sealed reason_sealed record_key",
    "followups": "note_sealed reason_sealed record_key task_sealed",
    "referral_asks": "decline_note_sealed record_key", "legal_holds": "reason_sealed record_key",
    "retention_reviews": "keep_until", "retention_sweeps": "after_at after_id swept_at",
    "erasures": "counts finished_at master_version", "grants": "ended_at",
    "call_imports": "file_name_sealed headers_sealed options_sealed record_key report_sealed",
}  # fmt: skip
WHOLE = {
    "retention_reviews": {"DELETE", "INSERT"}, "retention_sweeps": {"INSERT"},
    "messages": {"DELETE"}, "call_drafts": {"DELETE"}, "call_import_chunks": {"DELETE"}, "call_import_rows": {"DELETE"},
    "call_import_findings": {"DELETE"}, "user_sessions": {"DELETE"},
}  # fmt: skip


def test_it_writes_these_columns_and_takes_away_these_rows_alone(database_urls):
    columns = """SELECT relname, string_agg(attname, ' ' ORDER BY attname)
               FROM pg_class c JOIN pg_attribute ON attrelid = c.oid CROSS JOIN aclexplode(attacl)
               WHERE grantee = 'helpline_eraser'::regrole AND privilege_type = 'UPDATE' GROUP BY 1"""
    whole = """SELECT relname, array_agg(privilege_type) FROM pg_class CROSS JOIN aclexplode(relacl)
               WHERE grantee = 'helpline_eraser'::regrole GROUP BY 1"""
    with psycopg.connect(database_urls["owner"]) as connection:
        assert dict(connection.execute(columns).fetchall()) == WRITES
        assert {table: set(held) for table, held in connection.execute(whole).fetchall()} == WHOLE


def test_its_rows_are_everybodys_but_only_for_the_eraser(database_urls):
    with psycopg.connect(database_urls["owner"]) as connection:
        found = connection.execute(
            "SELECT tablename, cmd, roles::text, permissive, qual, with_check FROM pg_policies WHERE policyname LIKE '%%\\_erased'"
        ).fetchall()
        connection.execute(f"CREATE POLICY probe ON calls USING ({ERASER})")
        qual = connection.execute("SELECT qual FROM pg_policies WHERE policyname = 'probe'").fetchone()[0]
        connection.rollback()
    assert {table for table, *_ in found} == set(SEES)
    assert {tuple(each[1:]) for each in found} == {("ALL", "{helpline_eraser}", "PERMISSIVE", qual, qual)}


def test_it_reads_nothing_that_is_sealed(database_urls, stepped_down):
    for table, columns in sealed_columns(db.metadata).items():
        for column in sorted(columns):
            with pytest.raises(InsufficientPrivilege):
                stepped_down().execute(
                    sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
                )


@pytest.mark.parametrize("statement", [
    "SELECT age FROM persons", "SELECT name FROM users", "SELECT record_key FROM cases", "DELETE FROM cases",
    "DELETE FROM calls", "UPDATE calls SET started_at = now()", "UPDATE users SET role = 'admin'",
    "INSERT INTO erasures (id) VALUES (uuidv7())", "INSERT INTO grants (id) VALUES (uuidv7())",
    "SELECT * FROM app.context_key", "SELECT * FROM audit_entries", "UPDATE legal_holds SET lifted_at = now()",
    "DELETE FROM legal_holds", "UPDATE approvals SET decision = 'approved'", "SELECT app.carry_out(uuidv7())",
])  # fmt: skip
def test_it_does_nothing_else(stepped_down, statement):
    with pytest.raises(InsufficientPrivilege):
        stepped_down().execute(statement)


@pytest.mark.parametrize("actor", [actor for actor in SystemActor if actor is not SystemActor.ERASER])
def test_for_another_actor_the_role_sees_no_row(stepped_down, actor):
    connection = stepped_down(actor)
    for table, columns in SEES.items():
        count = sql.SQL("SELECT count({}) FROM {}").format(sql.Identifier(columns.split()[0]), sql.Identifier(table))
        assert connection.execute(count).fetchone() == (0,), table


@pytest.mark.parametrize("login", ["web", "relay", "search"])
def test_no_other_login_steps_down_to_it(database_urls, login):
    with psycopg.connect(database_urls[login]) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SET ROLE helpline_eraser")
