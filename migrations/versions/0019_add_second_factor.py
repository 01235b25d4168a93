"""Second factors and recovery codes; when a session's factor was presented; whether a password is a short one."""

import sqlalchemy as sa
from alembic import op

from migrations.tools import APP_ROLES, protect, rotate

revision = "0019"
down_revision = "0018"

AT = sa.DateTime(timezone=True)
OWN = "user_id = (SELECT app.actor_id())"

HAS_FACTOR = "EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)"
BEARER = "u.id, u.centre_id, u.role, u.name, u.locale, u.theme, c.timezone, ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id)"


def _bearers(session_more: str, token_more: str) -> str:
    return f"""
CREATE FUNCTION app.find_session(given bytea) RETURNS SETOF app.bearer LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT {BEARER}, s.id, s.created_at, s.seen_at, s.locked_at, NULL::text[], u.demo{session_more}
    FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN centres c ON c.id = u.centre_id
    WHERE s.token_hash = given AND s.ended_at IS NULL AND u.status = 'active' $$;

CREATE FUNCTION app.find_api_token(given bytea, at timestamptz) RETURNS SETOF app.bearer LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT {BEARER}, t.id, t.created_at, t.last_used_at, NULL::timestamptz, t.scopes, u.demo{token_more}
    FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN centres c ON c.id = u.centre_id
    WHERE t.token_hash = given AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > at)
      AND u.status = 'active' $$;
"""


def _credentials(returned: str, found: str) -> str:
    return f"""
CREATE FUNCTION app.find_credential(given text) RETURNS TABLE (
    user_id uuid, centre_id uuid, status text, password_hash text, version integer, demo boolean{returned})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.status, k.password_hash, coalesce(k.version, 0), u.demo{found}
    FROM users u LEFT JOIN credentials k ON k.user_id = u.id
    WHERE u.login = given OR u.email = given ORDER BY u.login = given DESC LIMIT 1 $$;

CREATE FUNCTION app.find_credential_of(given uuid) RETURNS TABLE (
    user_id uuid, centre_id uuid, status text, password_hash text, version integer, demo boolean,
    login text, email text, name text, centre text{returned})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.status, k.password_hash, coalesce(k.version, 0), u.demo,
           u.login, u.email, u.name, c.name{found}
    FROM users u JOIN centres c ON c.id = u.centre_id LEFT JOIN credentials k ON k.user_id = u.id
    WHERE u.id = given $$;
"""


def _set_credential(more: str, column: str, value: str, update: str) -> str:
    return f"""
CREATE FUNCTION app.set_credential(person uuid, known integer, hash text, at timestamptz{more}) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO credentials (user_id, password_hash, version, changed_at{column}) VALUES (person, hash, 1, at{value})
    ON CONFLICT (user_id) DO UPDATE SET password_hash = hash, version = credentials.version + 1, changed_at = at{update}
    WHERE credentials.version = known;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE users SET status = 'active' WHERE id = person AND status = 'invited';
    UPDATE user_sessions SET ended_at = at WHERE user_id = person AND ended_at IS NULL;
    RETURN true;
END $$;
"""


ALWAYS = (
    "find_credential_of(uuid)",
    "find_credential(text)",
    "find_api_token(bytea, timestamptz)",
    "find_session(bytea)",
)
BEFORE = (*ALWAYS, "set_credential(uuid, integer, text, timestamptz)")
AFTER = (*ALWAYS, "set_credential(uuid, integer, text, timestamptz, boolean)")


def _open_to_app(functions: tuple[str, ...]) -> None:
    for name in functions:
        op.execute(f"REVOKE EXECUTE ON FUNCTION app.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{name} TO {APP_ROLES}")


def upgrade() -> None:
    op.create_table(
        "factors",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary()),
        sa.Column("last_step", sa.BigInteger()),
        sa.Column("credential_id", sa.LargeBinary(), unique=True),
        sa.Column("public_key", sa.LargeBinary()),
        sa.Column("sign_count", sa.BigInteger()),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("confirmed_at", AT),
        sa.Column("last_used_at", AT),
        sa.CheckConstraint("kind IN ('authenticator', 'passkey')", name="kind"),
        sa.CheckConstraint(
            "CASE kind WHEN 'authenticator' THEN secret_sealed IS NOT NULL"
            " ELSE num_nonnulls(credential_id, public_key, sign_count) = 3 END",
            name="whole",
        ),
    )
    op.create_index("ix_factors_user_id", "factors", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("code_index", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("used_at", AT),
        sa.UniqueConstraint("user_id", "code_index"),
    )
    op.add_column("user_sessions", sa.Column("factor_at", AT))
    op.add_column("user_sessions", sa.Column("challenge", sa.LargeBinary()))
    op.add_column("user_sessions", sa.Column("challenge_at", AT))
    op.add_column("credentials", sa.Column("short", sa.Boolean(), nullable=False, server_default="false"))
    kept = "SELECT, INSERT, DELETE, UPDATE"
    protect("factors", OWN, web=f"{kept} (name, confirmed_at, last_step, last_used_at, sign_count)", worker="")
    protect("recovery_codes", OWN, web=f"{kept} (used_at)", worker="")
    rotate("factors")
    columns = "(factor_at, challenge, challenge_at)"
    op.execute(f"GRANT SELECT {columns}, UPDATE {columns} ON user_sessions TO helpline_web")
    for name in BEFORE:
        op.execute(f"DROP FUNCTION app.{name}")
    op.execute("ALTER TYPE app.bearer ADD ATTRIBUTE factor_at timestamptz, ADD ATTRIBUTE has_factor boolean")
    op.execute(
        _bearers(f", s.factor_at, s.factor_at IS NOT NULL OR {HAS_FACTOR}", f", NULL::timestamptz, {HAS_FACTOR}")
    )
    op.execute(_credentials(", short boolean, has_factor boolean", f", coalesce(k.short, false), {HAS_FACTOR}"))
    op.execute(_set_credential(", brief boolean", ", short", ", brief", ", short = brief"))
    _open_to_app(AFTER)


def downgrade() -> None:
    for name in AFTER:
        op.execute(f"DROP FUNCTION app.{name}")
    op.execute("ALTER TYPE app.bearer DROP ATTRIBUTE factor_at, DROP ATTRIBUTE has_factor")
    op.execute(_bearers("", ""))
    op.execute(_credentials("", ""))
    op.execute(_set_credential("", "", "", ""))
    _open_to_app(BEFORE)
    op.drop_column("credentials", "short")
    for column in ("factor_at", "challenge", "challenge_at"):
        op.drop_column("user_sessions", column)
    op.drop_table("recovery_codes")
    op.drop_table("factors")
