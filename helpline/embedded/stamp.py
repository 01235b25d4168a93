"""What `prepare` was last run with, kept in the database it prepared, so that a start with nothing new skips it."""

import hashlib
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from helpline.settings import ROOT


def fingerprint(keys_path: Path, *, demo: bool) -> str:
    """Changes with anything `prepare` reads: code, migrations, shipped data, keys, whether a demo is wanted."""
    told = hashlib.sha256(repr(demo).encode())
    if keys_path.exists():
        told.update(str(keys_path.stat().st_mtime_ns).encode())
    house = ROOT / "helpline"
    files = chain((ROOT / "migrations").rglob("*.py"), house.rglob("*.py"), house.glob("*/data/**/*"))
    for path in sorted(path for path in files if path.is_file()):
        told.update(path.name.encode())
        told.update(path.read_bytes())
    return told.hexdigest()


def is_prepared(owner_url: str, told: str) -> bool:
    """Whether the database at this address was prepared with just this."""
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    try:
        with psycopg.connect(owner_url) as connection:
            return connection.execute(query).fetchone() == (told,)
    except psycopg.OperationalError:  # not even there yet
        return False


def mark_prepared(owner_url: str, told: str) -> None:
    database = sql.Identifier(urlsplit(owner_url).path.removeprefix("/"))
    with psycopg.connect(owner_url) as connection:
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(told)))
