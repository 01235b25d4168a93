"""Let the backup's login read every table, today's and tomorrow's: BYPASSRLS alone opens none."""

from alembic import op

revision = "0012"
down_revision = "0011"

KINDS = ("TABLES", "SEQUENCES")


def upgrade() -> None:
    op.execute("GRANT USAGE ON SCHEMA app TO helpline_backup")
    for kind in KINDS:
        op.execute(f"GRANT SELECT ON ALL {kind} IN SCHEMA public, app TO helpline_backup")
        op.execute(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON {kind} TO helpline_backup")


def downgrade() -> None:
    for kind in KINDS:
        op.execute(f"ALTER DEFAULT PRIVILEGES REVOKE SELECT ON {kind} FROM helpline_backup")
        op.execute(f"REVOKE SELECT ON ALL {kind} IN SCHEMA public, app FROM helpline_backup")
    op.execute("REVOKE USAGE ON SCHEMA app FROM helpline_backup")
