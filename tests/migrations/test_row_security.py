"""What the database itself lets each login do, at the head of the revisions: row rules and privileges.

Both tables below are written by hand. Rules are the slices' own constants; the database prints a rule its own way, so
both are printed by it.
"""

import psycopg
import pytest

from helpline.accounts import policy as accounts
from helpline.agencies import policy as agencies
from helpline.calls import policy as calls
from helpline.cases import policy as cases
from helpline.followups import policy as followups
from helpline.imports import policy as imports
from helpline.notifications import policy as notifications
from helpline.people import policy as people
from helpline.referrals import policy as referrals

OPEN_TO_ALL = {  # tables without row security, and why
    "alembic_version": "the number of a revision; no login of ours but the owner's reads it",
    "credentials": "no login of ours reads it: definer functions alone do",
    "handled_events": "ids of events; the web login doesn't read it",
    "heartbeats": "which part of the service answers",
    "holidays": "public reference data",
    "outbox_events": "the web and worker logins add and can't read; the relay must see every centre's",
    "place_keys": "public reference data",
    "places": "public reference data",
    "reference_loads": "digests of files that we ship; the owner's alone",
    "taxonomies": "public reference data",
    "taxonomy_terms": "public reference data",
}
ACTING = "(SELECT app.actor_id()) IS NOT NULL"
POLICIES = {  # (table, policy): command, rows seen, rows written; None: the table has no such half
    ("agencies", "agencies_rows"): ("ALL", agencies.AGENCIES, agencies.AGENCIES),
    ("agency_coverage", "agency_coverage_rows"): ("ALL", agencies.AGENCY_COVERAGE, agencies.AGENCY_COVERAGE),
    ("agency_services", "agency_services_rows"): ("ALL", agencies.AGENCY_SERVICES, agencies.AGENCY_SERVICES),
    ("api_tokens", "api_tokens_revoke"): ("UPDATE", accounts.OWNED, accounts.API_TOKENS_REVOKED),
    ("api_tokens", "api_tokens_rows"): ("ALL", accounts.OWNED, accounts.API_TOKENS_WRITTEN),
    ("audit_entries", "audit_entries_read"): ("SELECT", "centre_id = ANY ((SELECT app.centres_of('audit'))::uuid[])", None),
    ("audit_entries", "audit_entries_write"): ("INSERT", None, "actor_id = (SELECT app.actor_id())"),
    ("call_children", "call_children_rows"): ("ALL", calls.PART_OF_CALL, calls.PART_OF_CALL),
    ("call_drafts", "call_drafts_rows"): ("ALL", calls.DRAFTS, calls.DRAFTS),
    ("call_identities", "call_identities_rows"): ("ALL", imports.IMPORTS, imports.IMPORTS),
    ("call_import_chunks", "call_import_chunks_rows"): ("ALL", imports.PART_OF_IMPORT, imports.PART_OF_IMPORT),
    ("call_import_findings", "call_import_findings_rows"): ("ALL", imports.PART_OF_IMPORT, imports.PART_OF_IMPORT),
    ("call_import_mappings", "call_import_mappings_rows"): ("ALL", imports.IMPORTS, imports.IMPORTS),
    ("call_import_rows", "call_import_rows_rows"): ("ALL", imports.PART_OF_IMPORT, imports.PART_OF_IMPORT),
    ("call_imports", "call_imports_rows"): ("ALL", imports.IMPORTS, imports.IMPORTS),
    ("call_terms", "call_terms_rows"): ("ALL", calls.PART_OF_CALL, calls.PART_OF_CALL),
    ("call_versions", "call_versions_rows"): ("ALL", calls.PART_OF_CALL, calls.PART_OF_CALL),
    ("calls", "calls_rows"): ("ALL", calls.CALLS, calls.CALLS_WRITTEN),
    ("case_counters", "case_counters_rows"): ("ALL", cases.CASE_COUNTERS, cases.CASE_COUNTERS),
    ("case_events", "case_events_rows"): ("ALL", cases.CASE_EVENTS, cases.CASE_EVENTS),
    ("case_notes", "case_notes_rows"): ("ALL", cases.CASE_NOTES, cases.CASE_NOTES),
    ("case_obligations", "case_obligations_rows"): ("ALL", cases.CASE_OBLIGATIONS, cases.CASE_OBLIGATIONS),
    ("cases", "cases_rows"): ("ALL", cases.CASES, cases.CASES),
    ("centres", "centres_create"): ("INSERT", None, accounts.CENTRES_INSERT),
    ("centres", "centres_rows"): ("ALL", accounts.CENTRES, accounts.CENTRES_WRITTEN),
    ("followups", "followups_rows"): ("ALL", followups.FOLLOWUPS, followups.FOLLOWUPS),
    ("grants", "grants_end"): ("UPDATE", ACTING, "ended_at IS NOT NULL"),
    ("grants", "grants_rows"): ("ALL", "app.actor_id() IS NOT NULL", "granted_by = (SELECT app.actor_id())"),
    ("messages", "messages_queue"): ("INSERT", None, notifications.MESSAGES_INSERT),
    ("messages", "messages_rows"): ("ALL", notifications.MESSAGES, notifications.MESSAGES),
    ("persons", "persons_add"): ("INSERT", None, people.PERSONS_INSERT),
    ("persons", "persons_not_to_partners"): ("SELECT", referrals.PERSONS_NOT_TO_PARTNERS, None),
    ("persons", "persons_of_cases"): ("SELECT", cases.PERSONS_OF_CASES, None),
    ("persons", "persons_rows"): ("ALL", people.PERSONS, people.PERSONS),
    ("referral_asks", "referral_asks_rows"): ("ALL", referrals.REFERRAL_ASKS, referrals.REFERRAL_ASKS),
    ("referrals", "referrals_rows"): ("ALL", referrals.REFERRALS, referrals.REFERRALS),
    ("team_members", "team_members_rows"): ("ALL", accounts.TEAM_MEMBERS, accounts.TEAM_MEMBERS_WRITTEN),
    ("teams", "teams_rows"): ("ALL", accounts.TEAMS, accounts.TEAMS),
    ("user_sessions", "user_sessions_rows"): ("ALL", accounts.OWNED, None),
    ("users", "users_rows"): ("ALL", accounts.USERS, accounts.USERS),
}  # fmt: skip
RESTRICTIVE = {"persons_not_to_partners"}
KEEPERS_ALONE = {"centres_create": "{helpline_worker}"}

