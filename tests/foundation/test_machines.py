"""The system actors' own database roles: what each may touch, and that it does so as itself alone.

Written by hand: a table, an actor or a column that is not said here fails.
"""

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import event
from sqlalchemy import text as sql_text
from sqlalchemy.exc import ProgrammingError

from helpline.app import create_app
from helpline.foundation.access.matrix import PERMISSIONS
from helpline.foundation.access.permissions import MACHINES, SystemActor
from helpline.foundation.access.rows import machine, machine_role, signed_context
from helpline.foundation.context import Context, system_context
from helpline.foundation.crypto.sealed import sealed_columns, wrapped_keys
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import NotFound
from tests.factories.cases import make_world, open_case

ELSEWHERE = {  # actors without a role of the workers', and by which login they act
    "visitor": "web", "locker": "web", "searcher": "helpline_search, a login of its own",
}  # fmt: skip
# table -> actor: S select, I insert, U update, D delete; none of them where nothing is said.
CELLS = {
    "agencies": {"router": "S"}, "agency_coverage": {"router": "S"}, "agency_services": {"router": "S"},
    "alembic_version": {}, "api_tokens": {},
    "approvals": {"eraser": "S", "keeper": "S", "rotator": "SU"},
    "audit_checkpoints": {"notary": "SI"},
    "audit_entries": {"eraser": "I",
        "importer": "I", "keeper": "I", "messenger": "I", "notary": "SI", "reminder": "I", "rotator": "I",
        "router": "I", "watcher": "SI",
    },
    "audit_followers": {"notary": "SIU", "watcher": "SIU"},
    "audit_leaves": {"notary": "SI", "watcher": "S"},
    "audit_pending": {"notary": "SD"},
    "breach_entries": {"rotator": "SU"},
    "breaches": {"reminder": "SU", "rotator": "SU"},
    "call_children": {"eraser": "S", "importer": "I"},
    "call_drafts": {"eraser": "SUD", "rotator": "SU"},
    "call_identities": {"importer": "SI"},
    "call_import_chunks": {"eraser": "SD", "importer": "SD", "rotator": "SU"},
    "call_import_findings": {"eraser": "SD", "importer": "SID", "rotator": "SU"},
    "call_import_mappings": {},
    "call_import_rows": {"eraser": "SD", "importer": "SID", "rotator": "S"},
    "call_imports": {"eraser": "SU", "importer": "SUD", "rotator": "SU"},
    "call_terms": {"importer": "I"},
    "call_versions": {"eraser": "SU", "rotator": "SU"},
    "calls": {"eraser": "SU", "importer": "I", "rotator": "SU"},
    "case_closings": {"eraser": "SU", "rotator": "SU"},
    "case_counters": {},
    "case_events": {"reminder": "I", "router": "I"},
    "case_notes": {"eraser": "SU", "rotator": "SU"},
    "case_obligations": {"reminder": "SIU", "router": "SIU"},
    "cases": {"eraser": "SU", "reminder": "SU", "rotator": "SU", "router": "SU"},
    "centre_roles": {},
    "centres": dict.fromkeys(("importer", "messenger", "notary", "reminder", "router", "watcher"), "S") | {"eraser": "S"},
    "compelled_disclosures": {"rotator": "SU"},
    "context_key": {}, "credentials": {},
    "disclosures": {"eraser": "SU", "rotator": "SU"},
    "erasure_ledger_states": {"eraser": "SIU"}, "erasures": {"eraser": "SU"},
    "exports": {"eraser": "SU", "keeper": "SU", "rotator": "SU"},
    "factors": {"rotator": "SU"},
    "followups": {"eraser": "SU", "reminder": "SIU", "rotator": "SU"},
    "glass_overrides": {"eraser": "SU", "reminder": "SU", "rotator": "SU"},
    "grants": {"eraser": "SU", "messenger": "S", "reminder": "S", "router": "SIU", "watcher": "S"},
    "handled_events": {"messenger": "SI", "reminder": "SI", "router": "SI"},
    "heartbeats": {"keeper": "SIU"},
    "holidays": {"reminder": "S", "router": "S"},
    "key_rotations": {"keeper": "SI", "rotator": "SU"},
    "key_state": {},
    "legal_holds": {"eraser": "SU", "rotator": "SU"},
    "messages": {"eraser": "SD",
        "importer": "I", "messenger": "SIU", "notary": "I", "reminder": "I", "rotator": "SU", "router": "I",
        "watcher": "I",
    },
    "outbox_events": {"eraser": "I", "keeper": "I", "reminder": "I", "router": "I"},
    "persons": {"eraser": "SU", "importer": "I", "rotator": "SU", "router": "S"},
    "place_keys": {},
    "places": {"importer": "S", "router": "S"},
    "reading_alerts": {"rotator": "SU", "watcher": "SI"},
    "recovery_codes": {}, "reference_loads": {},
    "referral_asks": {"eraser": "SU", "rotator": "SU", "router": "SIU"},
    "referrals": {"router": "SIU"},
    "retention_reviews": {"eraser": "SIUD", "rotator": "SU"},
    "retention_rules": {"eraser": "S"}, "retention_sweeps": {"eraser": "SIU"},
    "searches": {},
    "taxonomies": {"importer": "S"}, "taxonomy_terms": {"importer": "S"},
    "team_members": {"reminder": "S", "router": "S"},
    "teams": {}, "tries": {}, "user_sessions": {"eraser": "SD"},
    "users": dict.fromkeys(("importer", "keeper", "messenger", "notary", "reminder", "router", "watcher"), "S") | {"eraser": "S"},
}  # fmt: skip
SEALED_READ = {  # all that is sealed, or opens it, and is read by a machine; the rotator's stand in tests/keys/test_rotator.py
    "eraser": {("call_imports", "record_key")},  # whether it was destroyed already
    "importer": {
        ("call_import_chunks", "body_sealed"), ("call_import_chunks", "record_key"),
        *(("call_import_rows", name) for name in ("call_key", "caller_key", "child_key")),
        *(("call_imports", name) for name in (
            "file_name_sealed", "headers_sealed", "options_sealed", "record_key", "report_sealed",
        )),
    },
    "messenger": {("messages", "address_sealed"), ("messages", "record_key")},
    "router": {("referral_asks", "record_key")},
}  # fmt: skip
SOME = {  # (actor, table): of these columns alone
    **{("eraser", table): columns for table, columns in {
        "calls": "caller_person_id centre_id erased_at id started_at",
        "call_children": "call_id person_id",
        "cases": "call_id centre_id child_person_id closed_at erased_at id status",
        "persons": "canonical_person_id centre_id erased_at id",
        "call_versions": "call_id id",
        "call_drafts": "centre_id id saved_at",
        "case_notes": "case_id id",
        "case_closings": "case_id id",
        "glass_overrides": "case_id id",
        "followups": "case_id id",
        "referral_asks": "case_id id referral_id",
        "disclosures": "case_id id",
        "exports": "case_ids gone_at id",
        "legal_holds": "id lifted_at record_id",
        "retention_reviews": "centre_id id keep_until record_id record_kind",
        "retention_rules": "centre_id kind months",
        "retention_sweeps": "after_at after_id centre_id kind swept_at",
        "erasures": "centre_id finished_at id record_id",
        "grants": "effect ended_at id record_id",
        "messages": "centre_id created_at id params state",
        "call_imports": "centre_id created_at id record_key state",
        "call_import_chunks": "import_id",
        "call_import_rows": "import_id",
        "call_import_findings": "import_id",
        "user_sessions": "created_at ended_at id user_id",
        "users": "centre_id id",
        "centres": "id",
    }.items()},
    ("router", "persons"): "id language",
    ("watcher", "audit_entries"): "actor_id actor_role at centre_id field_groups id outcome subject_ids",
    ("watcher", "audit_leaves"): "entry_id seq",
    ("watcher", "reading_alerts"): "id",
    **{(name, "grants"): "effect ended_at kind principal_id record_id" for name in ("messenger", "reminder", "watcher")},
    **{(name, "handled_events"): "event_id" for name in ("messenger", "reminder", "router")},
    ("importer", "call_import_findings"): "import_id",
}  # fmt: skip
UPDATED = {  # (actor, table): columns; `id` alone only locks the row, since a trigger refuses another
    **{("eraser", table): columns for table, columns in {
        "calls": "body_digest danger erased_at erased_why narrative_sealed original_sealed place_id record_key risk_override_sealed risk_reasons void_reason_sealed",
        "cases": "body_index child_age consent_why_sealed erased_at erased_why place_id record_key risk_reasons summary_sealed",
        "persons": "age age_known background_sealed disability erased_at erased_why gender language name_sealed phone_index phone_sealed record_key",
        "call_versions": "record_key snapshot_sealed",
        "call_drafts": "body_sealed record_key",
        "case_notes": "body_index body_sealed record_key",
        "case_closings": "reason_sealed record_key",
        "glass_overrides": "note_sealed reason_sealed record_key",
        "followups": "note_sealed reason_sealed record_key task_sealed",
        "referral_asks": "decline_note_sealed record_key",
        "disclosures": "recipient_sealed record_key what_sealed",
        "exports": "body_index body_sealed gone_at reason_sealed recipient_sealed record_key",
        "legal_holds": "reason_sealed record_key",
        "retention_reviews": "keep_until",
        "retention_sweeps": "after_at after_id swept_at",
        "erasures": "counts finished_at master_version",
        "grants": "ended_at",
        "call_imports": "file_name_sealed headers_sealed options_sealed record_key report_sealed",
        "erasure_ledger_states": "checked_at entries one problem unknown_here unknown_there",
    }.items()},
    ("importer", "call_imports"): (
        "by_command calls_added error_code finished_at lease leased_until report_sealed rows_known rows_read"
        " rows_rejected rows_repeated rows_total state version"
    ),
    ("keeper", "exports"): "body_sealed gone_at",
    ("keeper", "heartbeats"): "part seen_at",
    ("messenger", "messages"): "attempts claimed_at due_at error_code sent_at state",
    ("reminder", "breaches"): "remind_at version",
    ("reminder", "case_obligations"): "settled_at", ("router", "case_obligations"): "settled_at",
    ("reminder", "cases"): "id", ("router", "cases"): "id",
    ("reminder", "followups"): (
        "caseworker_id done_at done_by due_at escalate_at escalated_at outcome remind_at reminded_at risk_level state"
        " team_id version"
    ),
    ("reminder", "glass_overrides"): "remind_at",
    ("rotator", "key_rotations"): (
        "after_id done finished_at master_version retire_left retire_tried_at retired_at table_name total unread"
    ),
    ("router", "grants"): "ended_at",
    ("router", "referral_asks"): "state version",
    ("router", "referrals"): "current_ask_id decided_at excluded service_ended_at state version withdraw_reason",
    **{(name, "audit_followers"): "attempts due_at error_code moved_at position" for name in ("notary", "watcher")},
}  # fmt: skip
OWN_RULES = {  # of which rows it is true besides that the actor is signed: (seen, written)
    ("grants", "messenger"): ("effect = 'deny'", None), ("grants", "reminder"): ("effect = 'deny'", None),
    ("grants", "watcher"): ("effect = 'deny'", None),
    ("grants", "router"): (None, "effect = 'allow' AND reason = 'referral' AND (ended_at IS NOT NULL OR granted_by = {me})"),
    ("exports", "keeper"): (None, "gone_at IS NOT NULL AND downloaded_at IS NULL"),
    ("calls", "importer"): (None, "source = 'imported'"), ("persons", "importer"): (None, "added_by = {me}"),
    ("outbox_events", "eraser"): (None, "name IN ('retention.record_erased', 'accounts.approval_moved')"),
    ("outbox_events", "keeper"): (None, "name LIKE 'accounts.%'"),
    ("outbox_events", "reminder"): (None, "name LIKE 'followups.%'"),
    ("outbox_events", "router"): (
        None, "name LIKE 'referrals.%' AND name NOT IN ('referrals.accepted', 'referrals.declined')",
    ),
}  # fmt: skip
TABLE_COLUMNS = """SELECT table_name, column_name, string_agg(DISTINCT left(privilege_type, 1), '')
    FROM information_schema.column_privileges
    WHERE grantee = %s AND table_schema IN ('public', 'app') AND privilege_type <> 'REFERENCES' GROUP BY 1, 2"""
