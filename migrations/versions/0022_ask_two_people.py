"""Approvals: what one person asks for and another decides; an administrator's role and a lost factor come by them alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES, protect, rotate

revision = "0022"
down_revision = "0021"

AT = sa.DateTime(timezone=True)
ROLE = "(SELECT app.actor() ->> 'r')"
ME = "(SELECT app.actor_id())"
NOW = "to_timestamp((SELECT (app.actor() ->> 'n')::double precision))"
DECIDES = f"{ROLE} IN ('supervisor', 'admin')"

APPROVALS = f"centre_id = ANY ((SELECT app.centres_of('approval'))::uuid[]) OR subject_id = {ME}"
ASKED = f"""requested_by = {ME} AND {DECIDES} AND centre_id = (SELECT app.actor_centre())
    AND (kind <> 'admin_role' OR {ROLE} = 'admin')
    AND num_nonnulls(decision, stopped_at, spent_at, not_before) = 0
    AND abs(extract(epoch FROM requested_at - {NOW})) < 1
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = subject_id AND u.centre_id = approvals.centre_id)"""
# Whoever decides is not who asked, nor whom it is about, and signs with their own name and the signed time. What was
# begun is stopped by whom it is about, or by who may decide.
MOVED = f"""CASE WHEN stopped_at IS NOT NULL THEN stopped_by = {ME} AND (subject_id = {ME} OR {DECIDES})
    ELSE decided_by = {ME} AND requested_by <> {ME} AND subject_id <> {ME} AND {DECIDES} AND expires_at > {NOW}
        AND abs(extract(epoch FROM decided_at - {NOW})) < 1 END"""

FUNCTIONS = """
-- What is decided, stopped or done stays so; and a stop changes nothing else.
CREATE FUNCTION app.keep_decision() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.stopped_at IS NULL AND OLD.spent_at IS NULL
        AND (OLD.decision IS NULL AND NEW.stopped_at IS NULL
             OR (NEW.decision, NEW.decided_by, NEW.decided_at, NEW.not_before)
                IS NOT DISTINCT FROM (OLD.decision, OLD.decided_by, OLD.decided_at, OLD.not_before))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'what was decided stays decided' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER approvals_kept BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION app.keep_decision();

-- Nobody becomes an administrator but by the keeper's hand, or by the function below.
CREATE FUNCTION app.refuse_admin() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF pg_has_role(current_user, 'helpline_owner', 'MEMBER') OR app.actor() ->> 'r' = 'keeper' THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'an administrator needs two people' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER users_not_made_admin BEFORE INSERT ON users FOR EACH ROW
    WHEN (NEW.role = 'admin') EXECUTE FUNCTION app.refuse_admin();
CREATE TRIGGER users_not_turned_admin BEFORE UPDATE OF role ON users FOR EACH ROW
    WHEN (NEW.role = 'admin' AND OLD.role <> 'admin') EXECUTE FUNCTION app.refuse_admin();