S, SI, SIU, ALL = "SELECT", "SELECT INSERT", "SELECT INSERT UPDATE", "SELECT INSERT UPDATE DELETE"
PRIVILEGES = {  # table: web, worker, relay; the backup reads them all
    "agencies": (SIU, SIU, ""),
    "agency_coverage": (ALL, SIU, ""),
    "agency_services": (ALL, SIU, ""),
    "alembic_version": ("", "", ""),
    "api_tokens": ("INSERT", "", ""),
    "audit_entries": (SI, SI, ""),
    "call_children": (ALL, SIU, ""),
    "call_drafts": (ALL, S, ""),
    "call_identities": ("", SI, ""),
    "call_import_chunks": (ALL, ALL, ""),
    "call_import_findings": ("SELECT DELETE", "SELECT INSERT DELETE", ""),
    "call_import_mappings": (ALL, ALL, ""),
    "call_import_rows": (ALL, ALL, ""),
    "call_imports": (ALL, ALL, ""),
    "call_terms": (ALL, SIU, ""),
    "call_versions": (SI, S, ""),
    "calls": (SIU, SIU, ""),
    "case_counters": (SIU, SIU, ""),
    "case_events": (SI, SI, ""),
    "case_notes": (SI, SI, ""),
    "case_obligations": (SIU, SIU, ""),
    "cases": (SIU, SIU, ""),
    "centres": ("SELECT UPDATE", SIU, ""),
    "context_key": ("", "", ""),
    "credentials": ("", "", ""),
    "followups": (SIU, SIU, ""),
    "grants": (SI, SI, ""),
    "handled_events": ("", SI, S),
    "heartbeats": ("", SIU, SIU),
    "holidays": (S, S, ""),
    "messages": (SIU, SIU, ""),
    "outbox_events": ("INSERT", "INSERT", "SELECT UPDATE"),
    "persons": (SIU, SIU, ""),
    "place_keys": (S, S, ""),
    "places": (S, S, ""),
    "reference_loads": ("", "", ""),
    "referral_asks": (SIU, SIU, ""),
    "referrals": (SIU, SIU, ""),
    "taxonomies": (S, S, ""),
    "taxonomy_terms": (S, S, ""),
    "team_members": ("SELECT INSERT DELETE", "SELECT INSERT DELETE", ""),
    "teams": (SIU, SIU, ""),
    "user_sessions": ("", "", ""),
    "users": (SIU, SIU, ""),
}
COLUMNS = {  # beside those on whole tables; never a hash of a token
    ("api_tokens", "helpline_web", "SELECT"): "created_at expires_at id last_used_at name revoked_at scopes user_id",
    ("api_tokens", "helpline_web", "UPDATE"): "last_used_at revoked_at",
    ("grants", "helpline_web", "UPDATE"): "ended_at",
    ("grants", "helpline_worker", "UPDATE"): "ended_at",
    ("user_sessions", "helpline_web", "SELECT"): "created_at ended_at id locked_at seen_at user_id",
    ("user_sessions", "helpline_web", "UPDATE"): "ended_at locked_at seen_at",
}
LOGINS = ("helpline_web", "helpline_worker", "helpline_relay")
OURS = "relnamespace IN ('public'::regnamespace, 'app'::regnamespace)"


