"""The audit's hash tree: entries that wait for a place, leaves, signed checkpoints, who follows; and alerts.

A trigger notes each new entry as pending, in the same transaction: whatever commits late is still there to be taken.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES, rotate, visible

revision = "0016"
down_revision = "0015"

AT = sa.DateTime(timezone=True)
ROLE = "(SELECT app.actor() ->> 'r')"
NOTARY, WATCHER = f"{ROLE} = 'notary'", f"{ROLE} = 'watcher'"
READS_AUDIT = "(SELECT app.actor() -> 's' ? 'audit')"
ALERTS = f"({visible('alert')}) AND user_id IS DISTINCT FROM (SELECT app.actor_id())"
# What is refused at the door, and what the service does for all, belongs to no centre: every centre's auditors see it.
OF_NO_CENTRE = f"centre_id IS NULL AND {READS_AUDIT}"

PENDING = """
CREATE FUNCTION app.note_pending() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO audit_pending (entry_id) SELECT id FROM added;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION app.note_pending() FROM PUBLIC;
CREATE TRIGGER audit_entries_pending AFTER INSERT ON audit_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION app.note_pending();
INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries;
"""
# Row security keeps an array's index out of use: what entries speak of is found by functions that look at the centre.
ABOUT = f"""
CREATE FUNCTION app.audit_about(wanted uuid[]) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT id FROM audit_entries
    WHERE subject_ids && wanted AND centre_id = ANY ((SELECT app.centres_of('audit'))::uuid[]) $$;

-- The ids of everything about the child whom this record is about: no word of what stands in them.
CREATE FUNCTION app.records_about(wanted uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    WITH reach AS MATERIALIZED (SELECT app.centres_of('audit') AS centres),
    held AS (
        SELECT child_person_id AS person_id FROM cases WHERE id = wanted
        UNION SELECT person_id FROM call_children WHERE call_id = wanted
        UNION SELECT id FROM persons WHERE id = wanted
        UNION SELECT child_person_id FROM cases JOIN referrals r ON r.case_id = cases.id WHERE r.id = wanted
        UNION SELECT child_person_id FROM cases JOIN followups f ON f.case_id = cases.id WHERE f.id = wanted
        UNION SELECT child_person_id FROM cases JOIN case_notes n ON n.case_id = cases.id WHERE n.id = wanted
    ),
    child AS (
        SELECT p.id FROM persons p JOIN held ON held.person_id = p.id, reach WHERE p.centre_id = ANY (reach.centres)
    ),
    case_ids AS (SELECT cases.id FROM cases JOIN child ON child.id = cases.child_person_id)
    SELECT id FROM child
    UNION SELECT id FROM case_ids
    UNION SELECT call_id FROM call_children JOIN child ON child.id = person_id
    UNION SELECT calls.id FROM calls JOIN child ON child.id = caller_person_id
    UNION SELECT r.id FROM referrals r JOIN case_ids ON case_ids.id = r.case_id
    UNION SELECT f.id FROM followups f JOIN case_ids ON case_ids.id = f.case_id
    UNION SELECT n.id FROM case_notes n JOIN case_ids ON case_ids.id = n.case_id $$;

REVOKE EXECUTE ON FUNCTION app.audit_about(uuid[]), app.records_about(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.audit_about(uuid[]), app.records_about(uuid) TO {APP_ROLES};
"""
ROWS = f"""
ALTER TABLE audit_pending ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_pending_rows ON audit_pending TO helpline_worker USING ({NOTARY});
GRANT SELECT, DELETE ON audit_pending TO helpline_worker;

ALTER TABLE audit_leaves ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_leaves_read ON audit_leaves FOR SELECT TO helpline_worker USING ({NOTARY} OR {WATCHER});
CREATE POLICY audit_leaves_write ON audit_leaves FOR INSERT TO helpline_worker WITH CHECK ({NOTARY});
GRANT SELECT, INSERT ON audit_leaves TO helpline_worker;

ALTER TABLE audit_checkpoints ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_checkpoints_read ON audit_checkpoints FOR SELECT TO {APP_ROLES} USING ({NOTARY} OR {READS_AUDIT});
CREATE POLICY audit_checkpoints_write ON audit_checkpoints FOR INSERT TO helpline_worker WITH CHECK ({NOTARY});
GRANT SELECT ON audit_checkpoints TO helpline_web;
GRANT SELECT, INSERT ON audit_checkpoints TO helpline_worker;

ALTER TABLE audit_followers ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_followers_read ON audit_followers FOR SELECT TO {APP_ROLES} USING ({READS_AUDIT});
CREATE POLICY audit_followers_move ON audit_followers TO helpline_worker USING ({NOTARY} OR {WATCHER});
GRANT SELECT ON audit_followers TO helpline_web;
GRANT SELECT, INSERT, UPDATE ON audit_followers TO helpline_worker;

CREATE POLICY audit_entries_seal ON audit_entries FOR SELECT TO helpline_worker USING ({NOTARY});
CREATE POLICY audit_entries_house ON audit_entries FOR SELECT TO {APP_ROLES} USING ({OF_NO_CENTRE});

ALTER TABLE reading_alerts ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading_alerts_rows ON reading_alerts TO {APP_ROLES} USING ({ALERTS}) WITH CHECK ({ALERTS});
GRANT SELECT ON reading_alerts TO helpline_web;
GRANT UPDATE (settled_at, settled_by, note_sealed) ON reading_alerts TO helpline_web;
GRANT SELECT, INSERT ON reading_alerts TO helpline_worker;
"""


def upgrade() -> None:
    op.create_table("audit_pending", sa.Column("entry_id", sa.Uuid(), primary_key=True))
    op.create_table(
        "audit_leaves",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False, unique=True),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("peaks", pg.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("proof", pg.ARRAY(sa.LargeBinary()), nullable=False),
    )
    op.create_table(
        "audit_followers",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", AT),
        sa.Column("due_at", AT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("error_code", sa.Text()),
    )
    op.create_table(
        "reading_alerts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_at", AT, nullable=False),
        sa.Column("until_at", AT, nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("raised_at", AT, nullable=False),
        sa.Column("settled_at", AT),
        sa.Column("settled_by", sa.Uuid()),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('many_in_hour', 'many_in_day', 'at_night', 'denied')", name="kind"),
        sa.UniqueConstraint("user_id", "kind", "from_at"),
    )
    op.create_index(
        "ix_reading_alerts_open", "reading_alerts", ["centre_id"], postgresql_where=sa.text("settled_at IS NULL")
    )
    op.create_index("ix_reading_alerts_centre_id", "reading_alerts", ["centre_id", "raised_at", "id"])
    op.execute(PENDING)
    op.execute(ABOUT)
    op.execute(ROWS)
    rotate("reading_alerts")


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_entries_pending ON audit_entries; DROP FUNCTION app.note_pending()")
    op.execute("DROP FUNCTION app.audit_about(uuid[]); DROP FUNCTION app.records_about(uuid)")
    for policy in ("seal", "house"):
        op.execute(f"DROP POLICY audit_entries_{policy} ON audit_entries")
    for table in ("reading_alerts", "audit_followers", "audit_checkpoints", "audit_leaves", "audit_pending"):
        op.drop_table(table)
