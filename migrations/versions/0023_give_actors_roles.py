"""A database role for each system actor of the workers, whose login has nothing of its own any more.

The workers' login steps down (`SET LOCAL ROLE`) in the statement that signs who acts. A role has the columns that its
actor's tasks touch, and any row of them, but only while that very actor is signed: another's context shows it nothing.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tools import serve

revision = "0023"
down_revision = "0022"

ME = "(SELECT app.actor_id())"
ACTORS = ("router", "reminder", "messenger", "importer", "rotator", "notary", "watcher", "keeper")
READ = "SELECT (*)"  # every column that is neither sealed nor a key
LOCK = "UPDATE (id)"  # enough for FOR UPDATE; a trigger refuses a new id
DENIES = "effect = 'deny'"
OWN_GRANTS = f"effect = 'allow' AND reason = 'referral' AND (ended_at IS NOT NULL OR granted_by = {ME})"

MESSAGES = "state, error_code, claimed_at, attempts, due_at, sent_at"
FOLLOWUPS = (
    "caseworker_id, team_id, state, outcome, done_at, done_by, due_at, remind_at, escalate_at, reminded_at,"
    " escalated_at, risk_level, version"
)
REFERRALS = "state, current_ask_id, decided_at, excluded, withdraw_reason, service_ended_at, version"
IMPORTS = (
    "state, error_code, lease, leased_until, by_command, report_sealed, rows_total, rows_read, rows_rejected,"
    " rows_repeated, rows_known, calls_added, finished_at, version"
)
ROTATIONS = (
    "master_version, table_name, after_id, total, done, unread, finished_at, retire_tried_at, retire_left, retired_at"
)
FOLLOWERS = f"{READ}, INSERT, UPDATE (position, moved_at, due_at, attempts, error_code)"
OBLIGATIONS = f"{READ}, INSERT, UPDATE (settled_at)"
READ_ENTRIES = "SELECT (id, at, centre_id, actor_id, actor_role, outcome, subject_ids, field_groups)"

SERVED = {  # what each touches, beside the audit, which all write
    "router": {
        "agencies": READ, "agency_coverage": READ, "agency_services": READ, "case_events": "INSERT",
        "case_obligations": OBLIGATIONS, "cases": f"{READ}, {LOCK}", "centres": READ,
        "grants": f"{READ}, INSERT, UPDATE (ended_at)", "handled_events": "SELECT (event_id), INSERT", "holidays": READ,
        "messages": "INSERT", "outbox_events": "INSERT", "persons": "SELECT (id, language)", "places": READ,
        "referral_asks": f"{READ}, SELECT (record_key), INSERT, UPDATE (state, version)",
        "referrals": f"{READ}, INSERT, UPDATE ({REFERRALS})", "team_members": READ, "users": READ,
    },
    "reminder": {
        "case_events": "INSERT", "case_obligations": OBLIGATIONS, "cases": f"{READ}, {LOCK}", "centres": READ,
        "followups": f"{READ}, INSERT, UPDATE ({FOLLOWUPS})", "glass_overrides": f"{READ}, UPDATE (remind_at)",
        "grants": "SELECT (principal_id, kind, record_id, effect, ended_at)",
        "handled_events": "SELECT (event_id), INSERT", "holidays": READ, "messages": "INSERT",
        "outbox_events": "INSERT", "team_members": READ, "users": READ,
    },
    "messenger": {
        "centres": READ, "grants": "SELECT (principal_id, kind, record_id, effect, ended_at)",
        "handled_events": "SELECT (event_id), INSERT",
        "messages": f"{READ}, SELECT (record_key, address_sealed), INSERT, UPDATE ({MESSAGES})", "users": READ,
    },
    "importer": {
        "call_children": "INSERT", "call_identities": f"{READ}, INSERT",
        "call_import_chunks": f"{READ}, SELECT (record_key, body_sealed), DELETE",
        "call_import_findings": "SELECT (import_id), INSERT, DELETE", "call_import_rows": "SELECT, INSERT, DELETE",
        "call_imports": f"SELECT, DELETE, UPDATE ({IMPORTS})", "call_terms": "INSERT", "calls": "INSERT",
        "centres": READ, "messages": "INSERT", "persons": "INSERT", "places": READ, "taxonomies": READ,
        "taxonomy_terms": READ, "users": READ,
    },
    "rotator": {"key_rotations": f"{READ}, UPDATE ({ROTATIONS})"},  # and every record's key, by `rotate`
    "notary": {
        "audit_checkpoints": "SELECT, INSERT", "audit_followers": FOLLOWERS, "audit_leaves": "SELECT, INSERT",
        "audit_pending": "SELECT, DELETE", "centres": READ, "messages": "INSERT", "users": READ,
    },
    "watcher": {
        "audit_followers": FOLLOWERS, "audit_leaves": "SELECT (seq, entry_id)", "centres": READ,
        "grants": "SELECT (principal_id, kind, record_id, effect, ended_at)", "messages": "INSERT",
        "reading_alerts": "SELECT (id), INSERT", "users": READ,
    },
    "keeper": {
        "approvals": READ, "heartbeats": "SELECT, INSERT, UPDATE", "key_rotations": f"{READ}, INSERT",
        "outbox_events": "INSERT", "users": READ,
    },
}  # fmt: skip
ENTRIES = {"notary": "SELECT, INSERT", "watcher": f"{READ_ENTRIES}, INSERT"}  # the others only write their own
SEEN = {("grants", actor): DENIES for actor in ("reminder", "messenger", "watcher")}
WRITTEN = {
    ("grants", "router"): OWN_GRANTS, ("persons", "importer"): f"added_by = {ME}",
    ("calls", "importer"): "source = 'imported'", ("outbox_events", "keeper"): "name LIKE 'accounts.%'",
    ("outbox_events", "reminder"): "name LIKE 'followups.%'",
    ("outbox_events", "router"): "name LIKE 'referrals.%' AND name NOT IN ('referrals.accepted', 'referrals.declined')",
}  # fmt: skip
# What is added to a record stands in that record's centre, whoever adds it.
SAME_CENTRE = {
    "case_events": "router, helpline_reminder", "case_obligations": "router, helpline_reminder", "followups": "reminder",
    "referrals": "router", "referral_asks": "router",
}  # fmt: skip

# What the login itself had: its tables, and the policies that were its alone.
HAD = {
    "SELECT": (
        "approvals, call_drafts, call_versions, case_closings, glass_overrides, holidays, place_keys, places,"
        " taxonomies, taxonomy_terms"
    ),
    "SELECT, INSERT": (
        "audit_checkpoints, audit_entries, audit_leaves, call_identities, case_events, case_notes, grants,"
        " handled_events, reading_alerts"
    ),
    "SELECT, INSERT, UPDATE": (
        "agencies, agency_coverage, agency_services, audit_followers, call_children, call_terms, calls, case_counters,"
        " case_obligations, cases, centres, followups, heartbeats, key_rotations, messages, persons, referral_asks,"
        " referrals, teams, users"
    ),
    "SELECT, INSERT, UPDATE, DELETE": "call_import_chunks, call_import_mappings, call_import_rows, call_imports",
    "SELECT, INSERT, DELETE": "call_import_findings, team_members",
    "SELECT, DELETE": "audit_pending",
    "INSERT": "outbox_events",
}
HAD_COLUMNS = {"grants": "UPDATE (ended_at)", "glass_overrides": "UPDATE (remind_at)"}
NOTARY, WATCHER = (f"(SELECT app.actor() ->> 'r') = '{name}'" for name in ("notary", "watcher"))
ALONE = {
    ("audit_checkpoints", "write"): f"FOR INSERT TO helpline_worker WITH CHECK ({NOTARY})",
    ("audit_entries", "seal"): f"FOR SELECT TO helpline_worker USING ({NOTARY})",
    ("audit_followers", "move"): f"TO helpline_worker USING ({NOTARY} OR {WATCHER})",
    ("audit_leaves", "read"): f"FOR SELECT TO helpline_worker USING ({NOTARY} OR {WATCHER})",
    ("audit_leaves", "write"): f"FOR INSERT TO helpline_worker WITH CHECK ({NOTARY})",
    ("audit_pending", "rows"): f"TO helpline_worker USING ({NOTARY})",
    ("centres", "create"): "FOR INSERT TO helpline_worker WITH CHECK ((SELECT app.actor() ->> 'r') = 'keeper')",
}
WEB_ONLY = ("searches_counted",)
SHARED = "SELECT tablename, policyname FROM pg_policies WHERE roles = ARRAY['helpline_web', 'helpline_worker']::name[]"
ITS_OWN = "SELECT tablename, policyname FROM pg_policies WHERE roles = ARRAY['helpline_web']::name[]"
CALLED = """SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'app'::regnamespace
    AND EXISTS (SELECT 1 FROM aclexplode(proacl) WHERE grantee = 'helpline_worker'::regrole)
    AND oid <> 'app.keys_locked()'::regprocedure"""
WEB_CALLS = """SELECT proname, oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'app'::regnamespace
    AND EXISTS (SELECT 1 FROM aclexplode(proacl) WHERE grantee = 'helpline_web'::regrole)"""
WEB_FUNCTIONS = ("asked_child", "case_elsewhere", "find_ask", "older_person")


def _rows(statement: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in op.get_bind().execute(sa.text(statement))]


def upgrade() -> None:
    for table, policy in _rows(SHARED):
        op.execute(f"ALTER POLICY {policy} ON {table} TO helpline_web")
    for table, name in ALONE:
        op.execute(f"DROP POLICY {table}_{name} ON {table}")
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM helpline_worker")
    for (function,) in _rows(CALLED):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM helpline_worker")
    for actor in ACTORS:
        op.execute(f"GRANT USAGE ON SCHEMA app TO helpline_{actor}")
        serve("audit_entries", actor, ENTRIES.get(actor, "INSERT"), written=f"actor_id = {ME}")
        for table, privileges in SERVED[actor].items():
            seen, written = SEEN.get((table, actor), "true"), WRITTEN.get((table, actor), "true")
            serve(table, actor, privileges, seen=seen, written=written)
    for table, roles in SAME_CENTRE.items():
        op.execute(f"ALTER POLICY {table}_insert_narrowed ON {table} TO helpline_web, helpline_{roles}")
    op.execute("GRANT EXECUTE ON FUNCTION app.carry_out(uuid) TO helpline_keeper")


def downgrade() -> None:
    _take_back()
    for privileges, tables in HAD.items():
        op.execute(f"GRANT {privileges} ON {tables} TO helpline_worker")
    for table, privileges in HAD_COLUMNS.items():
        op.execute(f"GRANT {privileges} ON {table} TO helpline_worker")
    for (table, name), rule in ALONE.items():
        op.execute(f"CREATE POLICY {table}_{name} ON {table} {rule}")
    for table, policy in _rows(ITS_OWN):
        if policy not in WEB_ONLY:
            op.execute(f"ALTER POLICY {policy} ON {table} TO helpline_web, helpline_worker")
    for name, function in _rows(WEB_CALLS):
        if name not in WEB_FUNCTIONS:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO helpline_worker")


def _take_back() -> None:
    op.execute("REVOKE EXECUTE ON FUNCTION app.carry_out(uuid) FROM helpline_keeper")
    for table in SAME_CENTRE:
        op.execute(f"ALTER POLICY {table}_insert_narrowed ON {table} TO helpline_web")
    for actor in ACTORS:
        for table in ("audit_entries", *SERVED[actor]):
            op.execute(f"DROP POLICY IF EXISTS {table}_by_{actor} ON {table}")
            op.execute(f"REVOKE ALL ON {table} FROM helpline_{actor}")
        if actor != "rotator":
            op.execute(f"REVOKE USAGE ON SCHEMA app FROM helpline_{actor}")
