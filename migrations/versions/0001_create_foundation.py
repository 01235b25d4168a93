"""Signed row security, grants, audit, outbox and heartbeats."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0001"
down_revision = None

AT = sa.DateTime(timezone=True)

FUNCTIONS = """
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO helpline_web, helpline_worker, helpline_relay;

-- The prepared pads of HMAC-SHA256 (RFC 2104); readable only by the owner of the functions below.
CREATE TABLE app.context_key (one boolean PRIMARY KEY DEFAULT true CHECK (one), inner_pad bytea NOT NULL, outer_pad bytea NOT NULL);

-- The signed statement of who acts, or NULL when there is none, it was changed, or it is too old.
CREATE FUNCTION app.actor() RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$
DECLARE
    statement text := nullif(current_setting('app.context', true), '');
    pads app.context_key;
    actor jsonb;
BEGIN
    IF statement IS NULL THEN RETURN NULL; END IF;
    SELECT * INTO pads FROM app.context_key;
    IF pads.inner_pad IS NULL OR current_setting('app.signature', true) IS DISTINCT FROM encode(
        sha256(pads.outer_pad || sha256(pads.inner_pad || convert_to(statement, 'UTF8'))), 'hex')
    THEN RETURN NULL; END IF;
    actor := statement::jsonb;
    IF (actor ->> 'x')::bigint < extract(epoch FROM clock_timestamp()) THEN RETURN NULL; END IF;
    RETURN actor;
END $$;

CREATE FUNCTION app.actor_id() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$ SELECT (app.actor() ->> 'u')::uuid $$;

CREATE FUNCTION app.actor_centre() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$ SELECT (app.actor() ->> 'c')::uuid $$;

