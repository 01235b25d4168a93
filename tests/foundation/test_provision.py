"""Roles and database as a superuser makes them, on a server that may have seen some of it before."""

import psycopg
import pytest
from psycopg import sql

from helpline.foundation.provision import prepare_database
from helpline.settings import SettingsError


@pytest.fixture(scope="module")
def urls(make_database):
    return make_database("provision_probe", template="template0")


def one(url, query, *parameters):
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters).fetchone()


def prepare(admin_url, urls):
    prepare_database(admin_url, urls["owner"], urls["web"], urls["worker"], urls["relay"], urls["search"])


def test_no_login_of_ours_is_more_than_plain(admin_url, urls):
    flags = (
        "SELECT bool_or(rolsuper), bool_or(rolcreatedb), bool_or(rolcreaterole), bool_or(rolreplication), "
        "bool_or(rolinherit) FROM pg_roles WHERE starts_with(rolname, 'helpline_')"
    )
    assert one(admin_url, flags) == (False,) * 5


def test_the_backup_alone_reads_past_row_security_and_cannot_log_in_by_default(admin_url, urls):
    with psycopg.connect(admin_url) as connection:
        rows = connection.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolbypassrls AND rolname LIKE 'helpline%'"
        ).fetchall()
    assert rows == [("helpline_backup", None)]


def test_passwords_are_kept_as_verifiers(admin_url, urls):
    with psycopg.connect(admin_url) as connection:
        kept = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname IN ('helpline_owner', 'helpline_web')"
        ).fetchall()
    assert all(password.startswith("SCRAM-SHA-256$") for (password,) in kept)


def test_khmer_words_have_trigrams(urls):
    with psycopg.connect(urls["owner"]) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        assert connection.execute("SELECT cardinality(show_trgm('សុខ')) > 0").fetchone() == (True,)


def test_plain_logins_can_make_nothing(urls):
    with psycopg.connect(urls["web"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE mine (id int)")


def test_a_stranger_cannot_enter(admin_url, urls):
    with psycopg.connect(admin_url) as connection:
        granted = connection.execute("SELECT has_database_privilege('public', 'provision_probe', 'CONNECT')").fetchone()
    assert granted == (False,)


def test_repeating_changes_nothing_and_loses_nothing(admin_url, urls):
    with psycopg.connect(urls["owner"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    prepare(admin_url, urls)
    assert one(urls["owner"], "SELECT one FROM kept") == (1,)


def test_an_address_that_logs_in_as_another_role_is_refused(admin_url, urls):
    with pytest.raises(SettingsError, match="helpline_web must log in as helpline_web"):
        prepare(admin_url, {**urls, "web": urls["owner"]})


def test_addresses_of_two_databases_are_refused(admin_url, urls):
    with pytest.raises(SettingsError, match="provision_probe"):
        prepare(admin_url, {**urls, "relay": urls["relay"].replace("provision_probe", "elsewhere")})


def test_a_database_in_which_khmer_cannot_be_searched_is_refused(admin_url, bed):
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS provision_wrong"))
        connection.execute("CREATE DATABASE provision_wrong TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'")
    with pytest.raises(SettingsError, match="searches in Khmer"):
        prepare(admin_url, bed.urls_of("provision_wrong"))


def test_the_backup_reads_every_table_and_changes_none(database_urls):
    query = (
        "SELECT bool_and(has_table_privilege('helpline_backup', c.oid, 'SELECT')), "
        "bool_or(has_table_privilege('helpline_backup', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) "
        "FROM pg_class c WHERE relkind IN ('r', 'p', 'S') AND relnamespace::regnamespace::text IN ('public', 'app')"
    )
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute("CREATE TABLE of_a_later_release (id int)")
        assert connection.execute(query).fetchone() == (True, False)
        connection.rollback()
