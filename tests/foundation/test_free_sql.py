"""An attacker with a login of ours and SQL of their own, but no key: what each definer function and each table gives.

Both tables are written by hand: a new function or table fails here until somebody has said what it gives away.
"""

from datetime import timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from helpline.foundation.access import rows
from helpline.foundation.access.rows import signed_context, ticket
from helpline.foundation.clock import real_now
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from tests.factories.accounts import set_password
from tests.factories.cases import make_world, open_case

WORDS = ("Srey Neang", "A neighbour heard it through the wall.")  # of the children and calls below
NOBODY = ("none", "forged", "expired")
LOGINS = ("web", "worker", "search")
EACH = "web worker relay search"
REFUSED, NONE, EMPTY, NO, YES, NO_ROW = "refused", [(None,)], [([],)], [(False,)], [(True,)], []
FUNCTIONS = {  # name: who may call it; the call; what it gives to nobody; what to an operator
    "actor": (EACH, "SELECT app.actor() ->> 'u'", NONE, [("{me}",)]),
    "actor_centre": (EACH, "SELECT app.actor_centre()::text", NONE, [("{centre}",)]),
    "actor_id": (EACH, "SELECT app.actor_id()::text", NONE, [("{me}",)]),
    "asked_child": ("web", "SELECT * FROM app.asked_child()", NO_ROW, NO_ROW),
    "audit_about": ("web", "SELECT app.audit_about(ARRAY[%(my_case)s::uuid, %(their_case)s::uuid])", NO_ROW, NO_ROW),
    "break_glass": ("web", "SELECT app.break_glass(uuidv7(), %(their_case)s, ''::bytea, ''::bytea)", NONE, NONE),
    "carry_out": ("web", "SELECT app.carry_out(uuidv7())", NO, NO),
    "case_elsewhere": ("web", "SELECT app.case_elsewhere(ARRAY[%(their_child)s::uuid], NULL, '{{}}', NULL)", NO, NO),
    "case_named": ("web", "SELECT app.case_named(%(their_code)s)", NONE, NONE),
    "cases_of_child": ("", None, None, None),
    "disclosures_of": ("web", "SELECT * FROM app.disclosures_of(%(their_case)s)", NO_ROW, NO_ROW),
    "readings_of": ("web", "SELECT * FROM app.readings_of(%(my_case)s)", NO_ROW, NO_ROW),
    # To all but who is about to add a case of their own, there is every case.
    "case_exists": ("web", "SELECT app.case_exists(%(their_case)s)", YES, YES),
    "case_looks": ("web", "SELECT * FROM app.case_looks(%(their_case)s, '-infinity')", NO_ROW, NO_ROW),
    "centres_of": (EACH, "SELECT app.centres_of('case')", EMPTY, EMPTY),
    "code_taken": ("web", "SELECT app.code_taken((SELECT %(their_code)s), NULL)", NO, NO),
    "count_tries": ("web", "SELECT app.count_tries('{{}}', %(ticket)s)", REFUSED, REFUSED),
    "denied": (EACH, "SELECT app.denied('case')", EMPTY, EMPTY),
    "find_api_token": ("web", "SELECT * FROM app.find_api_token(sha256('a guess'), now())", NO_ROW, NO_ROW),
    "find_ask": ("web", "SELECT * FROM app.find_ask(%(ask)s, %(ticket)s)", NO_ROW, NO_ROW),
    "find_credential": ("web", "SELECT * FROM app.find_credential(%(login)s, %(ticket)s)", NO_ROW, NO_ROW),
    "find_credential_of": ("web", "SELECT * FROM app.find_credential_of(%(them)s, %(ticket)s)", NO_ROW, NO_ROW),
    "find_session": ("web", "SELECT * FROM app.find_session(sha256('a guess'), now())", NO_ROW, NO_ROW),
    "forget_tries": ("web", "SELECT app.forget_tries('[]', %(ticket)s)", REFUSED, REFUSED),
    "granted": (EACH, "SELECT app.granted('case')", EMPTY, EMPTY),
    # Whoever knows an id learns that it is held, which whoever asks to erase it needs; ids can't be guessed.
    "held": ("web", "SELECT app.held(%(their_case)s)", NO, NO),
    "heartbeats": (EACH, "SELECT count(*) < 100 FROM app.heartbeats()", YES, YES),  # names of parts, times
    "kept": ("web", "SELECT app.kept('glass:break')", YES, YES),  # nothing was taken away of this operator's role
    "keys_locked": (EACH, "SELECT app.keys_locked()", NO, NO),
    "lock_keys": ("web", "SELECT app.lock_keys(now())::text", REFUSED, [("",)]),  # anybody in the house may
    "mark_people_of_call": ("", None, None, None),
    "note_pending": ("", None, None, None),
    # The triggers that refuse a stranger in a call are told; to whoever asks, there is everybody.
    "older_person": ("web", "SELECT app.older_person(%(their_child)s)", YES, YES),
    "overridden": ("web", "SELECT app.overridden()", EMPTY, EMPTY),
    "override_of": ("", None, None, None),
    "own_teams_of": (EACH, "SELECT app.own_teams_of('case')", EMPTY, EMPTY),
    "refuse_rumour": ("", None, None, None),
    "refuse_strangers": ("", None, None, None),
    "records_about": ("web", "SELECT app.records_about(%(my_case)s)", NO_ROW, NO_ROW),
    # Whoever knows an id learns whether such a role is borne, or put aside: it is no child's.
    "role_borne": ("web", "SELECT app.role_borne(uuidv7())", NO, NO),
    "role_retired": ("web", "SELECT app.role_retired(uuidv7())", NONE, NONE),
    "self_of": (EACH, "SELECT app.self_of('call')::text", NONE, [("{me}",)]),
    "set_credential": (
        "web", "SELECT app.set_credential(%(them)s, 1, 'mine', now(), false, %(ticket)s)", REFUSED, REFUSED,
    ),
    "start_session": (
        "web", "SELECT app.start_session(uuidv7(), %(them)s, sha256('mine'), now(), %(ticket)s)", REFUSED, REFUSED,
    ),
    "teams_of": (EACH, "SELECT app.teams_of('case')", EMPTY, EMPTY),
    "ticket_holds": ("", None, None, None),
    "touch_api_token": ("web", "SELECT app.touch_api_token(uuidv7(), now(), %(ticket)s)", REFUSED, REFUSED),
    "touch_session": ("web", "SELECT app.touch_session(uuidv7(), now(), %(ticket)s)", REFUSED, REFUSED),
    "unlock_keys": ("web", "SELECT app.unlock_keys()", REFUSED, REFUSED),
}  # fmt: skip