DELETES = "SELECT table_name FROM information_schema.table_privileges WHERE grantee = %s AND privilege_type = 'DELETE'"


@pytest.fixture
def owner(database_urls):
    with psycopg.connect(database_urls["owner"]) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def as_role(database_urls):
    """`as_role("router", "reminder")`: the workers' login in the first one's role, signed as the second."""
    connections = []

    def connect(role, actor):
        connection = psycopg.connect(database_urls["worker"])
        connections.append(connection)
        settings = {f"app.{name}": value for name, value in signed_context(system_context(actor)).items()}
        for name, value in {**settings, "role": f"helpline_{role}"}.items():
            connection.execute("SELECT set_config(%s, %s, true)", [name, value])
        return connection

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def as_worker(settings):
    app = create_app(settings, database_role="worker")
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def steps(as_worker):
    """Every statement of the workers' engine."""
    seen = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    return seen


def columns_of(owner, role):
    return {(table, column): set(held) for table, column, held in owner.execute(TABLE_COLUMNS, [role]).fetchall()}


def test_every_actor_of_the_matrix_has_a_role_or_says_by_which_login_it_acts():
    assert {*MACHINES, *ELSEWHERE} == set(SystemActor)
    assert not set(MACHINES) & set(ELSEWHERE)
    assert set(MACHINES) <= set(PERMISSIONS)


