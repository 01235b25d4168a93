"""What revisions share: frozen text of row rules and grants. Never changed once a release has run it; copied instead."""

import sqlalchemy as sa
from alembic import op

APP_ROLES = "helpline_web, helpline_worker"


def visible(
    kind: str,
    *,
    record: str = "id",
    centre: str | None = "centre_id",
    team: str | None = None,
    owner: str | None = None,
) -> str:
    """Row rule of a table of records (`foundation/access/rows.py`, as it was when the revision was written)."""
    ways = [f"{record} = ANY ((SELECT app.granted('{kind}'))::uuid[])"]
    if centre:
        ways.append(f"{centre} = ANY ((SELECT app.centres_of('{kind}'))::uuid[])")
    if team:
        ways.append(f"{team} = ANY ((SELECT app.teams_of('{kind}'))::uuid[])")
    if owner:
        ways.append(f"{owner} = (SELECT app.self_of('{kind}'))")
    return f"({' OR '.join(ways)}) AND {record} <> ALL ((SELECT app.denied('{kind}'))::uuid[])"


def part_of(parent: str, kind: str, column: str) -> str:
    """Row rule of a table whose rows belong to a record of another table, and are seen by whoever sees that."""
    return (
        f"(centre_id = ANY ((SELECT app.centres_of('{kind}'))::uuid[])"
        f" OR EXISTS (SELECT 1 FROM {parent} parent WHERE parent.id = {column}))"
        f" AND {column} <> ALL ((SELECT app.denied('{kind}'))::uuid[])"
    )


def protect(
    table: str, rule: str, *, web: str = "SELECT, INSERT, UPDATE", worker: str = "SELECT, INSERT, UPDATE"
) -> None:
    """Row security on, one policy for every command, and the privileges of the two application roles."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_rows ON {table} TO {APP_ROLES} USING ({rule}) WITH CHECK ({rule})")
    allow(table, web=web, worker=worker)


def allow(table: str, *, web: str = "SELECT", worker: str = "SELECT") -> None:
    """Privileges only, for tables of shared reference data."""
    if web:
        op.execute(f"GRANT {web} ON {table} TO helpline_web")
    if worker:
        op.execute(f"GRANT {worker} ON {table} TO helpline_worker")


def rotate(table: str) -> None:
    """Let a rotation of the master key wrap this table's `record_key` anew, and see nothing else of it."""
    rule = "(SELECT app.actor() ->> 'r') = 'rotator'"
    op.execute(f"CREATE POLICY {table}_rotated ON {table} TO helpline_rotator USING ({rule}) WITH CHECK ({rule})")
    op.execute(f"GRANT SELECT (id, record_key), UPDATE (record_key) ON {table} TO helpline_rotator")


# From here on the workers' login has nothing of its own. Rows for people: `shield`; rows for a system actor: `serve`.


def shield(table: str, rule: str, *, web: str = "SELECT, INSERT, UPDATE") -> None:
    """Row security on, one policy for every command of the web login, and its privileges."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_rows ON {table} TO helpline_web USING ({rule}) WITH CHECK ({rule})")
    op.execute(f"GRANT {web} ON {table} TO helpline_web")


def serve(table: str, actor: str, privileges: str, *, seen: str = "true", written: str = "true") -> None:
    """Give the role of a system actor these privileges on a table, and its rows while that actor is signed.

    `seen`, `written`: of which rows it is true besides. `SELECT (*)` names every column that is neither sealed nor a key.
    """
    role, acts = f"helpline_{actor}", f"(SELECT app.actor() ->> 'r') = '{actor}'"
    op.execute(f"GRANT {privileges.replace('(*)', f'({open_columns(table)})')} ON {table} TO {role}")
    if op.get_bind().scalar(
        sa.text("SELECT relrowsecurity FROM pg_class WHERE oid = CAST(:t AS regclass)"), {"t": table}
    ):
        rules = (acts if also == "true" else f"{acts} AND ({also})" for also in (seen, written))
        op.execute(
            "CREATE POLICY {0}_by_{1} ON {0} TO {2} USING ({3}) WITH CHECK ({4})".format(table, actor, role, *rules)
        )


def open_columns(table: str) -> str:
    """The columns of a table that are neither sealed nor wrapped keys."""
    named = "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = CAST(:t AS regclass) AND attnum > 0 AND NOT attisdropped AND attname <> 'record_key' AND attname NOT LIKE '%\\_sealed'"
    return str(op.get_bind().scalar(sa.text(named), {"t": table}))