-- Does what was approved, once: a role at once, by the hand of whoever approved it; a factor when its time has come, by
-- the machine. False, and nothing, for anything else.
CREATE FUNCTION app.carry_out(wanted uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
DECLARE
    a jsonb := app.actor();
    at timestamptz := to_timestamp((a ->> 'n')::double precision);
    it approvals;
BEGIN
    SELECT * INTO it FROM approvals WHERE id = wanted FOR UPDATE;
    IF a IS NULL OR it.decision IS DISTINCT FROM 'approved' OR it.stopped_at IS NOT NULL OR it.spent_at IS NOT NULL
        OR it.not_before - interval '1 millisecond' > at THEN RETURN false; END IF;
    CASE it.kind
        WHEN 'admin_role' THEN
            IF it.decided_by <> (a ->> 'u')::uuid THEN RETURN false; END IF;
            UPDATE users SET role = 'admin', version = version + 1, deactivated_at = NULL,
                status = CASE status WHEN 'deactivated' THEN 'invited' ELSE status END
            WHERE id = it.subject_id AND role <> 'admin' AND (status <> 'deactivated' OR it.detail ? 'invitation');
            IF NOT FOUND THEN RETURN false; END IF;
        WHEN 'factor_reset' THEN
            IF a ->> 'r' <> 'keeper' THEN RETURN false; END IF;
            DELETE FROM factors WHERE user_id = it.subject_id;
            DELETE FROM recovery_codes WHERE user_id = it.subject_id;
            UPDATE user_sessions SET ended_at = at WHERE user_id = it.subject_id AND ended_at IS NULL;
    END CASE;
    UPDATE approvals SET spent_at = at WHERE id = wanted;
    RETURN true;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("detail", pg.JSONB(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary()),
        sa.Column("requested_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("requested_at", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.Column("decided_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("decided_at", AT),
        sa.Column("decision", sa.Text()),
        sa.Column("not_before", AT),
        sa.Column("stopped_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("stopped_at", AT),
        sa.Column("spent_at", AT),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint("kind IN ('admin_role', 'factor_reset')", name="kind"),
        sa.CheckConstraint("decision IN ('approved', 'declined')", name="decision"),
        sa.CheckConstraint("num_nulls(decision, decided_by, decided_at) IN (0, 3)", name="decided_whole"),
        sa.CheckConstraint("(not_before IS NOT NULL) = (decision IS NOT DISTINCT FROM 'approved')", name="begins"),
        sa.CheckConstraint("num_nulls(stopped_by, stopped_at) IN (0, 2)", name="stopped_whole"),
        sa.CheckConstraint("requested_by <> decided_by", name="two_people"),
        sa.CheckConstraint("subject_id NOT IN (requested_by, coalesce(decided_by, requested_by))", name="others"),
        sa.CheckConstraint("kind <> 'factor_reset' OR not_before >= decided_at + interval '1 hour'", name="waits"),
        sa.CheckConstraint("spent_at IS NULL OR decision = 'approved' AND stopped_at IS NULL", name="spent"),
        sa.CheckConstraint("expires_at <= requested_at + interval '7 days'", name="expires"),
    )
    op.create_index("ix_approvals_centre_id", "approvals", ["centre_id", "requested_at", "id"])
    op.create_index(
        "ix_approvals_not_before",
        "approvals",
        ["not_before"],
        postgresql_where=sa.text("spent_at IS NULL AND stopped_at IS NULL"),
    )
    op.create_index("ix_approvals_subject_id", "approvals", ["subject_id"])
    op.execute(FUNCTIONS)
    op.execute(
        "REVOKE EXECUTE ON FUNCTION app.carry_out(uuid) FROM PUBLIC;"
        f" GRANT EXECUTE ON FUNCTION app.carry_out(uuid) TO {APP_ROLES}"
    )
    protect("approvals", APPROVALS, web="SELECT, INSERT", worker="SELECT")
    columns = "decided_by, decided_at, decision, not_before, stopped_by, stopped_at, version"
    op.execute(f"GRANT UPDATE ({columns}) ON approvals TO helpline_web")
    op.execute(
        f"CREATE POLICY approvals_insert_narrowed ON approvals AS RESTRICTIVE FOR INSERT TO {APP_ROLES}"
        f" WITH CHECK ({ASKED})"
    )
    op.execute(
        f"CREATE POLICY approvals_update_narrowed ON approvals AS RESTRICTIVE FOR UPDATE TO {APP_ROLES}"
        f" USING (true) WITH CHECK ({MOVED})"
    )
    rotate("approvals")


def downgrade() -> None:
    op.execute("DROP FUNCTION app.carry_out(uuid)")
    op.execute("DROP TRIGGER users_not_made_admin ON users; DROP TRIGGER users_not_turned_admin ON users")
    op.execute("DROP FUNCTION app.refuse_admin()")
    op.drop_table("approvals")
    op.execute("DROP FUNCTION app.keep_decision()")
