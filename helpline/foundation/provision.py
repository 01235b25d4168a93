"""The database and its logins, made by a superuser before the first migration; running it again changes nothing.

Each process connects as a plain role of its own: the owner migrates, the others meet row-level security. Roles are
named in migrations and policies, so their names are fixed; their passwords are whatever the addresses say.
"""

from typing import LiteralString
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from helpline.foundation.access.permissions import MACHINES
from helpline.foundation.access.rows import hmac_pads, machine_role
from helpline.foundation.crypto.keyring import ring
from helpline.settings import SettingsError

OWNER, WEB, WORKER, RELAY, SEARCH, BACKUP = (
    "helpline_owner",
    "helpline_web",
    "helpline_worker",
    "helpline_relay",
    "helpline_search",
    "helpline_backup",
)
_NARROW: LiteralString = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT"
PLAIN: LiteralString = "LOGIN " + _NARROW
SERVER_VERSION = 180000
ADVISORY_LOCK = 1280_0001  # two that prepare at once do it one after the other


def prepare_database(  # noqa: PLR0917  # one address for each login
    admin_url: str,
    owner_url: str,
    web_url: str,
    worker_url: str,
    relay_url: str,
    search_url: str,
    *,
    template: str = "template0",
) -> None:
    """Make the roles and the database that these addresses name, and set each role's password from its address.

    `admin_url` logs in as a superuser to any database of the server. `template` names a database to copy (the tests
    copy a migrated one). Raises SettingsError when an address names another role than its own or the existing
    database can't serve, psycopg.Error when the server refuses.
    """
    database = unquote(urlsplit(owner_url).path.removeprefix("/"))
    logins = {OWNER: owner_url, WEB: web_url, WORKER: worker_url, RELAY: relay_url, SEARCH: search_url}
    for role, url in logins.items():
        if urlsplit(url).username != role or unquote(urlsplit(url).path.removeprefix("/")) != database:
            raise SettingsError(f"The address of {role} must log in as {role} to the database {database!r}")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        if connection.info.server_version < SERVER_VERSION:
            raise SettingsError(
                f"PostgreSQL 18 or newer is needed; the server is {connection.info.server_version // 10000}"
            )
        for role, url in logins.items():
            _make_role(connection, role, PLAIN + " NOBYPASSRLS", unquote(urlsplit(url).password or ""))
        _make_role(connection, BACKUP, PLAIN + " BYPASSRLS", "")
        # Nobody logs in as these: the workers' login, with nothing of its own, steps down to one for each unit of work.
        for actor in MACHINES:
            _make_role(connection, machine_role(actor), "NOLOGIN NOBYPASSRLS " + _NARROW, "")
            connection.execute(
                sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(
                    sql.Identifier(machine_role(actor)), sql.Identifier(WORKER)
                )
            )
        _make_database(connection, database, template)


def _make_role(connection: psycopg.Connection, role: str, attributes: LiteralString, password: str) -> None:
    name = sql.Identifier(role)
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    connection.execute(sql.SQL("ALTER ROLE {} " + attributes).format(name))
    if password:  # hashed here, so that the server's log can't hold it
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier)))


def _make_database(connection: psycopg.Connection, database: str, template: str) -> None:
    name = sql.Identifier(database)
    locale = connection.execute(
        "SELECT datlocprovider, datlocale, datctype, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s",
        [database],
    ).fetchone()
    if locale is None:
        connection.execute(
            sql.SQL(
                "CREATE DATABASE {} OWNER {} TEMPLATE {} ENCODING 'UTF8' "
                "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"
            ).format(name, sql.Identifier(OWNER), sql.Identifier(template))
        )
    elif locale != ("b", "C.UTF-8", "C.UTF-8", "UTF8"):
        # with another LC_CTYPE pg_trgm finds no Khmer word, and says nothing about it
        raise SettingsError(
            f"The database {database!r} was made with another locale; searches in Khmer would silently find nothing. "
            "Make it anew with the builtin locale C.UTF-8, or name another database"
        )
    logins = sql.SQL(", ").join(sql.Identifier(role) for role in (WEB, WORKER, RELAY, SEARCH, BACKUP))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, logins))
    connection.execute(sql.SQL("ALTER DATABASE {} SET timezone TO 'UTC'").format(name))


def install_context_key(owner_url: str) -> None:
    """Give the database the pads with which its definer functions check who acts (`access/rows.py`)."""
    inner, outer = hmac_pads(ring().secret("context"))
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO app.context_key (inner_pad, outer_pad) VALUES (%s, %s) "
            "ON CONFLICT (one) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad",
            [inner, outer],
        )
