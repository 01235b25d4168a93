"""The chain of revisions: one line, up and down, and at its head the very tables, rules and privileges we mean."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, downgrade, upgrade
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import helpline.app  # noqa: F401  # every slice's models, through what wires them
from helpline.foundation.db import db
from helpline.settings import ROOT

WITHOUT_MODEL = {
    "alembic_version",  # alembic's own
    "heartbeats",  # two statements of the workers' and one function write and read it
    "tries",  # two functions write and read it
}
CATALOGUE = {
    "columns": """SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                         pg_get_expr(adbin, adrelid)
                  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                  WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
                    AND relname <> ALL (%(without)s)""",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
                      WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 't'
                        AND conrelid::regclass::text <> ALL (%(without)s)""",
    "indexes": """SELECT indexname, indexdef FROM pg_indexes
                  WHERE schemaname = 'public' AND tablename <> ALL (%(without)s)""",
}
RULES = {
    "policies": """SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies""",
    "privileges": """SELECT relname, relrowsecurity, relacl::text FROM pg_class
                     WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'app'))
                       AND relname NOT LIKE 'alembic_version%%'""",
    "functions": """SELECT proname, pg_get_functiondef(oid), proacl::text FROM pg_proc
                    WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'app'))""",
}


def listed(url: str, queries: dict[str, str]) -> dict[str, set]:
    with psycopg.connect(url) as connection:
        without = {"without": list(WITHOUT_MODEL)}
        return {what: set(connection.execute(query, without).fetchall()) for what, query in queries.items()}


@contextmanager
def migrating(url: str) -> Iterator[None]:
    """Alembic on this database, as its owner."""
    app = Flask("migrating")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        yield
        db.engine.dispose()


def by_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def test_the_revisions_are_one_line():
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    line = [script.revision for script in scripts.walk_revisions()][::-1]
    assert line == [f"{number:04}" for number in range(1, len(line) + 1)]
    assert all(scripts.get_revision(revision).path.split("/")[-1].startswith(revision) for revision in line)


def test_alembic_sees_no_difference_between_models_and_head(database_urls):
    engine = create_engine(by_driver(database_urls["owner"]), poolclass=NullPool)
    with engine.connect() as connection:
        opts = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _parents: kind != "table" or name not in WITHOUT_MODEL,
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, db.metadata) == []


@pytest.fixture(scope="module")
def from_models(make_database, worker_number) -> str:
    """A database made from the models alone."""
    url = make_database(f"helpline_models_{worker_number}", template="template0")["owner"]
    engine = create_engine(by_driver(url), poolclass=NullPool)
    db.metadata.create_all(engine)
    return url


@pytest.mark.parametrize("what", CATALOGUE)
def test_the_models_make_the_same_tables_as_the_revisions(database_urls, from_models, what):
    """Stricter than alembic, which compares neither checks nor conditions of indexes."""
    revised, modelled = (listed(url, {what: CATALOGUE[what]})[what] for url in (database_urls["owner"], from_models))
    assert modelled - revised == set(), "in the models, not in the revisions"
    assert revised - modelled == set(), "in the revisions, not in the models"


def test_up_from_nothing_down_to_nothing_and_up_again(make_database, worker_number, database_urls):
    url = make_database(f"helpline_updown_{worker_number}", template="template0")["owner"]
    everything = CATALOGUE | RULES
    empty = listed(url, everything)
    with migrating(url):
        upgrade()
        first = listed(url, everything)
        downgrade(revision="base")
        assert listed(url, everything) == empty
        upgrade()
    assert listed(url, everything) == first == listed(database_urls["owner"], everything)
