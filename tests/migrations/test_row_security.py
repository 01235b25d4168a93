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
from helpline.foundation.access import permissions, rows
from helpline.foundation.access.rows import machine_role
from helpline.imports import policy as imports
from helpline.keys import policy as keys
from helpline.notifications import policy as notifications
from helpline.oversight import policy as oversight
from helpline.people import policy as people
from helpline.privacy import policy as privacy
from helpline.referrals import policy as referrals
from helpline.registers import policy as registers
from helpline.retention import policy as retention
from helpline.search import policy as search

OPEN_TO_ALL = {  # tables without row security, and why
    "alembic_version": "the number of a revision; no login of ours but the owner's reads it",
    "credentials": "no login of ours reads it: definer functions alone do",
    "handled_events": "ids of events; the web login doesn't read it",
    "heartbeats": "which part of the service answers",
    "holidays": "public reference data",
    "place_keys": "public reference data",
    "places": "public reference data",
    "reference_loads": "digests of files that we ship; the owner's alone",
    "taxonomies": "public reference data",
    "taxonomy_terms": "public reference data",
    "tries": "no login of ours reads it: definer functions alone do",
}
NOTARY = "(SELECT app.actor() ->> 'r') = 'notary'"
READS_AUDIT = "(SELECT app.actor() -> 's' ? 'audit')"
ACTING = "(SELECT app.actor_id()) IS NOT NULL"
POLICIES = {  # (table, policy): command, rows seen, rows written; None: the table has no such half
    ("agencies", "agencies_rows"): ("ALL", agencies.AGENCIES, agencies.AGENCIES),
    ("agency_coverage", "agency_coverage_rows"): ("ALL", agencies.AGENCY_COVERAGE, agencies.AGENCY_COVERAGE),
    ("agency_services", "agency_services_rows"): ("ALL", agencies.AGENCY_SERVICES, agencies.AGENCY_SERVICES),
    ("api_tokens", "api_tokens_revoke"): ("UPDATE", accounts.OWNED, accounts.API_TOKENS_REVOKED),
    ("api_tokens", "api_tokens_rows"): ("ALL", accounts.OWNED, accounts.API_TOKENS_WRITTEN),
    ("approvals", "approvals_rows"): ("ALL", accounts.APPROVALS, accounts.APPROVALS),
    ("audit_entries", "audit_entries_denied"): ("SELECT", "NOT subject_ids && (SELECT app.denied('case'))::uuid[]", None),
    ("audit_entries", "audit_entries_read"): ("SELECT", "centre_id = ANY ((SELECT app.centres_of('audit'))::uuid[])", None),
    ("audit_entries", "audit_entries_write"): ("INSERT", None, "actor_id = (SELECT app.actor_id())"),
    ("audit_checkpoints", "audit_checkpoints_read"): ("SELECT", f"{NOTARY} OR {READS_AUDIT}", None),
    ("audit_entries", "audit_entries_house"): ("SELECT", f"centre_id IS NULL AND {READS_AUDIT}", None),
    ("audit_followers", "audit_followers_read"): ("SELECT", READS_AUDIT, None),
    ("reading_alerts", "reading_alerts_rows"): ("ALL", oversight.READING_ALERTS, oversight.READING_ALERTS),
    ("breach_entries", "breach_entries_rows"): ("ALL", registers.BREACHES, registers.BREACHES),
    ("breaches", "breaches_rows"): ("ALL", registers.BREACHES, registers.BREACHES),
    ("compelled_disclosures", "compelled_disclosures_rows"): ("ALL", registers.DEMANDS, registers.DEMANDS),
    ("disclosures", "disclosures_rows"): ("ALL", registers.DISCLOSURES, registers.DISCLOSURES),
    ("exports", "exports_rows"): ("ALL", registers.EXPORTS, registers.EXPORTS),
    ("call_children", "call_children_search"): ("SELECT", search.SEARCHER, None),
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
    ("calls", "calls_search"): ("SELECT", search.SEARCHER, None),
    ("calls", "calls_rows"): ("ALL", calls.CALLS, calls.CALLS_WRITTEN),
    ("case_closings", "case_closings_rows"): ("ALL", privacy.CLOSINGS, privacy.CLOSINGS),
    ("case_counters", "case_counters_rows"): ("ALL", cases.CASE_COUNTERS, cases.CASE_COUNTERS),
    ("case_events", "case_events_rows"): ("ALL", cases.CASE_EVENTS, cases.CASE_EVENTS),
    ("case_notes", "case_notes_rows"): ("ALL", cases.CASE_NOTES, cases.CASE_NOTES),
    ("case_obligations", "case_obligations_rows"): ("ALL", cases.CASE_OBLIGATIONS, cases.CASE_OBLIGATIONS),
    ("cases", "cases_rows"): ("ALL", cases.CASES, cases.CASES),
    ("centre_roles", "centre_roles_rows"): ("ALL", accounts.ROLES, accounts.ROLES),
    ("centres", "centres_rows"): ("ALL", accounts.CENTRES, accounts.CENTRES_WRITTEN),
    ("erasure_ledger_states", "erasure_ledger_states_rows"): ("ALL", retention.LEDGER, retention.LEDGER),
    ("erasures", "erasures_rows"): ("ALL", retention.RECORDS, retention.RECORDS),
    ("factors", "factors_rows"): ("ALL", accounts.FACTORS, accounts.FACTORS),
    ("followups", "followups_rows"): ("ALL", followups.FOLLOWUPS, followups.FOLLOWUPS),
    ("glass_overrides", "glass_overrides_rows"): ("ALL", privacy.OVERRIDES, privacy.OVERRIDES),
    ("grants", "grants_denied"): ("SELECT", rows.DENIES_READ, None),
    ("grants", "grants_end"): ("UPDATE", ACTING, "ended_at IS NOT NULL"),
    ("grants", "grants_rows"): ("ALL", "app.actor_id() IS NOT NULL", "granted_by = (SELECT app.actor_id())"),
    ("key_rotations", "key_rotations_rows"): ("ALL", keys.KEY_ROTATIONS, keys.KEY_ROTATIONS),
    ("key_rotations", "key_rotations_told"): ("SELECT", retention.KEYS_TOLD, None),
    ("key_state", "key_state_link"): ("UPDATE", keys.KEY_STATE_LINK, keys.KEY_STATE_LINK),
    ("key_state", "key_state_rows"): ("SELECT", keys.KEY_STATE, None),
    ("legal_holds", "legal_holds_rows"): ("ALL", retention.RECORDS, retention.RECORDS),
    ("messages", "messages_denied"): ("SELECT", notifications.MESSAGES_DENIED, None),
    ("messages", "messages_queue"): ("INSERT", None, notifications.MESSAGES_INSERT),
    ("messages", "messages_rows"): ("ALL", notifications.MESSAGES, notifications.MESSAGES),
    ("outbox_events", "outbox_events_relay"): ("ALL", "true", None),
    ("outbox_events", "outbox_events_write"): ("INSERT", None, rows.EVENTS_WRITTEN),
    ("persons", "persons_add"): ("INSERT", None, people.PERSONS_INSERT),
    ("persons", "persons_denied"): ("SELECT", people.PERSONS_DENIED, None),
    ("persons", "persons_not_to_partners"): ("SELECT", referrals.PERSONS_NOT_TO_PARTNERS, None),
    ("persons", "persons_of_cases"): ("SELECT", cases.PERSONS_OF_CASES, None),
    ("persons", "persons_search"): ("SELECT", search.SEARCHER, None),
    ("persons", "persons_rows"): ("ALL", people.PERSONS, people.PERSONS),
    ("recovery_codes", "recovery_codes_rows"): ("ALL", accounts.FACTORS, accounts.FACTORS),
    ("referral_asks", "referral_asks_rows"): ("ALL", referrals.REFERRAL_ASKS, referrals.REFERRAL_ASKS),
    ("referrals", "referrals_rows"): ("ALL", referrals.REFERRALS, referrals.REFERRALS),
    ("retention_reviews", "retention_reviews_rows"): ("ALL", retention.RECORDS, retention.RECORDS),
    ("retention_rules", "retention_rules_rows"): ("ALL", retention.RULES, retention.RULES),
    ("searches", "searches_counted"): ("SELECT", search.SEARCHES_COUNTED, None),
    ("searches", "searches_rows"): ("ALL", search.SEARCHES, search.SEARCHES),
    ("team_members", "team_members_rows"): ("ALL", accounts.TEAM_MEMBERS, accounts.TEAM_MEMBERS_WRITTEN),
    ("teams", "teams_rows"): ("ALL", accounts.TEAMS, accounts.TEAMS),
    ("user_sessions", "user_sessions_rows"): ("ALL", accounts.OWNED, None),
    ("users", "users_rows"): ("ALL", accounts.USERS, accounts.USERS),
}  # fmt: skip
MACHINES_ALONE = {
    "retention_sweeps",
    "audit_leaves",
    "audit_pending",
}  # no person has a row of them: tests/foundation/test_machines.py
RESTRICTIVE = {
    "audit_entries_denied", "grants_denied", "messages_denied", "persons_denied", "persons_not_to_partners",
}  # fmt: skip
ONE_LOGINS = {
    "outbox_events_relay": "{helpline_relay}",
    **dict.fromkeys(("persons_search", "calls_search", "call_children_search"), "{helpline_search}"),
}  # fmt: skip

