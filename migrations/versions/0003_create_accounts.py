"""Centres, teams, users, credentials, sessions, API tokens; the look-ups before anybody is known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import APP_ROLES

revision = "0003"
down_revision = "0002"

AT = sa.DateTime(timezone=True)

# Who presents this session token or API token; one statement gives all that the door needs.
LOOK_UPS = """
CREATE TYPE app.bearer AS (
    user_id uuid, centre_id uuid, role text, name text, locale text, theme text, timezone text, team_ids uuid[],
    token_id uuid, started_at timestamptz, seen_at timestamptz, locked_at timestamptz, scopes text[], demo boolean);

CREATE FUNCTION app.find_session(given bytea) RETURNS SETOF app.bearer LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.role, u.name, u.locale, u.theme, c.timezone,
           ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id),
           s.id, s.created_at, s.seen_at, s.locked_at, NULL::text[], u.demo
    FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN centres c ON c.id = u.centre_id
    WHERE s.token_hash = given AND s.ended_at IS NULL AND u.status = 'active' $$;

CREATE FUNCTION app.find_api_token(given bytea, at timestamptz) RETURNS SETOF app.bearer LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.role, u.name, u.locale, u.theme, c.timezone,
           ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id),
           t.id, t.created_at, t.last_used_at, NULL::timestamptz, t.scopes, u.demo
    FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN centres c ON c.id = u.centre_id
    WHERE t.token_hash = given AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > at)
      AND u.status = 'active' $$;

