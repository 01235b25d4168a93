"""Whoever may see a row may not therefore write it: restrictive rules on writing, and columns that never change.

The policies of before say what an actor reaches. These say, for raw SQL as much as for the services: access is granted
by those who have it; staff, teams and the directory are changed by who administers them; what is added to a record
stands in that record's centre; and a row never moves to another centre or record.
"""

from alembic import op

from migrations.tools import APP_ROLES

revision = "0013"
down_revision = "0012"

ROLE = "(SELECT app.actor() ->> 'r')"
OWN_CENTRE = "((SELECT app.actor_centre()) IS NULL OR centre_id = (SELECT app.actor_centre()))"
ADMINISTERS = f"{ROLE} IN ('admin', 'keeper')"
EDITS_DIRECTORY = f"{ROLE} IN ('supervisor', 'admin', 'keeper')"
# A new case that its caseworker is about to add is nobody's yet.
MAY_GRANT = f"""{ROLE} IN ('router', 'keeper') OR CASE kind
    WHEN 'case' THEN EXISTS (SELECT 1 FROM cases c WHERE c.id = record_id)
        OR principal_id = (SELECT app.actor_id()) AND NOT app.case_exists(record_id)
    WHEN 'call' THEN EXISTS (SELECT 1 FROM calls c WHERE c.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.call_id = record_id)
    WHEN 'person' THEN EXISTS (SELECT 1 FROM persons p WHERE p.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.child_person_id = record_id)
    WHEN 'referral' THEN EXISTS (SELECT 1 FROM referrals r WHERE r.id = record_id)
    ELSE false END"""
TEAM_OF_CENTRE = "EXISTS (SELECT 1 FROM teams t WHERE t.id = team_id AND t.centre_id = cases.centre_id)"


def _same_centre(table: str, parent: str, column: str) -> str:
    """An import adds whole files of calls to one centre, in one statement: it is not asked row by row."""
    return (
        f"{ROLE} = 'importer' OR EXISTS (SELECT 1 FROM {parent} parent"
        f" WHERE parent.id = {table}.{column} AND parent.centre_id = {table}.centre_id)"
    )


PARTS = {
    "call_children": ("calls", "call_id"),
    "call_terms": ("calls", "call_id"),
    "call_versions": ("calls", "call_id"),
    "cases": ("calls", "call_id"),
    "case_notes": ("cases", "case_id"),
    "case_events": ("cases", "case_id"),
    "case_obligations": ("cases", "case_id"),
    "referrals": ("cases", "case_id"),
    "referral_asks": ("referrals", "referral_id"),
    "followups": ("cases", "case_id"),
    "agency_services": ("agencies", "agency_id"),
    "agency_coverage": ("agencies", "agency_id"),
}
# (table, command) -> what the new row must fulfil besides. Rows are still found and locked by the rules of before.
CHECKS = {
    ("grants", "INSERT"): MAY_GRANT,
    ("audit_entries", "INSERT"): f"centre_id IS NULL OR {OWN_CENTRE}",
    ("messages", "INSERT"): OWN_CENTRE,
    ("users", "INSERT"): ADMINISTERS,
    ("users", "UPDATE"): f"{ADMINISTERS} OR (id = (SELECT app.actor_id()) AND role = {ROLE} AND status = 'active')",
    ("team_members", "INSERT"): ADMINISTERS,
    ("teams", "INSERT"): ADMINISTERS,
    ("teams", "UPDATE"): ADMINISTERS,
    ("centres", "UPDATE"): ADMINISTERS,
    ("agencies", "INSERT"): EDITS_DIRECTORY,
    ("agencies", "UPDATE"): EDITS_DIRECTORY,
    ("agency_services", "UPDATE"): EDITS_DIRECTORY,
    ("cases", "UPDATE"): f"{ROLE} <> 'partner' AND {TEAM_OF_CENTRE}",
} | {(table, "INSERT"): _same_centre(table, *parent) for table, parent in PARTS.items()}
CHECKS["cases", "INSERT"] = f"({CHECKS['cases', 'INSERT']}) AND {OWN_CENTRE} AND {TEAM_OF_CENTRE}"
for _part in ("agency_services", "agency_coverage"):
    CHECKS[_part, "INSERT"] = f"({CHECKS[_part, 'INSERT']}) AND {EDITS_DIRECTORY}"
