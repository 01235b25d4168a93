"""Cases closed to named people and agencies, and the emergency override that is told at once and reviewed."""

import sqlalchemy as sa
from alembic import op

from migrations.tools import APP_ROLES, part_of, protect, rotate

revision = "0018"
down_revision = "0017"

AT = sa.DateTime(timezone=True)
ROLE = "(SELECT app.actor() ->> 'r')"
ME = "(SELECT app.actor_id())"
SUPERVISES = f"{ROLE} IN ('team_supervisor', 'supervisor')"
MAY_GRANT = f"""{ROLE} IN ('router', 'keeper') OR CASE kind
    WHEN 'case' THEN EXISTS (SELECT 1 FROM cases c WHERE c.id = record_id)
        OR principal_id = {ME} AND NOT app.case_exists(record_id)
    WHEN 'call' THEN EXISTS (SELECT 1 FROM calls c WHERE c.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.call_id = record_id)
    WHEN 'person' THEN EXISTS (SELECT 1 FROM persons p WHERE p.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.child_person_id = record_id)
    WHEN 'referral' THEN EXISTS (SELECT 1 FROM referrals r WHERE r.id = record_id)
    ELSE false END"""
# Sight by an override gives nothing on. Whoever opens a case may close it in the same breath; later, supervisors may,
# and nobody for or against themselves.
MAY_GRANT_NOW = f"""record_id <> ALL ((SELECT app.overridden())::uuid[]) AND CASE
    WHEN reason = 'break_glass' THEN false
    WHEN reason = 'closed_to' THEN principal_id <> {ME} AND ({SUPERVISES} OR EXISTS (
        SELECT 1 FROM cases c WHERE c.id = source_id AND c.opened_by = {ME} AND c.opened_at = from_at)) AND ({MAY_GRANT})
    WHEN reason = 'party' THEN {SUPERVISES} AND principal_id <> {ME} AND ({MAY_GRANT})
    ELSE {MAY_GRANT} END"""
MAY_END = f"effect = 'allow' AND ({MAY_GRANT}) OR {SUPERVISES} AND principal_id <> {ME} AND ({MAY_GRANT})"
# Who is shut out is read by who may say so, and by the machines that must leave them out; never by themselves.
DENIES_READ = f"""effect = 'allow' OR {ROLE} IN ('router', 'reminder', 'messenger', 'watcher', 'keeper')
    OR {SUPERVISES} AND principal_id <> {ME} AND record_id <> ALL ((SELECT app.overridden())::uuid[])
    AND ({MAY_GRANT})"""

PERSONS_DENIED = "id <> ALL ((SELECT app.denied('person'))::uuid[])"
MESSAGES_DENIED = (
    "(params ->> 'case_id') IS NULL OR (params ->> 'case_id') <> ALL ((SELECT app.denied('case'))::text[])"
)
AUDIT_DENIED = "NOT subject_ids && (SELECT app.denied('case'))::uuid[]"
CLOSINGS = f"""{SUPERVISES} AND principal_id <> {ME} AND case_id <> ALL ((SELECT app.overridden())::uuid[])
    AND {part_of("cases", "case", "case_id")}"""
OVERRIDES = f"""(user_id = {ME} OR centre_id = ANY ((SELECT app.centres_of('glass'))::uuid[])
    OR team_id = ANY ((SELECT app.teams_of('glass'))::uuid[])) AND case_id <> ALL ((SELECT app.denied('case'))::uuid[])"""

