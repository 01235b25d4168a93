"""Referrals and the askings of agencies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES, part_of, protect

revision = "0009"
down_revision = "0008"

AT = sa.DateTime(timezone=True)
REFERRALS = (
    part_of("cases", "case", "case_id")
    + " AND ((SELECT app.actor() ->> 'r') <> 'partner' OR id = ANY ((SELECT app.granted('referral'))::uuid[]))"
)
REFERRAL_ASKS = (
    part_of("cases", "case", "case_id")
    + " AND ((SELECT app.actor() ->> 'r') <> 'partner' OR id = (SELECT app.actor_id()))"
)

# Behind a signed link whose bearer is not yet anybody: what the neutral page says, and where the asking stands.
FIND_ASK = """
CREATE FUNCTION app.find_ask(wanted uuid)
RETURNS TABLE (id uuid, version integer, state text, answer_by timestamptz, referral_state text, centre_id uuid,
               helpline text, phone text, timezone text, agency_names jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT k.id, k.version, k.state, k.answer_by, r.state, k.centre_id, c.name, c.phone, c.timezone, a.names
    FROM referral_asks k JOIN referrals r ON r.id = k.referral_id
         JOIN centres c ON c.id = k.centre_id JOIN agencies a ON a.id = k.agency_id
    WHERE k.id = wanted $$;
REVOKE EXECUTE ON FUNCTION app.find_ask(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.find_ask(uuid) TO helpline_web;

-- The sealed name of the child whom the acting partner has agreed to help; a partner reaches no other row of people.
CREATE FUNCTION app.asked_child() RETURNS TABLE (id uuid, record_key bytea, name_sealed bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT p.id, p.record_key, p.name_sealed
    FROM referral_asks k JOIN cases c ON c.id = k.case_id JOIN persons p ON p.id = c.child_person_id
    WHERE app.actor() ->> 'r' = 'partner' AND k.id = app.actor_id() AND k.state = 'accepted' $$;
REVOKE EXECUTE ON FUNCTION app.asked_child() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.asked_child() TO helpline_web;
"""


def upgrade() -> None:
    op.create_table(
        "referrals",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("withdraw_reason", sa.Text()),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", AT, nullable=False),
        sa.Column("current_ask_id", sa.Uuid()),
        sa.Column("decided_at", AT),
        sa.Column("service_started_at", AT),
        sa.Column("service_ended_at", AT),
        sa.Column("excluded", pg.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'asked', 'accepted', 'exhausted', 'withdrawn', 'service_started', 'delivered',"
            " 'not_delivered')",
            name="state",
        ),
        sa.CheckConstraint("urgency IN ('immediate', 'urgent', 'routine')", name="urgency"),
        sa.CheckConstraint("(state = 'withdrawn') = (withdraw_reason IS NOT NULL)", name="withdrawn_why"),
    )
    op.create_index("ix_referrals_case_id", "referrals", ["case_id", "requested_at"])
    op.create_index("ix_referrals_centre_id", "referrals", ["centre_id", "requested_at", "id"])
    op.create_index("ix_referrals_centre_id_state", "referrals", ["centre_id", "state", "requested_at", "id"])
    op.create_index(
        "uq_referrals_sought",
        "referrals",
        ["case_id", "service"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'asked', 'accepted', 'exhausted', 'service_started')"),
    )
    op.create_table(
        "referral_asks",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), sa.ForeignKey("referrals.id"), nullable=False),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agencies.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("asked_at", AT, nullable=False),
        sa.Column("answer_by", AT, nullable=False),
        sa.Column("link_until", AT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", AT),
        sa.Column("answered_at", AT),
        sa.Column("decline_reason", sa.Text()),
        sa.Column("decline_note_sealed", sa.LargeBinary()),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", pg.JSONB(), nullable=False),
        sa.Column("excluded", pg.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.UniqueConstraint("referral_id", "position"),
        sa.CheckConstraint("state IN ('asked', 'accepted', 'declined', 'expired', 'withdrawn')", name="state"),
        sa.CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name="declined_why"),
    )
    op.create_index(
        "uq_referral_asks_open",
        "referral_asks",
        ["referral_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('asked', 'accepted')"),
    )
    op.create_index("ix_referral_asks_due", "referral_asks", ["answer_by"], postgresql_where=sa.text("state = 'asked'"))
    op.create_index("ix_referral_asks_agency_id", "referral_asks", ["agency_id", "asked_at"])
    op.create_index("ix_referral_asks_case_id", "referral_asks", ["case_id"])
    protect("referrals", REFERRALS)
    protect("referral_asks", REFERRAL_ASKS)
    op.execute(FIND_ASK)
    op.execute(
        f"CREATE POLICY persons_not_to_partners ON persons AS RESTRICTIVE FOR SELECT TO {APP_ROLES}"
        " USING ((SELECT app.actor() ->> 'r') <> 'partner')"
    )


def downgrade() -> None:
    op.execute("DROP POLICY persons_not_to_partners ON persons")
    op.execute("DROP FUNCTION app.find_ask(uuid)")
    op.execute("DROP FUNCTION app.asked_child()")
    op.drop_table("referral_asks")
    op.drop_table("referrals")
