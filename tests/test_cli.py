"""Commands for a new installation, in-process."""

import re
import secrets

import psycopg
import pytest
from click.testing import CliRunner

from helpline import cli
from helpline.foundation.db import db
from tests.factories.accounts import add_authenticator


@pytest.fixture
def run(settings, app):
    """`run("create-admin", …)` -> click's result; `app` restores what the command's own application installed."""
    env = {
        "HELPLINE_ENV": "test", "DATABASE_URL": settings.database_url, "DATABASE_OWNER_URL": settings.database_owner_url,
        "DATABASE_WORKER_URL": settings.database_worker_url, "REDIS_URL": settings.redis_url,
        "HELPLINE_KEYS_FILE": str(settings.keys_path), "HELPLINE_PUBLIC_URL": "https://helpline.example.org",
    }  # fmt: skip

    def invoke(*words):
        return CliRunner().invoke(cli.main, words, env=env)

    return invoke


def test_the_first_administrator_gets_a_link(run, client):
    mark = secrets.token_hex(3)
    words = ("create-admin", "--centre", f"N{mark}", "--name", "Chan Sokha", "--email", f"{mark}@helpline.test")
    refused = run(*words)
    assert refused.exit_code == 1
    assert "country unknown" in refused.output
    done = run(*words, "--country", "kh", "--centre-name", "New house")
    assert done.exit_code == 0, done.output
    link = re.search(r"https://helpline\.example\.org(/invitation/\S+)", done.output)[1]
    page = client.get(link)
    assert page.status_code == 200
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    answer = client.post(link, data={"csrf_token": token, "password": "quiet boats cross at dawn"})
    assert answer.status_code == 303, answer.text
    again = run(*words)
    assert "taken" in again.output


def test_reference_data_is_loaded_once(run):
    first, second = run("load-reference"), run("load-reference")
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert second.output == ""


@pytest.fixture(autouse=True)
def _no_engine_left(app):
    yield
    with app.app_context():
        db.engine.dispose()


def test_preparing_again_changes_nothing(run):
    run("load-reference")
    done = run("prepare")
    assert done.exit_code == 0, done.exception
    assert "Reference data" not in done.output


def test_a_lost_factor_is_taken_away_by_whoever_has_the_machine(run, make_person, database_urls):
    person = make_person("admin")
    add_authenticator(person)
    nobody = run("remove-factors", "--login", "nobody.at.all")
    assert (nobody.exit_code, "not found" in nobody.output) == (1, True)
    assert run("remove-factors", "--login", person.login.upper()).exit_code == 0
    with psycopg.connect(database_urls["owner"]) as connection:
        left = connection.execute("SELECT count(*) FROM factors WHERE user_id = %s", [person.id]).fetchone()
    assert left == (0,)