OLD_DENIED = """
CREATE OR REPLACE FUNCTION app.denied(kind text) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app, public AS $$
    SELECT coalesce((
        SELECT array_agg(g.record_id) FROM app.actor() a JOIN grants g ON g.principal_id = (a ->> 'u')::uuid
        WHERE g.kind = denied.kind AND g.effect = 'deny' AND g.ended_at IS NULL
          AND (g.until_at IS NULL OR g.until_at > to_timestamp((a ->> 'n')::double precision))), '{}') $$;
"""
# A partner's link is denied what its agency is.
DENIED = """
CREATE OR REPLACE FUNCTION app.denied(kind text) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app, public AS $$
    SELECT coalesce((
        SELECT array_agg(g.record_id) FROM app.actor() a JOIN grants g ON g.principal_id = CASE a ->> 'r'
            WHEN 'partner' THEN (SELECT k.agency_id FROM referral_asks k WHERE k.id = (a ->> 'u')::uuid)
            ELSE (a ->> 'u')::uuid END
        WHERE g.kind = denied.kind AND g.effect = 'deny' AND g.ended_at IS NULL
          AND (g.until_at IS NULL OR g.until_at > to_timestamp((a ->> 'n')::double precision))), '{}') $$;
"""
LOOKS = """
CREATE OR REPLACE FUNCTION app.case_looks(wanted uuid, since timestamptz)
RETURNS TABLE (actor_id uuid, actor_role text, times bigint) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT e.actor_id, e.actor_role, count(*) FROM audit_entries e
    WHERE e.subject_ids @> ARRAY[wanted] AND e.subject_kind = 'case' AND e.outcome = 'shown' AND e.at >= since
      AND EXISTS (SELECT 1 FROM cases c WHERE c.id = wanted
                  AND (c.centre_id = ANY (app.centres_of('case')) OR c.team_id = ANY (app.teams_of('case'))){denied})
    GROUP BY e.actor_id, e.actor_role $$;
"""
CHILD = """
CREATE OR REPLACE FUNCTION app.asked_child() RETURNS TABLE (id uuid, record_key bytea, name_sealed bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT p.id, p.record_key, p.name_sealed
    FROM referral_asks k JOIN cases c ON c.id = k.case_id JOIN persons p ON p.id = c.child_person_id
    WHERE app.actor() ->> 'r' = 'partner' AND k.id = app.actor_id() AND k.state = 'accepted'{denied} $$;
"""
NOT_DENIED = "\n      AND c.id <> ALL (app.denied('case'))"