-- The actor where their reach for this kind is their own rows; else NULL.
CREATE FUNCTION app.self_of(kind text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$
    SELECT (a ->> 'u')::uuid FROM app.actor() a WHERE a -> 's' ->> kind = 'own' $$;

CREATE FUNCTION app.teams_of(kind text) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$
    SELECT coalesce((SELECT array_agg(t::uuid) FROM app.actor() a, jsonb_array_elements_text(a -> 't') t
                     WHERE a -> 's' ->> kind = 'team'), '{}') $$;

CREATE FUNCTION app.centres_of(kind text) RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app, public AS $$
DECLARE
    actor jsonb := app.actor();
BEGIN
    CASE actor -> 's' ->> kind
        WHEN 'centre' THEN RETURN ARRAY[(actor ->> 'c')::uuid];
        WHEN 'all' THEN RETURN coalesce((SELECT array_agg(id) FROM centres), '{}');
        ELSE RETURN '{}';
    END CASE;
END $$;
"""

GRANTED = """
CREATE FUNCTION app.granted(kind text) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app, public AS $$
    SELECT coalesce((
        SELECT array_agg(g.record_id) FROM app.actor() a JOIN grants g ON g.principal_id = (a ->> 'u')::uuid
        WHERE a -> 's' ? granted.kind AND g.kind = granted.kind AND g.effect = 'allow' AND g.ended_at IS NULL
          AND g.from_at <= to_timestamp((a ->> 'n')::double precision)
          AND (g.until_at IS NULL OR g.until_at > to_timestamp((a ->> 'n')::double precision))), '{}') $$;

CREATE FUNCTION app.denied(kind text) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app, public AS $$
    SELECT coalesce((
        SELECT array_agg(g.record_id) FROM app.actor() a JOIN grants g ON g.principal_id = (a ->> 'u')::uuid
        WHERE g.kind = denied.kind AND g.effect = 'deny' AND g.ended_at IS NULL
          AND (g.until_at IS NULL OR g.until_at > to_timestamp((a ->> 'n')::double precision))), '{}') $$;
"""

# Who answers now; read by /readyz before anybody has signed in.
HEARTBEATS = """
CREATE FUNCTION app.heartbeats() RETURNS TABLE (part text, seen_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$ SELECT part, seen_at FROM heartbeats $$;
GRANT SELECT, INSERT, UPDATE ON heartbeats TO helpline_worker, helpline_relay;
"""

WAKE = """
CREATE FUNCTION app.wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$;
CREATE TRIGGER outbox_events_wake AFTER INSERT ON outbox_events FOR EACH STATEMENT EXECUTE FUNCTION app.wake_relay();
GRANT INSERT ON outbox_events TO helpline_web, helpline_worker;
GRANT SELECT, UPDATE ON outbox_events TO helpline_relay;
GRANT SELECT, INSERT ON handled_events TO helpline_worker;
GRANT SELECT ON handled_events TO helpline_relay;
"""

PRIVILEGES = """
ALTER TABLE grants ENABLE ROW LEVEL SECURITY;
CREATE POLICY grants_rows ON grants TO helpline_web, helpline_worker
    USING (app.actor_id() IS NOT NULL) WITH CHECK (granted_by = (SELECT app.actor_id()));
CREATE POLICY grants_end ON grants FOR UPDATE TO helpline_web, helpline_worker
    USING ((SELECT app.actor_id()) IS NOT NULL) WITH CHECK (ended_at IS NOT NULL);
GRANT SELECT, INSERT, UPDATE (ended_at) ON grants TO helpline_web, helpline_worker;

ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_entries_write ON audit_entries FOR INSERT TO helpline_web, helpline_worker
    WITH CHECK (actor_id = (SELECT app.actor_id()));
CREATE POLICY audit_entries_read ON audit_entries FOR SELECT TO helpline_web, helpline_worker
    USING (centre_id = ANY ((SELECT app.centres_of('audit'))::uuid[]));
GRANT SELECT, INSERT ON audit_entries TO helpline_web, helpline_worker;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        sa.Column("from_at", AT, nullable=False),
        sa.Column("until_at", AT),
        sa.Column("ended_at", AT),
        sa.CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
        sa.CheckConstraint("reason IN ('assigned', 'shared', 'cover', 'closed_to', 'referral')", name="reason"),
    )
    op.create_index(
        "ix_grants_principal", "grants", ["principal_id", "kind"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_grants_source", "grants", ["source_id"])
    op.execute(GRANTED)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("at", AT, nullable=False),
        sa.Column("centre_id", sa.Uuid()),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("cause_id", sa.Uuid()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text()),
        sa.Column("subject_ids", pg.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("field_groups", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("details", pg.JSONB(), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'shown', 'refused')", name="outcome"),
    )
    op.create_index("ix_audit_entries_centre_id_at", "audit_entries", ["centre_id", "at", "id"])
    op.create_index("ix_audit_entries_actor_id_at", "audit_entries", ["actor_id", "at"])
    op.create_index("ix_audit_entries_subject_ids", "audit_entries", ["subject_ids"], postgresql_using="gin")
    op.create_table(
        "outbox_events",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payload", pg.JSONB(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("next_attempt_at", AT, nullable=False, server_default=sa.func.now()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("settled_at", AT),
    )
    op.create_index(
        "ix_outbox_events_open",
        "outbox_events",
        ["next_attempt_at", "id"],
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "handled_events",
        sa.Column("event_id", sa.Uuid(), primary_key=True),
        sa.Column("handler", sa.Text(), primary_key=True),
        sa.Column("handled_at", AT, nullable=False),
    )
    op.create_table(
        "heartbeats", sa.Column("part", sa.Text(), primary_key=True), sa.Column("seen_at", AT, nullable=False)
    )
    op.execute(HEARTBEATS)
    op.execute(WAKE)
    op.execute(PRIVILEGES)


def downgrade() -> None:
    for table in ("heartbeats", "handled_events", "outbox_events", "audit_entries", "grants"):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP SCHEMA app CASCADE")