OPEN = "true"  # public, or of no worth to anybody
NOTHING = "false"
CENTRE, MINE = "centre_id = %(centre)s", "user_id = %(me)s"
OF_CASE, OF_CALL = "case_id = %(my_case)s", "call_id = %(my_call)s"
TABLES = {  # what is true of every row that an operator's context shows; without a context only what is OPEN shows any
    "approvals": NOTHING, "breach_entries": NOTHING, "breaches": NOTHING, "compelled_disclosures": NOTHING,
    "disclosures": OF_CASE, "exports": NOTHING,
    "agencies": CENTRE, "agency_coverage": CENTRE, "agency_services": CENTRE, "api_tokens": MINE,
    "audit_checkpoints": NOTHING, "audit_entries": NOTHING, "audit_followers": NOTHING, "audit_leaves": NOTHING,
    "audit_pending": NOTHING, "call_children": OF_CALL, "call_drafts": MINE, "call_identities": NOTHING,
    "call_import_chunks": NOTHING, "call_import_findings": NOTHING, "call_import_mappings": NOTHING,
    "call_import_rows": NOTHING,
    "call_imports": NOTHING, "call_terms": OF_CALL, "call_versions": OF_CALL, "calls": "id = %(my_call)s",
    "case_closings": NOTHING, "case_counters": CENTRE, "case_events": OF_CASE, "case_notes": OF_CASE,
    "case_obligations": OF_CASE, "cases": "id = %(my_case)s", "centre_roles": CENTRE, "centres": "id = %(centre)s", "credentials": NOTHING,
    "erasure_ledger_states": NOTHING, "erasures": NOTHING, "factors": MINE, "followups": OF_CASE, "glass_overrides": MINE,
    "grants": "principal_id = %(me)s OR granted_by = %(me)s OR record_id IN (%(my_case)s, %(my_call)s, %(my_child)s)",
    "handled_events": OPEN, "heartbeats": OPEN, "holidays": OPEN, "key_rotations": NOTHING, "key_state": "one",
    "legal_holds": NOTHING,
    "messages": "recipient_id = %(me)s", "outbox_events": NOTHING, "persons": "id = %(my_child)s", "place_keys": OPEN,
    "places": OPEN, "reading_alerts": NOTHING, "recovery_codes": MINE, "reference_loads": NOTHING,
    "referral_asks": OF_CASE, "referrals": OF_CASE, "retention_reviews": NOTHING,
    "retention_rules": NOTHING, "retention_sweeps": NOTHING, "searches": "actor_id = %(me)s", "taxonomies": OPEN,
    "taxonomy_terms": OPEN, "team_members": "user_id IN (SELECT id FROM users WHERE centre_id = %(centre)s)",
    "teams": CENTRE, "tries": NOTHING, "user_sessions": MINE, "users": CENTRE,
}  # fmt: skip
KNOWN_TO_ALL = {table for table, rule in TABLES.items() if rule == OPEN}