def test_every_table_is_in_the_table(owner):
    found = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'app'::regnamespace)"
    )
    assert {name for (name,) in found} == set(CELLS)


@pytest.mark.parametrize("actor", MACHINES)
def test_an_actor_touches_what_is_written_and_no_more(owner, actor):
    role, found = machine_role(actor), {}
    for (table, _column), held in columns_of(owner, role).items():
        found.setdefault(table, set()).update(held)
    for (table,) in owner.execute(DELETES, [role]).fetchall():
        found.setdefault(table, set()).add("D")
    assert found == {table: set(cells[actor]) for table, cells in CELLS.items() if actor in cells}


@pytest.mark.parametrize("actor", [actor for actor in MACHINES if actor is not SystemActor.ROTATOR])
def test_of_these_columns_alone(owner, actor):
    held, secret = columns_of(owner, machine_role(actor)), wrapped_keys(db.metadata)
    for table, columns in sealed_columns(db.metadata).items():
        secret[table] = secret.get(table, set()) | set(columns)
    read = {cell for cell, letters in held.items() if "S" in letters and cell[1] in secret.get(cell[0], ())}
    assert read == SEALED_READ.get(actor, set())
    for table in {table for table, _column in held}:
        seen = {column for name, column in held if name == table and "S" in held[name, column]}
        if (actor, table) in SOME:
            assert seen == set(SOME[actor, table].split()), table
        written = {column for name, column in held if name == table and "U" in held[name, column]}
        assert written == set(UPDATED.get((actor, table), "").split()), table


