"""The lock of the keys, the prepared link that locks, and rotations of the master key with a role that sees keys alone."""

import sqlalchemy as sa
from alembic import op

from migrations.tools import APP_ROLES, rotate

revision = "0015"
down_revision = "0014"

AT = sa.DateTime(timezone=True)
ADMIN = "(SELECT app.actor() ->> 'r') = 'admin'"
TURNS = "(SELECT app.actor() ->> 'r') IN ('admin', 'keeper', 'rotator')"

# Asked before anybody is known, and by processes that have no keys to sign with: it tells one bit.
FUNCTIONS = """
CREATE FUNCTION app.keys_locked() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$ SELECT coalesce(bool_or(locked_at IS NOT NULL), false) FROM key_state $$;

-- Only a process that still has the keys can sign. Whoever sits at an open page gives a password when it opens again.
CREATE FUNCTION app.lock_keys(at timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    IF app.actor() IS NULL THEN RAISE insufficient_privilege; END IF;
    UPDATE key_state SET locked_at = coalesce(locked_at, at);
    UPDATE user_sessions SET locked_at = at WHERE ended_at IS NULL AND locked_at IS NULL;
END $$;

-- Signing as the keeper takes the keys, which two key holders have just opened.
CREATE FUNCTION app.unlock_keys() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    IF app.actor() ->> 'r' IS DISTINCT FROM 'keeper' THEN RAISE insufficient_privilege; END IF;
    UPDATE key_state SET locked_at = NULL;
END $$;
"""
NAMES = ("keys_locked()", "lock_keys(timestamptz)", "unlock_keys()")

ROWS = f"""
ALTER TABLE key_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY key_state_rows ON key_state FOR SELECT TO {APP_ROLES} USING ((SELECT app.actor_id()) IS NOT NULL);
CREATE POLICY key_state_link ON key_state FOR UPDATE TO {APP_ROLES} USING ({ADMIN}) WITH CHECK ({ADMIN});
GRANT SELECT, UPDATE (link_version, link_centre_id) ON key_state TO helpline_web;

ALTER TABLE key_rotations ENABLE ROW LEVEL SECURITY;
CREATE POLICY key_rotations_rows ON key_rotations TO {APP_ROLES} USING ({TURNS}) WITH CHECK ({TURNS});
GRANT SELECT, INSERT, UPDATE (retire_asked_at) ON key_rotations TO helpline_web;
GRANT SELECT, INSERT, UPDATE ON key_rotations TO helpline_worker;
"""
WITH_KEY = """SELECT relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attname = 'record_key' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1"""


def _tables() -> list[str]:
    return [name for (name,) in op.get_bind().execute(sa.text(WITH_KEY))]


def upgrade() -> None:
    op.create_table(
        "key_state",
        sa.Column("one", sa.Boolean(), primary_key=True, server_default=sa.true()),
        sa.Column("locked_at", AT),
        sa.Column("link_version", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("link_centre_id", sa.Uuid(), sa.ForeignKey("centres.id")),
        sa.CheckConstraint("one", name="one"),
    )
    op.execute("INSERT INTO key_state DEFAULT VALUES")
    op.create_table(
        "key_rotations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id")),
        sa.Column("started_by", sa.Uuid(), nullable=False),
        sa.Column("started_at", AT, nullable=False),
        sa.Column("master_version", sa.Integer()),
        sa.Column("table_name", sa.Text()),
        sa.Column("after_id", sa.Uuid()),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("unread", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("finished_at", AT),
        sa.Column("retire_asked_at", AT),
        sa.Column("retire_tried_at", AT),
        sa.Column("retire_left", sa.Integer()),
        sa.Column("retired_at", AT),
    )
    op.create_index(
        "uq_key_rotations_open", "key_rotations", [sa.text("(finished_at IS NULL)")], unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )  # fmt: skip
    op.execute(FUNCTIONS)
    for name in NAMES:
        op.execute(f"REVOKE EXECUTE ON FUNCTION app.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{name} TO {APP_ROLES}")
    op.execute("GRANT EXECUTE ON FUNCTION app.keys_locked() TO helpline_relay")
    op.execute(ROWS)
    op.execute("GRANT USAGE ON SCHEMA app TO helpline_rotator")
    for table in _tables():
        rotate(table)
    # Rows of an old log on their way in: their keys are counted before a master key goes, and wait for their own rows.
    op.execute("GRANT SELECT (call_key, child_key, caller_key) ON call_import_rows TO helpline_rotator")
    op.execute(
        "CREATE POLICY call_import_rows_rotated ON call_import_rows FOR SELECT TO helpline_rotator"
        " USING ((SELECT app.actor() ->> 'r') = 'rotator')"
    )


def downgrade() -> None:
    op.execute("DROP POLICY call_import_rows_rotated ON call_import_rows")
    op.execute("REVOKE SELECT (call_key, child_key, caller_key) ON call_import_rows FROM helpline_rotator")
    for table in _tables():
        op.execute(f"DROP POLICY {table}_rotated ON {table}")
        op.execute(f"REVOKE SELECT (id, record_key), UPDATE (record_key) ON {table} FROM helpline_rotator")
    op.execute("REVOKE USAGE ON SCHEMA app FROM helpline_rotator")
    for name in NAMES:
        op.execute(f"DROP FUNCTION app.{name}")
    op.drop_table("key_rotations")
    op.drop_table("key_state")