# What of it may be taken away at all.
USINGS = {
    ("team_members", "DELETE"): ADMINISTERS,
    ("agency_services", "DELETE"): EDITS_DIRECTORY,
    ("agency_coverage", "DELETE"): EDITS_DIRECTORY,
}

FIXED = {
    "users": ("id", "centre_id", "demo"),
    "teams": ("id", "centre_id"),
    "persons": ("id", "centre_id", "added_by"),
    "messages": ("id", "centre_id", "recipient_id", "template", "channel", "dedupe_key"),
    "agencies": ("id", "centre_id"),
    "agency_services": ("agency_id", "centre_id"),
    "calls": ("id", "centre_id", "operator_id", "source", "import_id"),
    "call_children": ("call_id", "person_id", "centre_id"),
    "call_drafts": ("id", "user_id", "centre_id"),
    "cases": ("id", "centre_id", "call_id", "child_person_id", "opened_by", "number", "code"),
    "case_counters": ("centre_id",),
    "case_obligations": ("id", "case_id", "centre_id", "source_id"),
    "referrals": ("id", "case_id", "centre_id", "service", "requested_by"),
    "referral_asks": ("id", "referral_id", "case_id", "centre_id", "agency_id"),
    "followups": ("id", "case_id", "centre_id", "created_by"),
    "call_imports": ("id", "centre_id", "requested_by"),
    "call_import_mappings": ("id", "centre_id"),
}

FUNCTIONS = f"""
CREATE FUNCTION app.case_exists(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$ SELECT EXISTS (SELECT 1 FROM cases WHERE id = wanted) $$;
REVOKE EXECUTE ON FUNCTION app.case_exists(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.case_exists(uuid) TO {APP_ROLES};

-- The owner's migrations may; nobody else moves a row.
CREATE FUNCTION app.refuse_move() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF pg_has_role(current_user, 'helpline_owner', 'MEMBER') THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a row of % may not move', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    for (table, command), rule in CHECKS.items():
        using = " USING (true)" if command == "UPDATE" else ""
        op.execute(
            f"CREATE POLICY {table}_{command.lower()}_narrowed ON {table} AS RESTRICTIVE FOR {command} TO {APP_ROLES}"
            f"{using} WITH CHECK ({rule})"
        )
    for (table, command), rule in USINGS.items():
        op.execute(
            f"CREATE POLICY {table}_{command.lower()}_narrowed ON {table} AS RESTRICTIVE FOR {command} TO {APP_ROLES}"
            f" USING ({rule})"
        )
    # What has ended stays ended, and is ended by those who could have granted it.
    op.execute(
        f"CREATE POLICY grants_update_narrowed ON grants AS RESTRICTIVE FOR UPDATE TO {APP_ROLES}"
        f" USING ({MAY_GRANT}) WITH CHECK (ended_at IS NOT NULL)"
    )
    for table, columns in FIXED.items():
        differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OF {', '.join(columns)} ON {table} FOR EACH ROW"
            f" WHEN ({differs}) EXECUTE FUNCTION app.refuse_move()"
        )


def downgrade() -> None:
    for table in FIXED:
        op.execute(f"DROP TRIGGER {table}_fixed ON {table}")
    for table, command in (*CHECKS, *USINGS, ("grants", "UPDATE")):
        op.execute(f"DROP POLICY {table}_{command.lower()}_narrowed ON {table}")
    op.execute("DROP FUNCTION app.refuse_move(); DROP FUNCTION app.case_exists(uuid)")