@pytest.fixture(scope="module")
def names(app, database_urls):
    """Two helplines with a case each; `me` is an operator of the first."""
    with app.app_context():
        world, theirs = make_world(database_urls["owner"]), make_world(database_urls["owner"])
        cases = {"my": open_case(world), "their": open_case(theirs)}
    set_password(theirs.admin)
    found = {"centre": world.centre.id, "me": world.operator.id, "them": theirs.admin.id, "ask": new_id()}
    with psycopg.connect(database_urls["owner"]) as owner:
        for whose, case_id in cases.items():
            call, child = owner.execute(
                "SELECT call_id, child_person_id FROM cases WHERE id = %s", [case_id]
            ).fetchone()
            found |= {f"{whose}_case": case_id, f"{whose}_call": call, f"{whose}_child": child}
        (code,) = owner.execute("SELECT code FROM centres WHERE id = %s", [theirs.centre.id]).fetchone()
    found = {name: str(value) for name, value in found.items()}
    forged = f"{int(real_now().timestamp()) + 60}:{'0' * 64}"
    return {**found, "their_code": code, "login": theirs.admin.login, "ticket": forged, "ctx": world.operator.ctx()}


@pytest.fixture
def attacker(database_urls, names, monkeypatch):
    """`attacker(login, context)`: a connection of this login, its settings as this attacker has them."""
    connections = []

    def connect(login, context):
        connection = psycopg.connect(database_urls[login])
        connections.append(connection)
        if context == "expired":
            monkeypatch.setattr(rows, "LIFETIME", -timedelta(seconds=1))
        settings = signed_context(names["ctx"])
        if context == "forged":
            settings["context"] = settings["context"].replace('"operator"', '"keeper"')
        if context != "none":
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, true)", [f"app.{name}", value])
        return connection

    yield connect
    for connection in connections:
        connection.close()  # nothing is ever committed


def answer(connection, statement, names):
    given = {name: value for name, value in names.items() if name != "ctx"}
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement, given).fetchall()
    except InsufficientPrivilege:
        return REFUSED


def readable(connection, table):
    """The columns of it that this login may read."""
    return [column for (column,) in connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND has_column_privilege(attrelid, attnum, 'SELECT')", [f"public.{table}"],
    )]  # fmt: skip


def test_every_definer_function_is_in_the_table_with_who_may_call_it(database_urls):
    with psycopg.connect(database_urls["owner"]) as connection:
        found = {name: held or "" for name, held in connection.execute(
            """SELECT proname, string_agg(substr(login, 10), ' ' ORDER BY place) FILTER (WHERE has_function_privilege(login, p.oid, 'EXECUTE'))
               FROM pg_proc p, unnest(ARRAY['helpline_web', 'helpline_worker', 'helpline_relay', 'helpline_search'])
               WITH ORDINALITY l (login, place)
               WHERE prosecdef AND pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
               GROUP BY p.oid, proname""",
        )}  # fmt: skip
    assert found == {name: row[0] for name, row in FUNCTIONS.items()}


def test_every_table_is_in_the_table(database_urls):
    with psycopg.connect(database_urls["owner"]) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        assert {name for (name,) in found} == set(TABLES) | {"alembic_version"}


@pytest.mark.parametrize("context", [*NOBODY, "captured"])
@pytest.mark.parametrize("login", LOGINS)
def test_a_function_gives_what_is_written(attacker, names, login, context):
    connection = attacker(login, context)
    for name, (callers, call, to_nobody, to_operator) in FUNCTIONS.items():
        if call is None:
            continue
        expected = to_operator if context == "captured" else to_nobody
        if login not in callers.split():
            expected = REFUSED
        if isinstance(expected, list):
            expected = [tuple(v.format(**names) if isinstance(v, str) else v for v in row) for row in expected]
        assert answer(connection, call.replace("{{}}", "{}"), names) == expected, name


