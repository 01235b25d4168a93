"""Roles of a centre's own, which take away of a built-in one; who bears one, and what the rows make of it.

The look-up of a session or token brings what is taken away, and the application signs what is left. A narrowed reach
needs one word more than the rules of rows had: own records, of those of one's teams. What an act of the database's own
allowed by role, it refuses to whoever lost it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import shield, visible

revision = "0026"
down_revision = "0025"

AT = sa.DateTime(timezone=True)
ME = "(SELECT app.actor_id())"
ROLE = "(SELECT app.actor() ->> 'r')"
ADMINISTERS = f"{ROLE} IN ('admin', 'keeper')"
ROLES = "centre_id = (SELECT app.actor_centre()) OR centre_id = ANY ((SELECT app.centres_of('user'))::uuid[])"
OWN_CENTRE = "(centre_id = (SELECT app.actor_centre()) OR centre_id = ANY ((SELECT app.centres_of('call'))::uuid[]))"

FUNCTIONS = """
-- The actor's teams, where their reach for this kind is their own records of those of their teams.
CREATE FUNCTION app.own_teams_of(kind text) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$
    SELECT coalesce((SELECT array_agg(t::uuid) FROM app.actor() a, jsonb_array_elements_text(a -> 't') t
                     WHERE a -> 's' ->> kind = 'own_of_team'), '{}') $$;
GRANT EXECUTE ON FUNCTION app.own_teams_of(text) TO helpline_web;

