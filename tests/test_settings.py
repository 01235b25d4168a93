"""The environment as the service reads it: typed, explained, and refused in one sentence."""

from pathlib import Path

import pytest

from helpline.accounts.schemas import STAFF_ROLES as KNOWN_ROLES
from helpline.settings import EMBEDDED_ADDRESSES, STAFF_ROLES, Settings, SettingsError, load_settings


def test_nothing_given_means_the_defaults(tmp_path):
    settings = load_settings({"HELPLINE_VAR": str(tmp_path)})
    assert settings == Settings(
        embedded_path=tmp_path, keys_path=tmp_path / "keys.json", search_socket_path=tmp_path / "search.sock"
    )


def test_texts_become_types(tmp_path):
    settings = load_settings(
        {"HELPLINE_VAR": str(tmp_path), "PORT": "81", "SECURE_COOKIES": "yes", "SMTP_HOST": "mail"}
    )
    assert (settings.port, settings.secure_cookies, settings.smtp_host) == (81, True, "mail")


@pytest.mark.parametrize(("name", "value", "said"), [
    ("PORT", "http", "PORT must be a whole number, not 'http'"),
    ("SECURE_COOKIES", "maybe", "SECURE_COOKIES must be true or false, not 'maybe'"),
    ("HELPLINE_ENV", "prod", "HELPLINE_ENV must be one of development, test, production, not 'prod'"),
])  # fmt: skip
def test_what_does_not_fit_is_said_with_its_name(name, value, said):
    with pytest.raises(SettingsError) as refused:
        load_settings({name: value})
    assert str(refused.value) == said


def test_an_empty_variable_counts_as_not_given(tmp_path):
    assert load_settings({"HELPLINE_VAR": str(tmp_path), "PORT": "", "DATABASE_URL": ""}).port == Settings.port


def test_an_address_may_stand_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("postgresql://helpline_web:x@db/helpline\n")
    settings = load_settings({"DATABASE_URL_FILE": str(tmp_path / "secret")})
    assert settings.database_url == "postgresql://helpline_web:x@db/helpline"


def test_an_address_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"DATABASE_URL_FILE names .*missing, which can't be read"):
        load_settings({"DATABASE_URL_FILE": str(tmp_path / "missing")})


def test_only_addresses_of_servers_are_read_from_files(tmp_path):
    (tmp_path / "public").write_text("https://elsewhere")
    found = load_settings({"HELPLINE_VAR": str(tmp_path), "HELPLINE_PUBLIC_URL_FILE": str(tmp_path / "public")})
    assert found.public_url == Settings.public_url


def test_addresses_of_ones_own_win_over_running_embedded_servers(tmp_path):
    (tmp_path / EMBEDDED_ADDRESSES).write_text('{"DATABASE_URL": "embedded", "REDIS_URL": "embedded"}')
    assert load_settings({"HELPLINE_VAR": str(tmp_path)}).database_url == "embedded"
    ours = load_settings({"HELPLINE_VAR": str(tmp_path), "DATABASE_URL": "ours", "REDIS_URL": "ours"})
    assert (ours.database_url, ours.redis_url, ours.embedded) == ("ours", "ours", False)


def test_a_broken_address_file_is_named(tmp_path):
    (tmp_path / EMBEDDED_ADDRESSES).write_text("{half")
    with pytest.raises(SettingsError, match="start make run again"):
        load_settings({"HELPLINE_VAR": str(tmp_path)})


def test_a_key_file_of_ones_own_is_kept():
    assert load_settings({"HELPLINE_KEYS_FILE": "/run/secrets/keys"}).keys_path == Path("/run/secrets/keys")


def test_the_roles_of_the_settings_are_those_of_the_matrix():
    assert set(STAFF_ROLES) == {role.value for role in KNOWN_ROLES}


def test_who_needs_a_second_factor(tmp_path):
    def needing(text, env="development"):
        return Settings(env=env, second_factor_roles=text).factor_roles

    assert needing("") == set()
    assert needing("", "production") == set(STAFF_ROLES)
    assert needing(" admin, supervisor,") == needing("admin,supervisor", "production") == {"admin", "supervisor"}
    with pytest.raises(SettingsError, match="HELPLINE_SECOND_FACTOR_ROLES must name roles out of operator, "):
        load_settings({"HELPLINE_VAR": str(tmp_path), "HELPLINE_SECOND_FACTOR_ROLES": "admin,boss"})