@pytest.mark.parametrize("context", NOBODY)
@pytest.mark.parametrize("login", LOGINS)
def test_without_a_signed_actor_no_row_is_seen(attacker, login, context):
    connection = attacker(login, context)
    for table in set(TABLES) - KNOWN_TO_ALL:
        if columns := readable(connection, table):
            query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(columns[0]), sql.Identifier(table))
            assert connection.execute(query).fetchall() == [], table


@pytest.mark.parametrize("login", LOGINS)
def test_a_captured_context_shows_its_owners_scope_and_no_word_in_the_clear(attacker, names, login):
    connection, read, sealed = attacker(login, "captured"), set(), sealed_columns(db.metadata)
    given = {name: value for name, value in names.items() if name != "ctx"}
    for table, rule in TABLES.items():
        columns = readable(connection, table)
        if not columns or table in KNOWN_TO_ALL:
            continue
        every = sql.SQL(", ").join(map(sql.Identifier, columns))
        query = sql.SQL("SELECT {}, ({}) IS TRUE FROM {}").format(every, sql.SQL(rule), sql.Identifier(table))
        try:
            found = connection.execute(query, given).fetchall()
        except InsufficientPrivilege:
            pytest.fail(f"{login} can't check the rule of {table}")
        assert all(row[-1] for row in found), table
        for row in found:
            for column, value in zip(columns, row, strict=False):
                held = value if isinstance(value, bytes) else str(value).encode()
                assert not any(word.encode() in held for word in WORDS), (table, column)
                if value is not None and column in sealed.get(table, ()):
                    read.add((table, column))
    assert login != "web" or {("calls", "narrative_sealed"), ("persons", "name_sealed")} <= read


AUDIT_ATTEMPTS = [
    "UPDATE audit_entries SET actor_id = uuidv7()", "DELETE FROM audit_entries", "TRUNCATE audit_entries CASCADE",
    "UPDATE audit_leaves SET leaf_hash = ''", "DELETE FROM audit_leaves", "TRUNCATE audit_leaves",
    "UPDATE audit_checkpoints SET proof = NULL", "DELETE FROM audit_checkpoints", "TRUNCATE audit_pending",
    "UPDATE audit_pending SET entry_id = uuidv7()", "DELETE FROM audit_pending",
    "ALTER TABLE audit_entries DISABLE TRIGGER ALL", "DROP TRIGGER audit_entries_pending ON audit_entries",
    "ALTER TABLE audit_entries DISABLE ROW LEVEL SECURITY", "SET session_replication_role = replica",
    "DROP TABLE audit_entries CASCADE", "SET ROLE helpline_owner", "UPDATE audit_followers SET name = 'x'",
    "CREATE OR REPLACE FUNCTION app.note_pending() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ("INSERT INTO audit_entries (id, at, actor_id, actor_role, channel, request_id, action, outcome, subject_ids,"
    " field_groups, details) VALUES (uuidv7(), now(), uuidv7(), 'x', 'page', uuidv7(), 'x', 'done', '{}', '{}', '{}')"),
]  # fmt: skip


@pytest.mark.parametrize("context", [*NOBODY, "captured"])
@pytest.mark.parametrize("login", LOGINS)
def test_the_audit_is_not_altered_removed_or_slipped_into(attacker, login, context):
    connection = attacker(login, context)
    for attempt in AUDIT_ATTEMPTS:
        try:
            with connection.transaction(force_rollback=True):
                assert connection.execute(attempt).rowcount == 0, attempt
        except InsufficientPrivilege:
            pass


@pytest.mark.parametrize("context", [*NOBODY, "captured"])
def test_whether_there_is_a_record_is_told_to_nobody(attacker, context):
    answer = attacker("web", context).execute("SELECT app.case_exists(uuidv7()), app.older_person(uuidv7())")
    assert answer.fetchall() == [(True, True)]


def test_a_ticket_is_for_one_function_and_its_arguments(attacker, names, monkeypatch):
    connection, given = attacker("web", "none"), names["login"]

    def found(leave, who=given):
        return connection.execute("SELECT user_id FROM app.find_credential(%s, %s)", [who, leave]).fetchall()

    assert [str(user) for (user,) in found(ticket("find_credential", given))] == [names["them"]]
    signature = signed_context(names["ctx"])["signature"]
    for leave in (
        None, "", "1", ticket("find_credential", "another"), ticket("find_credential_of", given), ticket(given),
        f"{int(real_now().timestamp()) + 60}:{signature}", ticket("find_credential", given).replace(":", "0:", 1),
    ):  # fmt: skip
        assert found(leave) == [], leave
    monkeypatch.setattr(rows, "TICKET_LIFETIME", -timedelta(seconds=1))
    assert found(ticket("find_credential", given)) == []