FUNCTIONS = """
-- What the actor sees by an override that lasts: it can be worked on, never handed on.
CREATE FUNCTION app.overridden() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT coalesce((
        SELECT array_agg(g.record_id) FROM app.actor() a JOIN grants g ON g.principal_id = (a ->> 'u')::uuid
        WHERE g.reason = 'break_glass' AND g.ended_at IS NULL
          AND g.until_at > to_timestamp((a ->> 'n')::double precision)), '{}') $$;

-- The override that lasts for a person: the door asks with the look-up of their session.
CREATE FUNCTION app.override_of(person uuid, at timestamptz)
RETURNS TABLE (override_id uuid, override_case_id uuid, override_code text, override_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT o.id, o.case_id, o.case_code, o.until_at FROM glass_overrides o
    WHERE o.user_id = person AND o.ended_at IS NULL AND o.until_at > at $$;

-- The only way to an override: its row and its three grants, of one case of the actor's centre, for 30 minutes from
-- the signed time. NULL for a code that leads nowhere and for a case closed to the actor: the two are not told apart.
CREATE FUNCTION app.break_glass(override uuid, given text, words bytea, key bytea) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
DECLARE
    a jsonb := app.actor();
    me uuid := (a ->> 'u')::uuid;
    at timestamptz := to_timestamp((a ->> 'n')::double precision);
    found cases;
BEGIN
    IF me IS NULL OR (a ->> 'r') NOT IN ('operator', 'caseworker', 'team_supervisor') THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(me::text, 0));  -- one at a time
    IF EXISTS (SELECT 1 FROM app.override_of(me, at)) THEN RETURN NULL; END IF;
    SELECT c.* INTO found FROM cases c
    WHERE c.centre_id = (a ->> 'c')::uuid AND (
        c.number = substring(given FROM '-([0-9]{1,18})$')::bigint AND upper(c.code) = upper(given)
        OR c.id = CASE WHEN given ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN given::uuid END);
    IF found.id IS NULL OR found.id = ANY (app.denied('case')) OR found.call_id = ANY (app.denied('call'))
        OR found.child_person_id = ANY (app.denied('person')) THEN RETURN NULL; END IF;
    INSERT INTO glass_overrides (id, record_key, case_id, case_code, centre_id, team_id, user_id, opened_at, until_at,
                                 reason_sealed, review_by, remind_at)
    VALUES (override, key, found.id, found.code, found.centre_id, found.team_id, me, at, at + interval '30 minutes',
            words, at + interval '24 hours', at + interval '8 hours');
    INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at, until_at)
    SELECT uuidv7(), me, t.kind, t.record_id, 'allow', 'break_glass', override, me, at, at + interval '30 minutes'
    FROM (VALUES ('case', found.id), ('call', found.call_id), ('person', found.child_person_id)) t (kind, record_id);
    RETURN found.id;
END $$;

-- A case or call that is seen by an override is not taken into the actor's own team meanwhile.
CREATE FUNCTION app.refuse_taking() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.id <> ALL (app.overridden()) THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a row of % may not change its team under an override', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""
FUNCTION_NAMES = ("overridden()", "override_of(uuid, timestamptz)", "break_glass(uuid, text, bytea, bytea)")
REASONS = "reason IN ('assigned', 'shared', 'cover', 'closed_to', 'referral'{})"
TAKEN = ("cases", "calls")
RESTRICTED = {"persons": PERSONS_DENIED, "messages": MESSAGES_DENIED, "audit_entries": AUDIT_DENIED}


def _narrow_grants(inserted: str, ended: str) -> None:
    op.execute("DROP POLICY grants_insert_narrowed ON grants; DROP POLICY grants_update_narrowed ON grants")
    op.execute(
        f"CREATE POLICY grants_insert_narrowed ON grants AS RESTRICTIVE FOR INSERT TO {APP_ROLES} WITH CHECK ({inserted})"
    )
    op.execute(
        f"CREATE POLICY grants_update_narrowed ON grants AS RESTRICTIVE FOR UPDATE TO {APP_ROLES}"
        f" USING ({ended}) WITH CHECK (ended_at IS NOT NULL)"
    )


def _create_tables() -> None:
    op.create_table(
        "case_closings",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text()),
        sa.Column("recorded_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("recorded_at", AT, nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary()),
        sa.CheckConstraint("kind IN ('closed_to', 'party', 'lifted')", name="kind"),
        sa.CheckConstraint("relation IN ('self', 'household')", name="relation"),
        sa.CheckConstraint("(kind = 'party') = (relation IS NOT NULL)", name="party_whole"),
    )
    op.create_index("ix_case_closings_case_id", "case_closings", ["case_id", "recorded_at"])
    op.create_table(
        "glass_overrides",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("case_code", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("opened_at", AT, nullable=False),
        sa.Column("until_at", AT, nullable=False),
        sa.Column("ended_at", AT),
        sa.Column("reason_sealed", sa.LargeBinary()),
        sa.Column("review_by", AT, nullable=False),
        sa.Column("remind_at", AT, nullable=False),
        sa.Column("reviewed_at", AT),
        sa.Column("reviewed_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("outcome", sa.Text()),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.CheckConstraint("outcome IN ('justified', 'not_justified', 'follow_up')", name="outcome"),
        sa.CheckConstraint("num_nulls(reviewed_at, reviewed_by, outcome) IN (0, 3)", name="reviewed_whole"),
        sa.CheckConstraint("reviewed_by <> user_id", name="reviewed_by_another"),
        sa.CheckConstraint("until_at <= opened_at + interval '30 minutes'", name="short"),
    )
    op.create_index("ix_glass_overrides_centre_id", "glass_overrides", ["centre_id", "opened_at", "id"])
    op.create_index(
        "ix_glass_overrides_user_id", "glass_overrides", ["user_id"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index(
        "ix_glass_overrides_remind_at",
        "glass_overrides",
        ["remind_at"],
        postgresql_where=sa.text("reviewed_at IS NULL"),
    )


def upgrade() -> None:
    op.execute("ALTER TABLE grants DROP CONSTRAINT ck_grants_reason")
    op.create_check_constraint("reason", "grants", REASONS.format(", 'party', 'break_glass'"))
    op.create_check_constraint("deny", "grants", "(effect = 'deny') = (reason IN ('closed_to', 'party'))")
    op.create_check_constraint("ends", "grants", "reason <> 'break_glass' OR until_at IS NOT NULL")
    op.create_index(
        "ix_grants_denied", "grants", ["record_id"], postgresql_where=sa.text("effect = 'deny' AND ended_at IS NULL")
    )
    _create_tables()
    op.execute(DENIED + LOOKS.format(denied=NOT_DENIED) + CHILD.format(denied=NOT_DENIED) + FUNCTIONS)
    for name in FUNCTION_NAMES:
        op.execute(
            f"REVOKE EXECUTE ON FUNCTION app.{name} FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.{name} TO {APP_ROLES}"
        )
    for table in TAKEN:
        op.execute(
            f"CREATE TRIGGER {table}_not_taken BEFORE UPDATE OF team_id ON {table} FOR EACH ROW"
            " WHEN (OLD.team_id IS DISTINCT FROM NEW.team_id) EXECUTE FUNCTION app.refuse_taking()"
        )
    for table, rule in RESTRICTED.items():
        op.execute(f"CREATE POLICY {table}_denied ON {table} AS RESTRICTIVE FOR SELECT TO {APP_ROLES} USING ({rule})")
    op.execute(f"CREATE POLICY grants_denied ON grants AS RESTRICTIVE FOR SELECT TO {APP_ROLES} USING ({DENIES_READ})")
    _narrow_grants(MAY_GRANT_NOW, MAY_END)
    protect("case_closings", CLOSINGS, web="SELECT, INSERT", worker="SELECT")
    op.execute(
        f"CREATE POLICY case_closings_insert_narrowed ON case_closings AS RESTRICTIVE FOR INSERT TO {APP_ROLES}"
        f" WITH CHECK (recorded_by = {ME})"
    )
    protect("glass_overrides", OVERRIDES, web="SELECT", worker="SELECT, UPDATE (remind_at)")
    op.execute(
        "GRANT UPDATE (ended_at, reviewed_at, reviewed_by, outcome, note_sealed) ON glass_overrides TO helpline_web"
    )
    op.execute(
        f"CREATE POLICY glass_overrides_update_narrowed ON glass_overrides AS RESTRICTIVE FOR UPDATE TO {APP_ROLES}"
        f" USING (reviewed_at IS NULL) WITH CHECK (reviewed_by IS NULL OR reviewed_by = {ME} AND {SUPERVISES})"
    )
    rotate("case_closings")
    rotate("glass_overrides")


def downgrade() -> None:
    op.drop_table("glass_overrides")
    op.drop_table("case_closings")
    _narrow_grants(MAY_GRANT, MAY_GRANT)
    op.execute("DROP POLICY grants_denied ON grants")
    for table in RESTRICTED:
        op.execute(f"DROP POLICY {table}_denied ON {table}")
    for table in TAKEN:
        op.execute(f"DROP TRIGGER {table}_not_taken ON {table}")
    op.execute("DROP FUNCTION app.refuse_taking()")
    for name in FUNCTION_NAMES:
        op.execute(f"DROP FUNCTION app.{name}")
    op.execute(OLD_DENIED + LOOKS.format(denied="") + CHILD.format(denied=""))
    op.drop_index("ix_grants_denied", "grants")
    op.execute("DELETE FROM grants WHERE reason IN ('party', 'break_glass')")
    for name in ("ck_grants_ends", "ck_grants_deny", "ck_grants_reason"):
        op.execute(f"ALTER TABLE grants DROP CONSTRAINT {name}")
    op.create_check_constraint("reason", "grants", REASONS.format(""))