@pytest.mark.parametrize("actor", MACHINES)
def test_its_rows_are_seen_while_it_is_signed_itself(owner, actor):
    policies = owner.execute(
        "SELECT tablename, policyname, cmd, roles::text, permissive, qual, with_check FROM pg_policies WHERE policyname LIKE %s",
        [f"%\\_by\\_{actor}"],
    ).fetchall()
    protected = {name for (name,) in owner.execute("SELECT relname FROM pg_class WHERE relrowsecurity").fetchall()}
    served = {table for table, cells in CELLS.items() if actor in cells and table in protected}
    if actor is SystemActor.ROTATOR:  # of records it has keys alone, by policies of their own
        served = {"audit_entries", "key_rotations"}
    assert {table for table, *_ in policies} == served
    for table, name, command, roles, permissive, seen, written in policies:
        assert (command, roles, permissive) == ("ALL", f"{{{machine_role(actor)}}}", "PERMISSIVE"), name
        also = OWN_RULES.get((table, actor), (None, None))
        if table == "audit_entries":
            also = (None, "actor_id = {me}")
        halves = [machine(actor) + (f" AND ({each})" if each else "") for each in also]
        using, check = (half.format(me="(SELECT app.actor_id())") for half in halves)
        owner.execute(sql.SQL("CREATE POLICY probe ON {} USING ({}) WITH CHECK ({})").format(
            sql.Identifier(table), sql.SQL(using), sql.SQL(check)
        ))  # fmt: skip
        probe = owner.execute(
            "SELECT qual, with_check FROM pg_policies WHERE policyname = 'probe' AND tablename = %s", [table]
        ).fetchone()
        assert (seen, written) == probe, name


