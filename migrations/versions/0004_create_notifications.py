"""Messages and where their delivery stands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES, visible

revision = "0004"
down_revision = "0003"

AT = sa.DateTime(timezone=True)
READ = (
    visible("message", owner="recipient_id")
    + " OR channel = 'mail' AND centre_id = ANY ((SELECT app.centres_of('delivery'))::uuid[])"
)


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid()),
        sa.Column("address_sealed", sa.LargeBinary()),
        sa.Column("locale", sa.Text()),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("params", pg.JSONB(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("due_at", AT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("claimed_at", AT),
        sa.Column("sent_at", AT),
        sa.Column("read_at", AT),
        sa.Column("error_code", sa.Text()),
        sa.Column("resolved_by", sa.Uuid()),
        sa.CheckConstraint("channel IN ('in_app', 'mail')", name="channel"),
        sa.CheckConstraint("state IN ('queued', 'sending', 'sent', 'failed', 'unknown', 'not_sent')", name="state"),
        sa.CheckConstraint("num_nonnulls(recipient_id, address_sealed) = 1", name="recipient"),
    )
    op.create_index("uq_messages_dedupe_key", "messages", ["dedupe_key", "channel"], unique=True)
    for name, columns, where in (
        ("inbox", ["recipient_id", "created_at", "id"], "channel = 'in_app'"),
        ("unread", ["recipient_id"], "channel = 'in_app' AND read_at IS NULL"),
        ("due", ["due_at"], "state IN ('queued', 'sending')"),
        ("exceptions", ["centre_id", "created_at", "id"], "state IN ('unknown', 'failed', 'not_sent')"),
    ):
        op.create_index(f"ix_messages_{name}", "messages", columns, postgresql_where=sa.text(where))
    op.execute("ALTER TABLE messages ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY messages_rows ON messages TO {APP_ROLES} USING ({READ}) WITH CHECK ({READ})")
    op.execute(
        f"CREATE POLICY messages_queue ON messages FOR INSERT TO {APP_ROLES} "
        "WITH CHECK ((SELECT app.actor_id()) IS NOT NULL)"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON messages TO {APP_ROLES}")


def downgrade() -> None:
    op.drop_table("messages")