-- Whether the actor's role was not narrowed by this permission.
CREATE FUNCTION app.kept(permission text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, app AS $$ SELECT NOT coalesce(app.actor() -> 'd' ? permission, false) $$;
REVOKE EXECUTE ON FUNCTION app.kept(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.kept(text) TO helpline_web;

-- Whoever gives a role waits for whoever puts it aside, and the other way round.
CREATE FUNCTION app.role_retired(wanted uuid) RETURNS boolean LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT retired_at IS NOT NULL FROM centre_roles WHERE id = wanted FOR SHARE $$;
REVOKE EXECUTE ON FUNCTION app.role_retired(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.role_retired(uuid) TO helpline_web;

-- Who bears which role is said by who administers staff, never by oneself; none that was put aside is given.
CREATE FUNCTION app.refuse_role() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT (pg_has_role(current_user, 'helpline_owner', 'MEMBER') OR coalesce(app.actor() ->> 'r' IN ('admin', 'keeper'), false))
    THEN RAISE EXCEPTION 'a role is given by who administers staff' USING ERRCODE = 'insufficient_privilege'; END IF;
    IF app.role_retired(NEW.centre_role_id)
    THEN RAISE EXCEPTION 'this role was put aside' USING ERRCODE = 'check_violation'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER users_role_given BEFORE UPDATE OF centre_role_id ON users FOR EACH ROW
    WHEN (OLD.centre_role_id IS DISTINCT FROM NEW.centre_role_id) EXECUTE FUNCTION app.refuse_role();
CREATE TRIGGER users_role_begun BEFORE INSERT ON users FOR EACH ROW
    WHEN (NEW.centre_role_id IS NOT NULL) EXECUTE FUNCTION app.refuse_role();

-- What two people gave is whole: whoever becomes an administrator bears no narrower role any more.
CREATE FUNCTION app.leave_role() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN NEW.centre_role_id := NULL; RETURN NEW; END $$;
CREATE TRIGGER users_role_left BEFORE UPDATE OF role ON users FOR EACH ROW
    WHEN (NEW.role = 'admin' AND OLD.role <> 'admin') EXECUTE FUNCTION app.leave_role();

-- A role that somebody bears is not put aside; they would have none.
CREATE FUNCTION app.role_borne(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT 1 FROM users WHERE centre_role_id = wanted AND status <> 'deactivated') $$;
REVOKE EXECUTE ON FUNCTION app.role_borne(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.role_borne(uuid) TO helpline_web;
CREATE FUNCTION app.refuse_retiring() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, app AS $$
BEGIN
    IF NOT app.role_borne(NEW.id) THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'somebody bears this role' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER centre_roles_free BEFORE UPDATE OF retired_at ON centre_roles FOR EACH ROW
    WHEN (NEW.retired_at IS NOT NULL) EXECUTE FUNCTION app.refuse_retiring();
CREATE TRIGGER centre_roles_fixed BEFORE UPDATE OF id, centre_id, base ON centre_roles FOR EACH ROW
    WHEN (OLD.id <> NEW.id OR OLD.centre_id <> NEW.centre_id OR OLD.base <> NEW.base)
    EXECUTE FUNCTION app.refuse_move();

CREATE FUNCTION app.refuse_glass() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF app.kept('glass:break') THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'this role takes no emergency access' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER glass_overrides_kept BEFORE INSERT ON glass_overrides FOR EACH ROW
    EXECUTE FUNCTION app.refuse_glass();
"""
HAS_FACTOR = "EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)"
BEARER = "u.id, u.centre_id, u.role, u.name, u.locale, u.theme, c.timezone, ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id)"
OVERRIDE = "o.override_id, o.override_case_id, o.override_code, o.override_until"
# A role that is named and not there takes everything.
OWN_ROLE = """, CASE WHEN u.centre_role_id IS NOT NULL THEN
        coalesce(jsonb_build_object('scopes', r.scopes, 'fields', r.fields)::text, '') END, r.names"""
ATTRIBUTES = ("own_role text", "own_role_names jsonb")


def _bearers(own: str, joined: str) -> str:
    joins = f"LEFT JOIN LATERAL app.override_of(u.id, at) o ON true{joined}"
    return f"""
CREATE FUNCTION app.find_session(given bytea, at timestamptz) RETURNS SETOF app.bearer LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT {BEARER}, s.id, s.created_at, s.seen_at, s.locked_at, NULL::text[], u.demo,
           s.factor_at, s.factor_at IS NOT NULL OR {HAS_FACTOR}, {OVERRIDE}{own}
    FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN centres c ON c.id = u.centre_id {joins}
    WHERE s.token_hash = given AND s.ended_at IS NULL AND u.status = 'active' $$;

CREATE FUNCTION app.find_api_token(given bytea, at timestamptz) RETURNS SETOF app.bearer LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT {BEARER}, t.id, t.created_at, t.last_used_at, NULL::timestamptz, t.scopes, u.demo,
           NULL::timestamptz, {HAS_FACTOR}, {OVERRIDE}{own}
    FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN centres c ON c.id = u.centre_id {joins}
    WHERE t.token_hash = given AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > at)
      AND u.status = 'active' $$;
"""


def _bear(change: str, own: str, joined: str) -> None:
    names = ("find_session(bytea, timestamptz)", "find_api_token(bytea, timestamptz)")
    for name in names:
        op.execute(f"DROP FUNCTION app.{name}")
    op.execute(f"ALTER TYPE app.bearer {change}")
    op.execute(_bearers(own, joined))
    for name in names:
        op.execute(f"REVOKE EXECUTE ON FUNCTION app.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{name} TO helpline_web")


def _records(kind: str, owner: str, *, narrowed: bool) -> str:
    rule, own = visible(kind, team="team_id", owner=owner), f"{owner} = (SELECT app.self_of('{kind}'))"
    of_team = f" OR team_id = ANY ((SELECT app.own_teams_of('{kind}'))::uuid[]) AND {owner} = {ME}"
    return rule.replace(own, own + of_team) if narrowed else rule


def _see_records(*, narrowed: bool) -> None:
    calls, cases = (_records(*each, narrowed=narrowed) for each in (("call", "operator_id"), ("case", "opened_by")))
    op.execute(f"ALTER POLICY calls_rows ON calls USING ({calls}) WITH CHECK (({calls}) AND {OWN_CENTRE})")
    op.execute(f"ALTER POLICY cases_rows ON cases USING ({cases}) WITH CHECK ({cases})")


def _kept(permission: str) -> str:
    return f"(SELECT app.kept('{permission}'))"


# System actors who read staff, column by column.
READERS = ", ".join(
    f"helpline_{actor}" for actor in ("router", "reminder", "messenger", "importer", "notary", "watcher", "keeper")
)
# What rules of before left to a role: the new row is whole only by an act that this actor's role has kept.
ACTS = {
    ("agencies", "INSERT"): _kept("agency:edit"),
    ("agencies", "UPDATE"): _kept("agency:edit"),
    ("agency_services", "INSERT"): _kept("agency:edit"),
    ("agency_services", "UPDATE"): _kept("agency:edit"),
    ("agency_services", "DELETE"): _kept("agency:edit"),
    ("agency_coverage", "INSERT"): _kept("agency:edit"),
    ("agency_coverage", "DELETE"): _kept("agency:edit"),
    ("approvals", "INSERT"): _kept("approval:ask"),
    ("approvals", "UPDATE"): f"subject_id = {ME} OR {_kept('approval:decide')}",
    ("glass_overrides", "UPDATE"): f"reviewed_by IS NULL OR {_kept('glass:review')}",
    ("reading_alerts", "UPDATE"): _kept("alert:settle"),
}


def upgrade() -> None:
    op.create_table(
        "centre_roles",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("names", pg.JSONB(), nullable=False),
        sa.Column("scopes", pg.JSONB(), nullable=False),
        sa.Column("fields", pg.JSONB(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("retired_at", AT),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint(
            "base IN ('operator', 'caseworker', 'team_supervisor', 'supervisor', 'auditor')", name="base"
        ),
        sa.CheckConstraint(
            "jsonb_typeof(names) = 'object' AND jsonb_typeof(scopes) = 'object' AND jsonb_typeof(fields) = 'object'",
            name="objects",
        ),
        sa.UniqueConstraint("id", "centre_id", "base"),
    )
    op.create_index("ix_centre_roles_centre_id", "centre_roles", ["centre_id"])
    op.add_column("users", sa.Column("centre_role_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_users_centre_role_id", "users", "centre_roles", ["centre_role_id", "centre_id", "role"],
        ["id", "centre_id", "base"],
    )  # fmt: skip
    op.create_index(
        "ix_users_centre_role_id", "users", ["centre_role_id"], postgresql_where=sa.text("centre_role_id IS NOT NULL")
    )
    op.execute(FUNCTIONS)
    shield("centre_roles", ROLES, web="SELECT, INSERT, UPDATE (names, scopes, fields, retired_at, version)")
    op.execute(f"GRANT SELECT (centre_role_id) ON users TO {READERS}")
    for command, using in (("INSERT", ""), ("UPDATE", " USING (true)")):
        op.execute(
            f"CREATE POLICY centre_roles_{command.lower()}_narrowed ON centre_roles AS RESTRICTIVE FOR {command}"
            f" TO helpline_web{using} WITH CHECK ({ADMINISTERS} AND centre_id = (SELECT app.actor_centre()))"
        )
    for (table, command), rule in ACTS.items():
        half = {"INSERT": f"WITH CHECK ({rule})", "DELETE": f"USING ({rule})"}
        op.execute(
            f"CREATE POLICY {table}_{command.lower()}_kept_narrowed ON {table} AS RESTRICTIVE FOR {command}"
            f" TO helpline_web {half.get(command, f'USING (true) WITH CHECK ({rule})')}"
        )
    _see_records(narrowed=True)
    _bear(
        ", ".join(f"ADD ATTRIBUTE {each}" for each in ATTRIBUTES), OWN_ROLE,
        " LEFT JOIN centre_roles r ON r.id = u.centre_role_id",
    )  # fmt: skip


def downgrade() -> None:
    _bear(", ".join(f"DROP ATTRIBUTE {each.split()[0]}" for each in ATTRIBUTES), "", "")
    _see_records(narrowed=False)
    for table, command in ACTS:
        op.execute(f"DROP POLICY {table}_{command.lower()}_kept_narrowed ON {table}")
    op.execute("DROP TRIGGER glass_overrides_kept ON glass_overrides")
    for trigger in ("users_role_given", "users_role_begun", "users_role_left"):
        op.execute(f"DROP TRIGGER {trigger} ON users")
    op.drop_constraint("fk_users_centre_role_id", "users")
    op.drop_column("users", "centre_role_id")
    op.drop_table("centre_roles")
    for name in ("refuse_glass()", "refuse_retiring()", "role_borne(uuid)", "leave_role()", "refuse_role()", "role_retired(uuid)",
                 "kept(text)", "own_teams_of(text)"):  # fmt: skip
        op.execute(f"DROP FUNCTION app.{name}")
