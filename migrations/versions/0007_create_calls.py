"""Calls, the children they concern, their reasons, earlier versions and drafts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES, part_of, protect, visible

revision = "0007"
down_revision = "0006"

AT = sa.DateTime(timezone=True)
PERSONS = (
    f"({visible('person')}) OR centre_id = ANY ((SELECT app.centres_of('call'))::uuid[])"
    " OR EXISTS (SELECT 1 FROM call_children link WHERE link.person_id = persons.id)"
    " OR EXISTS (SELECT 1 FROM calls call WHERE call.caller_person_id = persons.id)"
)

# Whoever sees a row by being its writer or of its team still writes into their own centre alone.
OWN_CENTRE = "(centre_id = (SELECT app.actor_centre()) OR centre_id = ANY ((SELECT app.centres_of('call'))::uuid[]))"


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), unique=True, nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id")),
        sa.Column("operator_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", AT, nullable=False),
        sa.Column("ended_at", AT),
        sa.Column("logged_at", AT, nullable=False),
        sa.Column("caller_relation", sa.Text(), nullable=False),
        sa.Column("caller_person_id", sa.Uuid(), sa.ForeignKey("persons.id", deferrable=True, initially="DEFERRED")),
        sa.Column("place_id", sa.Uuid(), sa.ForeignKey("places.id")),
        sa.Column("province_id", sa.Uuid(), sa.ForeignKey("places.id")),
        sa.Column("risk_level", sa.Text(), nullable=False),
        sa.Column("risk_reasons", pg.JSONB(), nullable=False, server_default="[]"),
        sa.Column("risk_override_sealed", sa.LargeBinary()),
        sa.Column("danger", pg.JSONB(), nullable=False, server_default="{}"),
        sa.Column("actions", pg.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.Column("primary_term_id", sa.Uuid(), sa.ForeignKey("taxonomy_terms.id")),
        sa.Column("narrative_sealed", sa.LargeBinary()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Uuid()),
        sa.Column("original_sealed", sa.LargeBinary()),
        sa.Column("voided_at", AT),
        sa.Column("void_reason_sealed", sa.LargeBinary()),
        sa.Column("body_digest", sa.LargeBinary()),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint(
            "channel IN ('phone', 'sms', 'web_chat', 'messenger', 'email', 'letter', 'walk_in', 'social')",
            name="channel",
        ),
        sa.CheckConstraint("direction IN ('in', 'out')", name="direction"),
        sa.CheckConstraint(
            "kind IN ('counselling', 'silent', 'hang_up', 'abusive', 'thanks', 'wrong_number', 'test', 'information',"
            " 'other')",
            name="kind",
        ),
        sa.CheckConstraint("risk_level IN ('low', 'medium', 'high', 'immediate')", name="risk_level"),
        sa.CheckConstraint("source IN ('live', 'imported')", name="source"),
        sa.CheckConstraint("ended_at >= started_at", name="ends_after_it_starts"),
    )
    op.create_index("ix_calls_centre_id_started_at", "calls", ["centre_id", "started_at", "id"])
    op.create_index("ix_calls_team_id_started_at", "calls", ["team_id", "started_at", "id"])
    op.create_index("ix_calls_operator_id_started_at", "calls", ["operator_id", "started_at", "id"])
    for column in ("caller_person_id", "import_id"):
        op.create_index(f"ix_calls_{column}", "calls", [column], postgresql_where=sa.text(f"{column} IS NOT NULL"))
    op.create_table(
        "call_children",
        sa.Column("call_id", sa.Uuid(), sa.ForeignKey("calls.id"), primary_key=True),
        sa.Column("person_id", sa.Uuid(), sa.ForeignKey("persons.id"), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("age_band", sa.Text(), nullable=False),
        sa.Column("gender", sa.Text(), nullable=False),
    )
    op.create_index("ix_call_children_person_id", "call_children", ["person_id"])
    op.create_table(
        "call_terms",
        sa.Column("call_id", sa.Uuid(), sa.ForeignKey("calls.id"), primary_key=True),
        sa.Column("term_id", sa.Uuid(), sa.ForeignKey("taxonomy_terms.id"), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
    )
    op.create_index("ix_call_terms_term_id", "call_terms", ["term_id", "call_id"])
    op.create_table(
        "call_versions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("call_id", sa.Uuid(), sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("snapshot_sealed", sa.LargeBinary()),
    )
    op.create_index("uq_call_versions_version", "call_versions", ["call_id", "version"], unique=True)
    op.create_table(
        "call_drafts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary()),
        sa.Column("saved_at", AT, nullable=False),
        sa.Column("ended_at", AT),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
    )
    op.create_index(
        "ix_call_drafts_user_id", "call_drafts", ["user_id", "saved_at"], postgresql_where=sa.text("ended_at IS NULL")
    )
    calls = visible("call", team="team_id", owner="operator_id")
    protect("calls", calls)
    op.execute(f"ALTER POLICY calls_rows ON calls WITH CHECK (({calls}) AND {OWN_CENTRE})")
    for table in ("call_children", "call_terms"):
        protect(table, part_of("calls", "call", "call_id"), web="SELECT, INSERT, UPDATE, DELETE")
    protect("call_versions", part_of("calls", "call", "call_id"), web="SELECT, INSERT", worker="SELECT")
    protect("call_drafts", "user_id = (SELECT app.actor_id())", web="SELECT, INSERT, UPDATE, DELETE", worker="SELECT")
    op.execute(f"CREATE POLICY persons_rows ON persons TO {APP_ROLES} USING ({PERSONS}) WITH CHECK ({PERSONS})")
    op.execute(
        f"CREATE POLICY persons_add ON persons FOR INSERT TO {APP_ROLES} "
        f"WITH CHECK (added_by = (SELECT app.actor_id()) AND {OWN_CENTRE})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON persons TO {APP_ROLES}")


def downgrade() -> None:
    op.execute("DROP POLICY persons_add ON persons; DROP POLICY persons_rows ON persons")
    for table in ("call_drafts", "call_versions", "call_terms", "call_children", "calls"):
        op.drop_table(table)
