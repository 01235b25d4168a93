"""Cases, their notes, timeline, obligations and numbers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES, part_of, protect, visible

revision = "0008"
down_revision = "0007"

AT = sa.DateTime(timezone=True)
OPEN = "status = 'open'"
PART = part_of("cases", "case", "case_id")
NOTES = PART + " AND (SELECT app.actor() ->> 'r') <> 'partner'"

# Supervisors may know who looked at a case of theirs, though not read the audit.
CASE_LOOKS = """
CREATE FUNCTION app.case_looks(wanted uuid, since timestamptz)
RETURNS TABLE (actor_id uuid, actor_role text, times bigint) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT e.actor_id, e.actor_role, count(*) FROM audit_entries e
    WHERE e.subject_ids @> ARRAY[wanted] AND e.subject_kind = 'case' AND e.outcome = 'shown' AND e.at >= since
      AND EXISTS (SELECT 1 FROM cases c WHERE c.id = wanted
                  AND (c.centre_id = ANY (app.centres_of('case')) OR c.team_id = ANY (app.teams_of('case'))))
    GROUP BY e.actor_id, e.actor_role $$;
"""


def upgrade() -> None:
    create_cases()
    op.create_table(
        "case_counters",
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), primary_key=True),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "case_notes",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("written_at", AT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body_index", sa.LargeBinary(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary()),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('note', 'contact', 'visit', 'reason')", name="kind"),
    )
    op.create_index("ix_case_notes_case_id", "case_notes", ["case_id", "written_at"])
    op.create_table(
        "case_events",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("details", pg.JSONB(), nullable=False),
        sa.Column("note_id", sa.Uuid(), sa.ForeignKey("case_notes.id")),
    )
    op.create_index("ix_case_events_case_id", "case_events", ["case_id", "at", "id"])
    op.create_table(
        "case_obligations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", AT),
        sa.Column("opened_at", AT, nullable=False),
        sa.Column("settled_at", AT),
        sa.UniqueConstraint("source_id", "kind"),
    )
    op.create_index(
        "ix_case_obligations_case_id", "case_obligations", ["case_id"], postgresql_where=sa.text("settled_at IS NULL")
    )
    protect("cases", visible("case", team="team_id", owner="opened_by"))
    protect("case_counters", "centre_id = (SELECT app.actor_centre())")
    protect("case_notes", NOTES, web="SELECT, INSERT", worker="SELECT, INSERT")
    protect("case_events", PART, web="SELECT, INSERT", worker="SELECT, INSERT")
    protect("case_obligations", PART)
    op.execute(
        f"CREATE POLICY persons_of_cases ON persons FOR SELECT TO {APP_ROLES}"
        " USING (EXISTS (SELECT 1 FROM cases parent WHERE parent.child_person_id = persons.id))"
    )
    op.execute(CASE_LOOKS)


def create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid(), sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("child_person_id", sa.Uuid(), sa.ForeignKey("persons.id"), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", AT, nullable=False),
        sa.Column("body_index", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("risk_level", sa.Text(), nullable=False),
        sa.Column("risk_reasons", pg.JSONB(), nullable=False),
        sa.Column("place_id", sa.Uuid(), sa.ForeignKey("places.id")),
        sa.Column("province_id", sa.Uuid(), sa.ForeignKey("places.id")),
        sa.Column("child_age", sa.Integer()),
        sa.Column("child_gender", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("caseworker_id", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("assigned_at", AT),
        sa.Column("assign_by", AT, nullable=False),
        sa.Column("first_response_by", AT, nullable=False),
        sa.Column("first_response_at", AT),
        sa.Column("needs", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("consent", pg.JSONB(), nullable=False),
        sa.Column("closing_requested_at", AT),
        sa.Column("closing_requested_by", sa.Uuid()),
        sa.Column("closing_reason", sa.Text()),
        sa.Column("closed_at", AT),
        sa.Column("close_reason", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("summary_sealed", sa.LargeBinary()),
        sa.Column("consent_why_sealed", sa.LargeBinary()),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("centre_id", "number"),
        sa.UniqueConstraint("call_id", "child_person_id"),
        sa.CheckConstraint("source IN ('live', 'imported')", name="source"),
        sa.CheckConstraint("risk_level IN ('low', 'medium', 'high', 'immediate')", name="risk_level"),
        sa.CheckConstraint("child_gender IN ('female', 'male', 'other', 'unknown')", name="child_gender"),
        sa.CheckConstraint("step IN ('register', 'assess', 'plan', 'implement', 'follow_up', 'close')", name="step"),
        sa.CheckConstraint("status IN ('open', 'closed')", name="status"),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_at IS NOT NULL AND close_reason IS NOT NULL AND step = 'close')",
            name="closed_whole",
        ),
    )
    op.create_index("ix_cases_centre_id", "cases", ["centre_id", "opened_at", "id"])
    op.create_index("ix_cases_team_id", "cases", ["team_id", "opened_at", "id"])
    op.create_index("ix_cases_caseworker_id", "cases", ["caseworker_id", "status", "opened_at", "id"])
    op.create_index("ix_cases_opened_by", "cases", ["opened_by", "opened_at", "id"])
    op.create_index("ix_cases_child_person_id", "cases", ["child_person_id"])
    op.create_index(
        "ix_cases_centre_id_risk_level",
        "cases",
        ["centre_id", "risk_level", "opened_at", "id"],
        postgresql_where=sa.text(OPEN),
    )
    op.create_index(
        "ix_cases_unassigned",
        "cases",
        ["centre_id", "assign_by"],
        postgresql_where=sa.text("status = 'open' AND caseworker_id IS NULL"),
    )
    op.create_index(
        "ix_cases_unanswered",
        "cases",
        ["centre_id", "first_response_by"],
        postgresql_where=sa.text("status = 'open' AND first_response_at IS NULL"),
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION app.case_looks")
    op.execute("DROP POLICY persons_of_cases ON persons")
    for table in ("case_obligations", "case_events", "case_notes", "case_counters", "cases"):
        op.execute(f"DROP TABLE {table}")