S, SI, SIU, ALL = "SELECT", "SELECT INSERT", "SELECT INSERT UPDATE", "SELECT INSERT UPDATE DELETE"
PRIVILEGES = {  # table: web, relay; the backup reads them all; the workers' login none (tests/foundation/test_machines.py)
    "agencies": (SIU, ""),
    "agency_coverage": (ALL, ""),
    "agency_services": (ALL, ""),
    "alembic_version": ("", ""),
    "api_tokens": ("INSERT", ""),
    "approvals": (SI, ""),
    "audit_checkpoints": (S, ""),
    "audit_entries": (SI, ""),
    "audit_followers": (S, ""),
    "audit_leaves": ("", ""),
    "audit_pending": ("", ""),
    "breach_entries": (SI, ""),
    "breaches": (SI, ""),
    "call_children": (ALL, ""),
    "call_drafts": (ALL, ""),
    "call_identities": ("", ""),
    "call_import_chunks": (ALL, ""),
    "call_import_findings": ("SELECT DELETE", ""),
    "call_import_mappings": (ALL, ""),
    "call_import_rows": (ALL, ""),
    "call_imports": (ALL, ""),
    "call_terms": (ALL, ""),
    "call_versions": (SI, ""),
    "calls": (SIU, ""),
    "case_closings": (SI, ""),
    "case_counters": (SIU, ""),
    "case_events": (SI, ""),
    "case_notes": (SI, ""),
    "case_obligations": (SIU, ""),
    "cases": (SIU, ""),
    "centre_roles": (SI, ""),
    "centres": ("SELECT UPDATE", ""),
    "compelled_disclosures": (SI, ""),
    "context_key": ("", ""),
    "credentials": ("", ""),
    "erasure_ledger_states": (S, ""),
    "erasures": (S, ""),
    "disclosures": (SI, ""),
    "exports": (SI, ""),
    "factors": ("SELECT INSERT DELETE", ""),
    "followups": (SIU, ""),
    "glass_overrides": (S, ""),
    "grants": (SI, ""),
    "handled_events": ("", S),
    "heartbeats": ("", SIU),
    "holidays": (S, ""),
    "key_rotations": (SI, ""),
    "key_state": (S, ""),
    "legal_holds": (SI, ""),
    "messages": (SIU, ""),
    "outbox_events": ("INSERT", S),
    "persons": (SIU, ""),
    "place_keys": (S, ""),
    "places": (S, ""),
    "reading_alerts": (S, ""),
    "recovery_codes": ("SELECT INSERT DELETE", ""),
    "reference_loads": ("", ""),
    "referral_asks": (SIU, ""),
    "referrals": (SIU, ""),
    "retention_reviews": (S, ""),
    "retention_rules": (SI, ""),
    "retention_sweeps": ("", ""),
    "searches": (SI, ""),
    "taxonomies": (S, ""),
    "taxonomy_terms": (S, ""),
    "team_members": ("SELECT INSERT DELETE", ""),
    "teams": (SIU, ""),
    "tries": ("", ""),
    "user_sessions": ("", ""),
    "users": (SIU, ""),
}
SEARCH_LOGIN = {"heartbeats": SIU}  # of the fourth login; and columns, below
COLUMNS = {  # beside those on whole tables; never a hash of a token
    ("api_tokens", "helpline_web", "SELECT"): "created_at expires_at id last_used_at name revoked_at scopes user_id",
    ("api_tokens", "helpline_web", "UPDATE"): "last_used_at revoked_at",
    ("approvals", "helpline_web", "UPDATE"): "decided_at decided_by decision not_before stopped_at stopped_by version",
    ("breaches", "helpline_web", "UPDATE"): "authority_told_at closed_at remind_at subjects_told_at version",
    ("exports", "helpline_web", "UPDATE"): "body_sealed downloaded_at gone_at",
    ("centre_roles", "helpline_web", "UPDATE"): "fields names retired_at scopes version",
    ("call_children", "helpline_search", "SELECT"): "call_id person_id",
    ("calls", "helpline_search", "SELECT"): "caller_person_id id province_id team_id",
    (
        "persons",
        "helpline_search",
        "SELECT",
    ): "added_by age centre_id changed_in created_at gender id name_sealed record_key",
    ("outbox_events", "helpline_relay", "UPDATE"): "attempts next_attempt_at settled_at",
    ("searches", "helpline_web", "UPDATE"): "last_at requests",
    ("glass_overrides", "helpline_web", "UPDATE"): "ended_at note_sealed outcome reviewed_at reviewed_by",
    ("key_rotations", "helpline_web", "UPDATE"): "retire_asked_at",
    ("key_state", "helpline_web", "UPDATE"): "link_centre_id link_version",
    ("legal_holds", "helpline_web", "UPDATE"): "lifted_at lifted_by",
    ("retention_reviews", "helpline_web", "UPDATE"): "decided_at decided_by keep_until reason_sealed",
    ("retention_rules", "helpline_web", "UPDATE"): "changed_at changed_by months version",
    ("reading_alerts", "helpline_web", "UPDATE"): "note_sealed settled_at settled_by",
    ("factors", "helpline_web", "UPDATE"): "confirmed_at last_step last_used_at name sign_count",
    ("grants", "helpline_web", "UPDATE"): "ended_at",
    ("recovery_codes", "helpline_web", "UPDATE"): "used_at",
    (
        "user_sessions",
        "helpline_web",
        "SELECT",
    ): "challenge challenge_at created_at ended_at factor_at id locked_at seen_at user_id",
    ("user_sessions", "helpline_web", "UPDATE"): "challenge challenge_at ended_at factor_at locked_at seen_at",
}
LOGINS = ("helpline_web", "helpline_relay")
MACHINES = tuple(machine_role(actor) for actor in permissions.MACHINES)
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
    protected = {name for name, protected in tables.items() if protected}
    assert protected == {table for table, _policy in POLICIES} | MACHINES_ALONE


