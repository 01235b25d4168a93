"""Follow-ups."""

import sqlalchemy as sa
from alembic import op

from migrations.tools import part_of, protect

revision = "0010"
down_revision = "0009"

AT = sa.DateTime(timezone=True)
FOLLOWUPS = part_of("cases", "case", "case_id") + " AND (SELECT app.actor() ->> 'r') <> 'partner'"
PLANNED = "state = 'planned'"


def upgrade() -> None:
    op.create_table(
        "followups",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("caseworker_id", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("risk_level", sa.Text(), nullable=False),
        sa.Column("due_at", AT, nullable=False),
        sa.Column("remind_at", AT, nullable=False),
        sa.Column("escalate_at", AT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reminded_at", AT),
        sa.Column("escalated_at", AT),
        sa.Column("done_at", AT),
        sa.Column("done_by", sa.Uuid()),
        sa.Column("outcome", sa.Text()),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("task_sealed", sa.LargeBinary()),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.Column("reason_sealed", sa.LargeBinary()),
        sa.CheckConstraint(
            "kind IN ('assignment', 'first_response', 'contact', 'review', 'visit', 'call', 'other')", name="kind"
        ),
        sa.CheckConstraint("state IN ('planned', 'done', 'cancelled')", name="state"),
        sa.CheckConstraint("risk_level IN ('low', 'medium', 'high', 'immediate')", name="risk_level"),
        sa.CheckConstraint("outcome IN ('reached', 'not_reached', 'refused', 'done')", name="outcome"),
        sa.CheckConstraint("(state = 'done') = (done_at IS NOT NULL AND outcome IS NOT NULL)", name="done_whole"),
    )
    op.create_index(
        "uq_followups_planned",
        "followups",
        ["case_id", "kind"],
        unique=True,
        postgresql_where=sa.text(f"{PLANNED} AND kind IN ('assignment', 'first_response', 'contact', 'review')"),
    )
    for name, columns, where in (
        ("case_id", ["case_id", "due_at", "id"], None),
        ("remind", ["remind_at"], f"{PLANNED} AND reminded_at IS NULL"),
        ("escalate", ["escalate_at"], f"{PLANNED} AND escalated_at IS NULL"),
        ("open", ["centre_id", "due_at", "id"], PLANNED),
        ("team", ["team_id", "due_at", "id"], PLANNED),
        ("mine", ["caseworker_id", "due_at", "id"], PLANNED),
        ("centre_id", ["centre_id", "due_at", "id"], None),
    ):
        op.create_index(
            f"ix_followups_{name}", "followups", columns, postgresql_where=sa.text(where) if where else None
        )
    protect("followups", FOLLOWUPS)


def downgrade() -> None:
    op.drop_table("followups")