@pytest.fixture
def connection(database_urls):
    with psycopg.connect(database_urls["owner"]) as connection:
        yield connection
        connection.rollback()


def test_every_table_has_row_security_or_a_reason_against_it(connection):
    tables = dict(connection.execute(
        "SELECT relname, relrowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall())  # fmt: skip
    assert {name for name, protected in tables.items() if not protected} == set(OPEN_TO_ALL)
    assert {name for name, protected in tables.items() if protected} == {table for table, _policy in POLICIES}


def test_no_view_goes_round_it(connection):
    assert (
        connection.execute(f"SELECT relname FROM pg_class WHERE relkind IN ('v', 'm', 'f') AND {OURS}").fetchall() == []
    )


def test_no_rule_is_in_force_that_no_slice_wrote(connection):
    found = connection.execute("SELECT tablename, policyname, cmd, permissive, roles::text FROM pg_policies").fetchall()
    rules = {(table, name): (command, how, to) for table, name, command, how, to in found}
    narrowing = {key for key in rules if key[1].endswith("_narrowed")}  # tests/foundation/test_row_writes.py
    assert {rules[key][1] for key in narrowing} <= {"RESTRICTIVE"}, "what narrows may open nothing"
    assert {key: rule for key, rule in rules.items() if key not in narrowing} == {
        (table, name): (
            command,
            "RESTRICTIVE" if name in RESTRICTIVE else "PERMISSIVE",
            KEEPERS_ALONE.get(name, "{helpline_web,helpline_worker}"),
        )
        for (table, name), (command, _seen, _written) in POLICIES.items()
    }


@pytest.mark.parametrize(("table", "name"), POLICIES, ids=lambda text: text)
def test_the_rule_written_is_the_rule_in_force(connection, table, name):
    command, seen, written = POLICIES[table, name]
    halves = (f" USING ({seen})" if seen else "") + (f" WITH CHECK ({written})" if written else "")
    printed = "SELECT qual, with_check FROM pg_policies WHERE tablename = %s AND policyname = %s"
    connection.execute(f"CREATE POLICY probe ON {table} FOR {command}{halves}")
    probe = connection.execute(printed, [table, "probe"]).fetchone()
    assert connection.execute(printed, [table, name]).fetchone() == probe


def test_each_login_holds_what_is_written_and_no_more(connection):
    rows = connection.execute(
        f"""SELECT relname, coalesce(rolname, 'PUBLIC'), string_agg(privilege_type, ' ')
            FROM pg_class CROSS JOIN aclexplode(relacl) LEFT JOIN pg_roles r ON r.oid = grantee
            WHERE relkind = 'r' AND {OURS} AND rolname IS DISTINCT FROM 'helpline_owner' GROUP BY 1, 2"""
    ).fetchall()
    found = {(table, role): set(held.split()) for table, role, held in rows}
    written = {
        (table, login): set(held.split())
        for table, each in PRIVILEGES.items()
        for login, held in zip((*LOGINS, "helpline_backup"), (*each, S), strict=True)
        if held
    }
    assert found == written
    tables = connection.execute(f"SELECT relname FROM pg_class WHERE relkind = 'r' AND {OURS}").fetchall()
    assert {name for (name,) in tables} == set(PRIVILEGES)


def test_each_login_holds_these_columns_and_no_more(connection):
    rows = connection.execute(
        f"""SELECT relname, coalesce(rolname, 'PUBLIC'), privilege_type, string_agg(attname, ' ' ORDER BY attname)
            FROM pg_class c JOIN pg_attribute ON attrelid = c.oid CROSS JOIN aclexplode(attacl)
            LEFT JOIN pg_roles r ON r.oid = grantee WHERE {OURS} GROUP BY 1, 2, 3"""
    ).fetchall()
    assert {tuple(row[:3]): row[3] for row in rows} == COLUMNS


def test_nobody_inherits_and_only_the_backup_goes_past_row_security(connection):
    rows = connection.execute(
        """SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolinherit FROM pg_roles
           WHERE rolname LIKE 'helpline%'"""
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        **dict.fromkeys([*LOGINS, "helpline_owner"], (False, False, False, False)),
        "helpline_backup": (False, True, False, False),
    }
    members = "SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE rolname LIKE 'helpline%'"
    assert connection.execute(members).fetchall() == []


def test_definer_functions_look_where_they_say(connection):
    """A definer function without a search path of its own can be led to another's table."""
    loose = connection.execute(
        """SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'app'::regnamespace
           AND NOT coalesce(proconfig::text, '') LIKE '%search_path=%pg_catalog%'"""
    ).fetchall()
    assert loose == []