def test_no_view_goes_round_it(connection):
    assert (
        connection.execute(f"SELECT relname FROM pg_class WHERE relkind IN ('v', 'm', 'f') AND {OURS}").fetchall() == []
    )


def test_no_rule_is_in_force_that_no_slice_wrote(connection):
    found = connection.execute("SELECT tablename, policyname, cmd, permissive, roles::text FROM pg_policies").fetchall()
    rules = {(table, name): (command, how, to) for table, name, command, how, to in found}
    rules = {key: rule for key, rule in rules.items() if not key[1].endswith("_rotated")}  # tests/keys/test_rotator.py
    rules = {key: rule for key, rule in rules.items() if "_by_" not in key[1]}  # tests/foundation/test_machines.py
    narrowing = {key for key in rules if key[1].endswith("_narrowed")}  # tests/foundation/test_row_writes.py
    assert {rules[key][1] for key in narrowing} <= {"RESTRICTIVE"}, "what narrows may open nothing"
    assert {key: rule for key, rule in rules.items() if key not in narrowing} == {
        (table, name): (
            command,
            "RESTRICTIVE" if name in RESTRICTIVE else "PERMISSIVE",
            ONE_LOGINS.get(name, "{helpline_web}"),
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
            WHERE relkind = 'r' AND {OURS} AND rolname IS DISTINCT FROM 'helpline_owner'
            AND rolname IS DISTINCT FROM 'helpline_eraser' GROUP BY 1, 2"""
    ).fetchall()
    found = {(table, role): set(held.split()) for table, role, held in rows if role not in MACHINES}
    written = {
        (table, login): set(held.split())
        for table, each in PRIVILEGES.items()
        for login, held in zip((*LOGINS, "helpline_backup"), (*each, S), strict=True)
        if held
    } | {(table, "helpline_search"): set(held.split()) for table, held in SEARCH_LOGIN.items()}
    assert found == written
    tables = connection.execute(f"SELECT relname FROM pg_class WHERE relkind = 'r' AND {OURS}").fetchall()
    assert {name for (name,) in tables} == set(PRIVILEGES)


def test_each_login_holds_these_columns_and_no_more(connection):
    rows = connection.execute(
        f"""SELECT relname, coalesce(rolname, 'PUBLIC'), privilege_type, string_agg(attname, ' ' ORDER BY attname)
            FROM pg_class c JOIN pg_attribute ON attrelid = c.oid CROSS JOIN aclexplode(attacl)
            LEFT JOIN pg_roles r ON r.oid = grantee WHERE {OURS} GROUP BY 1, 2, 3"""
    ).fetchall()
    held = {tuple(row[:3]): row[3] for row in rows if row[1] not in MACHINES}
    assert held == COLUMNS


def test_nobody_inherits_and_only_the_backup_goes_past_row_security(connection):
    rows = connection.execute(
        """SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolinherit FROM pg_roles
           WHERE rolname LIKE 'helpline%'"""
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        **dict.fromkeys(
            [*LOGINS, *MACHINES, "helpline_worker", "helpline_search", "helpline_owner"], (False, False, False, False)
        ),
        "helpline_backup": (False, True, False, False),
    }
    members = """SELECT r.rolname, roleid::regrole::text, inherit_option, set_option, admin_option
                 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE rolname LIKE 'helpline%'"""
    stepping_down = {("helpline_worker", role, False, True, False) for role in MACHINES}
    assert set(connection.execute(members).fetchall()) == stepping_down


def test_definer_functions_look_where_they_say(connection):
    """A definer function without a search path of its own can be led to another's table."""
    loose = connection.execute(
        """SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'app'::regnamespace
           AND NOT coalesce(proconfig::text, '') LIKE '%search_path=%pg_catalog%'"""
    ).fetchall()
    assert loose == []