def test_the_workers_login_has_nothing_of_its_own(owner):
    assert columns_of(owner, "helpline_worker") == {}
    assert owner.execute("SELECT 1 FROM pg_policies WHERE 'helpline_worker' = ANY (roles)").fetchall() == []
    called = owner.execute(
        "SELECT proname FROM pg_proc CROSS JOIN aclexplode(proacl) WHERE grantee = 'helpline_worker'::regrole"
    )
    assert called.fetchall() == [("keys_locked",)]


@pytest.mark.parametrize("role", MACHINES)
def test_under_anothers_signature_a_role_sees_no_row(app, database_urls, as_role, role):
    with app.app_context():
        open_case(make_world(database_urls["owner"]))
    other = next(actor for actor in MACHINES if actor is not role)
    for signed in (other, SystemActor.VISITOR):
        connection = as_role(role, signed)
        for table, cells in CELLS.items():
            if "S" in cells.get(role, "") and table not in OPEN:
                column = next(
                    name for name in SOME.get((role, table), "").split() or first_columns(connection, table)
                )  # fmt: skip
                query = sql.SQL("SELECT {} FROM {} LIMIT 1").format(sql.Identifier(column), sql.Identifier(table))
                assert connection.execute(query).fetchall() == [], table


OPEN = {
    "handled_events",
    "heartbeats",
    "holidays",
    "places",
    "taxonomies",
    "taxonomy_terms",
}  # rows of no worth to anybody


def first_columns(connection, table):
    query = """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0
               AND has_column_privilege(attrelid, attnum, 'SELECT')"""
    return [name for (name,) in connection.execute(query, [f"public.{table}"]).fetchall()]


NOT_ITS_OWN = {  # for each, what it might be made to do if its task were led astray
    "router": ["SELECT narrative_sealed FROM calls", "UPDATE messages SET state = 'sent'", "UPDATE users SET role = 'admin'",
               "SELECT name_sealed FROM persons", "UPDATE cases SET caseworker_id = NULL", "DELETE FROM grants"],
    "reminder": ["SELECT name_sealed FROM persons", "INSERT INTO grants (id) VALUES (uuidv7())",
                 "UPDATE cases SET risk_level = 'low'", "SELECT reason_sealed FROM glass_overrides",
                 "UPDATE glass_overrides SET reviewed_at = now()", "SELECT task_sealed FROM followups"],
    "messenger": ["SELECT id FROM cases", "SELECT id FROM persons", "UPDATE messages SET address_sealed = ''",
                  "UPDATE messages SET recipient_id = uuidv7()", "INSERT INTO outbox_events (id) VALUES (uuidv7())"],
    "eraser": ["SELECT age FROM persons", "SELECT name FROM users", "SELECT record_key FROM cases", "DELETE FROM cases",
               "SELECT narrative_sealed FROM calls", "UPDATE calls SET started_at = now()", "DELETE FROM legal_holds",
               "INSERT INTO erasures (id) VALUES (uuidv7())", "UPDATE legal_holds SET lifted_at = now()",
               "UPDATE approvals SET decision = 'approved'", "SELECT * FROM audit_entries", "DELETE FROM grants"],
    "importer": ["SELECT id FROM calls", "UPDATE calls SET narrative_sealed = ''", "SELECT name_sealed FROM persons",
                 "DELETE FROM calls", "INSERT INTO cases (id) VALUES (uuidv7())", "UPDATE persons SET name_sealed = ''"],
    "rotator": ["SELECT narrative_sealed FROM calls", "SELECT name FROM users", "DELETE FROM calls",
                "INSERT INTO key_rotations (id) VALUES (uuidv7())"],
    "notary": ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "DELETE FROM audit_leaves",
               "UPDATE audit_leaves SET seq = 0", "UPDATE audit_checkpoints SET note = ''", "SELECT id FROM cases"],
    "watcher": ["SELECT details FROM audit_entries", "UPDATE reading_alerts SET settled_at = now()",
                "DELETE FROM audit_pending", "INSERT INTO audit_leaves (seq) VALUES (0)", "SELECT id FROM cases"],
    "keeper": ["UPDATE users SET role = 'admin'", "UPDATE approvals SET decision = 'approved'", "SELECT id FROM cases",
               "DELETE FROM factors", "INSERT INTO users (id) VALUES (uuidv7())", "SELECT password_hash FROM credentials"],
}  # fmt: skip


