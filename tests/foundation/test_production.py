"""What a service that serves people refuses to start with: each with its own sentence."""

from dataclasses import replace

import pytest

from helpline.app import create_app
from helpline.foundation.crypto.keyring import KeyRing, make_keys
from helpline.foundation.production import refuse_unfit
from helpline.settings import SettingsError, load_settings

FIT = {
    "HELPLINE_ENV": "production",
    "DATABASE_URL": "postgresql://helpline_web@db/helpline",
    "REDIS_URL": "redis://redis/0",
    "SECURE_COOKIES": "true",
    "HELPLINE_PUBLIC_URL": "https://helpline.example.org",
}


def test_what_is_fit_is_taken():
    assert load_settings(FIT).production


@pytest.mark.parametrize(("change", "said"), [
    ({"DATABASE_URL": "", "REDIS_URL": ""}, "needs servers of its own"),
    ({"REDIS_URL": ""}, "needs servers of its own"),
    ({"HELPLINE_DEMO": "true"}, "refuses demo accounts"),
    ({"SECURE_COOKIES": "false"}, "refuses cookies without TLS"),
    ({"HELPLINE_PUBLIC_URL": "http://helpline.example.org"}, "refuses links without TLS"),
    ({"HELPLINE_CLOCK_OFFSET_FILE": "/tmp/offset"}, "refuses a clock that is moved"),
    ({"HELPLINE_SECOND_FACTOR_ROLES": "admin"}, "needs a second factor of admin and supervisor"),
    ({"HELPLINE_SECOND_FACTOR_ROLES": "operator,supervisor"}, "needs a second factor of admin and supervisor"),
    ({"HELPLINE_FAILPOINTS_FILE": "/tmp/points"}, "refuses failpoints"),
])  # fmt: skip
def test_each_unfit_setting_is_refused_in_its_own_words(change, said):
    with pytest.raises(SettingsError, match=f"^HELPLINE_ENV=production {said}"):
        load_settings({**FIT, **change})
    load_settings({**FIT, **change, "HELPLINE_ENV": "development"})


def test_running_embedded_servers_are_no_servers_of_its_own(tmp_path):
    (tmp_path / "addresses.json").write_text('{"DATABASE_URL": "embedded", "REDIS_URL": "embedded"}')
    given = {name: value for name, value in FIT.items() if not name.endswith(("BASE_URL", "REDIS_URL"))}
    with pytest.raises(SettingsError, match="needs servers of its own"):
        load_settings({**given, "HELPLINE_VAR": str(tmp_path)})


@pytest.fixture
def own_keys(tmp_path):
    make_keys(tmp_path / "keys.json", generated=False, holders=2)
    return KeyRing.open(tmp_path / "keys.json")


def test_generated_keys_are_refused(settings, tmp_path):
    make_keys(tmp_path / "keys.json", generated=True)
    ring = KeyRing.open(tmp_path / "keys.json")
    with pytest.raises(SettingsError, match="refuses generated keys"):
        refuse_unfit(replace(settings, env="production"), ring)
    refuse_unfit(settings, ring)


def test_keys_that_nobody_could_open_after_a_lock_are_refused(settings, tmp_path):
    make_keys(tmp_path / "keys.json", generated=False)
    ring = KeyRing.open(tmp_path / "keys.json")
    with pytest.raises(SettingsError, match="make-key-shares"):
        refuse_unfit(replace(settings, env="production"), ring)
    refuse_unfit(settings, ring)
    ring.make_shares(2)
    refuse_unfit(replace(settings, env="production"), KeyRing.open(tmp_path / "keys.json"))


def test_locked_keys_are_no_reason_not_to_start(settings):
    refuse_unfit(replace(settings, env="production"), None)


def test_plain_logins_and_own_keys_are_taken(settings, own_keys):
    refuse_unfit(replace(settings, env="production"), own_keys)


@pytest.mark.parametrize("which", ["database_url", "database_worker_url", "database_relay_url"])
def test_a_superuser_is_refused_whichever_process_would_use_it(settings, own_keys, admin_url, which):
    with pytest.raises(SettingsError, match="refuses the login postgres"):
        refuse_unfit(replace(settings, env="production", **{which: admin_url}), own_keys)
    refuse_unfit(replace(settings, **{which: admin_url}), own_keys)


def test_a_login_that_cannot_be_checked_is_not_trusted(settings, own_keys):
    nowhere = "postgresql://helpline_web@/helpline?host=%2Fnowhere"
    with pytest.raises(SettingsError, match="can't be reached"):
        refuse_unfit(replace(settings, env="production", database_url=nowhere), own_keys)


def test_the_application_asks(settings, tmp_path):
    make_keys(tmp_path / "keys.json", generated=True)
    unfit = replace(settings, env="production", keys_path=tmp_path / "keys.json")
    with pytest.raises(SettingsError, match="refuses generated keys"):
        create_app(unfit)