-- What a sign-in is checked against; found by login or e-mail, lower case.
CREATE FUNCTION app.find_credential(given text) RETURNS TABLE (
    user_id uuid, centre_id uuid, status text, password_hash text, version integer, demo boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.status, k.password_hash, coalesce(k.version, 0), u.demo
    FROM users u LEFT JOIN credentials k ON k.user_id = u.id
    WHERE u.login = given OR u.email = given ORDER BY u.login = given DESC LIMIT 1 $$;

-- The same by id, for links (invitation, new password) and for unlocking.
CREATE FUNCTION app.find_credential_of(given uuid) RETURNS TABLE (
    user_id uuid, centre_id uuid, status text, password_hash text, version integer, demo boolean,
    login text, email text, name text, centre text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.status, k.password_hash, coalesce(k.version, 0), u.demo,
           u.login, u.email, u.name, c.name
    FROM users u JOIN centres c ON c.id = u.centre_id LEFT JOIN credentials k ON k.user_id = u.id
    WHERE u.id = given $$;

-- Sessions and passwords are written where nobody is signed in yet; the application may not read them back.
CREATE FUNCTION app.start_session(session uuid, person uuid, hash bytea, at timestamptz) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO user_sessions (id, user_id, token_hash, created_at, seen_at) VALUES (session, person, hash, at, at) $$;

-- Sets a password where `known` is still its version; ends every session. False if someone else was first.
CREATE FUNCTION app.set_credential(person uuid, known integer, hash text, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO credentials (user_id, password_hash, version, changed_at) VALUES (person, hash, 1, at)
    ON CONFLICT (user_id) DO UPDATE SET password_hash = hash, version = credentials.version + 1, changed_at = at
    WHERE credentials.version = known;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE users SET status = 'active' WHERE id = person AND status = 'invited';
    UPDATE user_sessions SET ended_at = at WHERE user_id = person AND ended_at IS NULL;
    RETURN true;
END $$;

-- Codes of centres are one another's neighbours in every list of cases: no two alike, whoever may see them.
CREATE FUNCTION app.code_taken(given text, own uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT 1 FROM centres WHERE code = given AND id IS DISTINCT FROM own) $$;

-- Marks of use, at most one a minute: written before the bearer has become the actor.
CREATE FUNCTION app.touch_session(session uuid, at timestamptz) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    UPDATE user_sessions SET seen_at = at WHERE id = session AND ended_at IS NULL AND seen_at < at $$;

CREATE FUNCTION app.touch_api_token(token uuid, at timestamptz) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$ UPDATE api_tokens SET last_used_at = at WHERE id = token $$;
"""

# Sessions and tokens are their owner's; an administrator may end them, of their centre's staff.
OWNED = """user_id = (SELECT app.actor_id()) OR ((SELECT app.actor() ->> 'r') IN ('admin', 'keeper')
           AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_id))"""

# A user's row is seen by their centre (names of colleagues), sessions and tokens by their owner and the centre's
# user editors; what an unknown visitor may write goes through the functions below.
ROWS = f"""
ALTER TABLE centres ENABLE ROW LEVEL SECURITY;
CREATE POLICY centres_rows ON centres TO {APP_ROLES}
    USING (id = (SELECT app.actor_centre()) OR id = ANY ((SELECT app.centres_of('user'))::uuid[]))
    WITH CHECK (id = ANY ((SELECT app.centres_of('user'))::uuid[]));
CREATE POLICY centres_create ON centres FOR INSERT TO helpline_worker
    WITH CHECK ((SELECT app.actor() ->> 'r') = 'keeper');
GRANT SELECT, UPDATE ON centres TO helpline_web, helpline_worker;
GRANT INSERT ON centres TO helpline_worker;

ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
CREATE POLICY teams_rows ON teams TO {APP_ROLES}
    USING (centre_id = ANY ((SELECT app.centres_of('user'))::uuid[]))
    WITH CHECK (centre_id = ANY ((SELECT app.centres_of('user'))::uuid[]));
GRANT SELECT, INSERT, UPDATE ON teams TO {APP_ROLES};

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY users_rows ON users TO {APP_ROLES}
    USING (id = (SELECT app.actor_id()) OR centre_id = ANY ((SELECT app.centres_of('user'))::uuid[]))
    WITH CHECK (id = (SELECT app.actor_id()) OR centre_id = ANY ((SELECT app.centres_of('user'))::uuid[]));
GRANT SELECT, INSERT, UPDATE ON users TO {APP_ROLES};

ALTER TABLE team_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY team_members_rows ON team_members TO {APP_ROLES}
    USING (EXISTS (SELECT 1 FROM users u WHERE u.id = user_id))
    WITH CHECK (EXISTS (SELECT 1 FROM users u WHERE u.id = user_id)
                AND EXISTS (SELECT 1 FROM teams t WHERE t.id = team_id));
GRANT SELECT, INSERT, DELETE ON team_members TO {APP_ROLES};

ALTER TABLE user_sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_sessions_rows ON user_sessions TO {APP_ROLES}
    USING ({OWNED});
GRANT SELECT (id, user_id, created_at, seen_at, locked_at, ended_at), UPDATE (seen_at, locked_at, ended_at)
    ON user_sessions TO helpline_web;

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY api_tokens_rows ON api_tokens TO {APP_ROLES}
    USING ({OWNED}) WITH CHECK (user_id = (SELECT app.actor_id()));
CREATE POLICY api_tokens_revoke ON api_tokens FOR UPDATE TO {APP_ROLES}
    USING ({OWNED}) WITH CHECK (revoked_at IS NOT NULL);
GRANT SELECT (id, user_id, name, scopes, created_at, last_used_at, revoked_at, expires_at), INSERT,
    UPDATE (last_used_at, revoked_at) ON api_tokens TO helpline_web;
"""


# name(arguments) of every function above; all but the relay may call them.
FUNCTIONS = (
    "touch_api_token(uuid, timestamptz)",
    "touch_session(uuid, timestamptz)",
    "code_taken(text, uuid)",
    "set_credential(uuid, integer, text, timestamptz)",
    "start_session(uuid, uuid, bytea, timestamptz)",
    "find_credential_of(uuid)",
    "find_credential(text)",
    "find_api_token(bytea, timestamptz)",
    "find_session(bytea)",
)


def upgrade() -> None:
    op.create_table(
        "centres",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False, unique=True),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("languages", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False, server_default=""),
        sa.Column("risk_clocks", pg.JSONB()),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("places", pg.ARRAY(sa.Uuid()), nullable=False, server_default="{}"),
        sa.Column("active", sa.Boolean(), nullable=False, server_default="true"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.UniqueConstraint("centre_id", "name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False, unique=True),
        sa.Column("email", sa.Text(), nullable=False, unique=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False, server_default=""),
        sa.Column("demo", sa.Boolean(), nullable=False, server_default="false"),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("deactivated_at", AT),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint("login = lower(login) AND email = lower(email)", name="lower"),
        sa.CheckConstraint("status IN ('invited', 'active', 'deactivated')", name="status"),
        sa.CheckConstraint(
            "role IN ('operator', 'caseworker', 'team_supervisor', 'supervisor', 'admin', 'auditor')", name="role"
        ),
        sa.CheckConstraint("theme IN ('', 'light', 'dark')", name="theme"),
    )
    op.create_index("ix_users_centre_id_role", "users", ["centre_id", "role"])
    op.create_table(
        "team_members",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id"), primary_key=True),
    )
    op.create_index("ix_team_members_team_id", "team_members", ["team_id"])
    op.create_table(
        "credentials",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", AT, nullable=False),
    )
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("seen_at", AT, nullable=False),
        sa.Column("locked_at", AT),
        sa.Column("ended_at", AT),
    )
    op.create_index(
        "ix_user_sessions_user_id", "user_sessions", ["user_id"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scopes", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("last_used_at", AT),
        sa.Column("expires_at", AT),
        sa.Column("revoked_at", AT),
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"])
    op.execute(LOOK_UPS)
    for name in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION app.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{name} TO {APP_ROLES}")
    op.execute(ROWS)


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION app.{name}")
    op.execute("DROP TYPE app.bearer")
    for table in ("api_tokens", "user_sessions", "credentials", "team_members", "users", "teams", "centres"):
        op.drop_table(table)
