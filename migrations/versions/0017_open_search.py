"""A login for the process that knows names, the mark by which it follows changes, and searches as auditors count them."""

import sqlalchemy as sa
from alembic import op

from migrations.tools import protect

revision = "0017"
down_revision = "0016"

AT = sa.DateTime(timezone=True)
SEARCHER = "(SELECT app.actor() ->> 'r') = 'searcher'"
# What it reads of each table; nothing else.
READS = {
    "persons": "id, centre_id, record_key, name_sealed, age, gender, added_by, created_at, changed_in",
    "calls": "id, province_id, team_id, caller_person_id",
    "call_children": "call_id, person_id",
}

# The number of the transaction that last wrote the row. Whoever reads all from the oldest number still at work on misses
# nobody who commits late. The province of a call is told of its people too.
MARK = """
CREATE FUNCTION app.mark_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN NEW.changed_in := pg_current_xact_id()::text::bigint; RETURN NEW; END $$;
CREATE TRIGGER persons_marked BEFORE UPDATE ON persons FOR EACH ROW EXECUTE FUNCTION app.mark_change();

CREATE FUNCTION app.mark_people_of_call() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    UPDATE persons SET changed_in = 0 WHERE id = NEW.caller_person_id
        OR id IN (SELECT person_id FROM call_children WHERE call_id = NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER calls_mark_people AFTER UPDATE OF province_id ON calls FOR EACH ROW
    WHEN (OLD.province_id IS DISTINCT FROM NEW.province_id) EXECUTE FUNCTION app.mark_people_of_call();
"""

# The one thing said of rows out of sight: whether there is such a case in the actor's own centre, and only to those who
# open cases.
ELSEWHERE = """
CREATE FUNCTION app.case_elsewhere(people uuid[], number bytea, seen uuid[], but_not uuid) RETURNS boolean LANGUAGE sql
STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    WITH here AS (SELECT (a ->> 'c')::uuid AS centre_id FROM app.actor() a
                  WHERE a ->> 'r' IN ('operator', 'caseworker', 'team_supervisor', 'supervisor')),
    same_number AS (SELECT p.id FROM persons p, here WHERE p.phone_index = number AND p.centre_id = here.centre_id),
    concerned AS (
        SELECT c.id FROM cases c, here WHERE c.centre_id = here.centre_id AND c.call_id IS DISTINCT FROM but_not
            AND c.child_person_id IN (SELECT unnest(people) UNION ALL SELECT id FROM same_number)
        UNION ALL
        SELECT c.id FROM cases c JOIN calls k ON k.id = c.call_id JOIN same_number s ON s.id = k.caller_person_id
        WHERE c.call_id IS DISTINCT FROM but_not)
    -- To whom a case is closed, it is not there.
    SELECT EXISTS (SELECT 1 FROM concerned WHERE id <> ALL (seen) AND id <> ALL (app.denied('case'))) $$;
REVOKE EXECUTE ON FUNCTION app.case_elsewhere(uuid[], bytea, uuid[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.case_elsewhere(uuid[], bytea, uuid[], uuid) TO helpline_web;
"""


def upgrade() -> None:
    op.add_column("persons", sa.Column("changed_in", sa.BigInteger()))
    op.execute("ALTER TABLE persons ALTER changed_in SET DEFAULT pg_current_xact_id()::text::bigint")
    op.create_index("ix_persons_changed_in", "persons", ["changed_in"])
    op.execute(MARK)
    op.execute("GRANT USAGE ON SCHEMA app TO helpline_search")
    for table, columns in READS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO helpline_search")
        op.execute(f"CREATE POLICY {table}_search ON {table} FOR SELECT TO helpline_search USING ({SEARCHER})")
    op.execute("GRANT SELECT, INSERT, UPDATE ON heartbeats TO helpline_search")
    op.execute("GRANT EXECUTE ON FUNCTION app.keys_locked() TO helpline_search")
    op.create_table(
        "searches",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("began_at", AT, nullable=False),
        sa.Column("last_at", AT, nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('typed', 'duplicate')", name="kind"),
    )
    op.create_index("ix_searches_actor_id", "searches", ["actor_id", "kind", "began_at"])
    own = "actor_id = (SELECT app.actor_id()) AND centre_id = (SELECT app.actor_centre())"
    protect("searches", own, web="SELECT, INSERT, UPDATE (last_at, requests)", worker="")
    op.execute(
        "CREATE POLICY searches_counted ON searches FOR SELECT TO helpline_web"
        " USING (centre_id = ANY ((SELECT app.centres_of('audit'))::uuid[]))"
    )
    op.execute(ELSEWHERE)


def downgrade() -> None:
    op.execute("DROP FUNCTION app.case_elsewhere(uuid[], bytea, uuid[], uuid)")
    op.drop_table("searches")
    op.execute("REVOKE EXECUTE ON FUNCTION app.keys_locked() FROM helpline_search")
    op.execute("REVOKE ALL ON heartbeats FROM helpline_search")
    for table, columns in READS.items():
        op.execute(f"DROP POLICY {table}_search ON {table}")
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM helpline_search")
    op.execute("REVOKE USAGE ON SCHEMA app FROM helpline_search")
    op.execute("DROP TRIGGER calls_mark_people ON calls; DROP FUNCTION app.mark_people_of_call()")
    op.execute("DROP TRIGGER persons_marked ON persons; DROP FUNCTION app.mark_change()")
    op.drop_column("persons", "changed_in")