@pytest.mark.parametrize("actor", MACHINES)
def test_an_actor_cant_do_what_is_not_its_own(as_role, actor):
    connection = as_role(actor, actor)
    for statement in [*NOT_ITS_OWN[actor], "SELECT * FROM app.context_key", "SET ROLE helpline_owner"]:
        with pytest.raises(InsufficientPrivilege), connection.transaction(force_rollback=True):
            connection.execute(statement)


@pytest.mark.parametrize("statement", [
    ("INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at) SELECT"
    " uuidv7(), uuidv7(), 'case', id, 'allow', 'shared', id, app.actor_id(), now() FROM cases LIMIT 1"),
    ("INSERT INTO outbox_events (id, name, payload, request_id, created_at)"
    " VALUES (uuidv7(), 'cases.closed', '{}', uuidv7(), now())"),
    ("INSERT INTO audit_entries (id, at, actor_id, actor_role, channel, request_id, action, outcome, subject_ids, field_groups,"
    " details) VALUES (uuidv7(), now(), uuidv7(), 'admin', 'page', uuidv7(), 'x', 'done', '{}', '{}', '{}')"),
])  # fmt: skip
def test_the_router_grants_tells_and_records_in_its_own_matters_alone(app, database_urls, as_role, statement):
    with app.app_context():
        open_case(make_world(database_urls["owner"]))
    with pytest.raises(InsufficientPrivilege):
        as_role("router", "router").execute(statement)


@pytest.mark.parametrize("statement", [
    ("INSERT INTO call_children (call_id, person_id, centre_id, position, age_band, gender)"
    " VALUES (%(call)s, %(child)s, %(centre)s, 7, 'unknown', 'unknown')"),
    ("INSERT INTO calls (id, record_key, centre_id, operator_id, channel, direction, kind, started_at, ended_at, logged_at,"
    " risk_level, risk_reasons, source, caller_relation, caller_person_id) VALUES (uuidv7(), '', %(centre)s, %(operator)s, 'phone', 'in',"
    " 'counselling', now(), now(), now(), 'low', '[]', 'imported', 'unknown', %(child)s)"),
])  # fmt: skip
def test_a_file_names_nobody_who_was_there_before_it(app, database_urls, owner, as_role, statement):
    with app.app_context():
        world = make_world(database_urls["owner"])
        first, second = open_case(world), open_case(world)
    query = """SELECT one.call_id, another.child_person_id, one.centre_id, one.opened_by FROM cases one, cases another
               WHERE one.id = %s AND another.id = %s"""
    found = owner.execute(query, [first, second]).fetchone()
    names = dict(zip(("call", "child", "centre", "operator"), found, strict=True))
    with pytest.raises(InsufficientPrivilege, match="who were there before"):
        as_role("importer", "importer").execute(statement, names)


@pytest.mark.parametrize("login", ["web", "relay", "search"])
@pytest.mark.parametrize("actor", MACHINES)
def test_no_other_login_steps_down(database_urls, login, actor):
    with psycopg.connect(database_urls[login]) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(machine_role(actor))))


def test_a_unit_of_work_steps_down_in_the_statement_that_signs_and_back_up_at_its_end(as_worker, steps):
    with unit_of_work(system_context(SystemActor.ROUTER)):
        assert db.session.scalar(sql_text("SELECT current_user")) == "helpline_router"
    assert len(steps) == 2
    with db.engine.connect() as connection:
        assert connection.scalar(sql_text("SELECT current_user")) == "helpline_worker"
    with pytest.raises(NotFound), unit_of_work(system_context(SystemActor.NOTARY)):
        raise NotFound("case")
    assert db.session.scalar(sql_text("SELECT current_user")) == "helpline_worker"


def test_a_person_reaches_nothing_by_the_workers_login(as_worker, database_urls):
    ctx: Context = make_world(database_urls["owner"]).supervisor.ctx()
    with pytest.raises(ProgrammingError, match="permission denied"), unit_of_work(ctx):
        db.session.execute(sql_text("SELECT id FROM cases"))
