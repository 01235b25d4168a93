"""What revisions do to rows that are there already."""

import psycopg
import pytest
from flask_migrate import downgrade, upgrade

from helpline.foundation.clock import now
from helpline.foundation.crypto.records import new_record_key, unseal
from helpline.foundation.ids import new_id
from tests.migrations.test_migrations import migrating


@pytest.fixture
def before(make_database, worker_number):
    """`before("0014")`: the address of a database as it was before this revision."""

    def make(revision):
        url = make_database(f"helpline_data_{worker_number}", template="template0")["owner"]
        with migrating(url):
            upgrade(revision=f"{int(revision) - 1:04}")
        return url

    return make


@pytest.mark.usefixtures("app")  # its keys
def test_0014_seals_what_was_told_of_a_persons_background(before):
    url = before("0014")
    told, silent = new_id(), new_id()
    add = (
        "INSERT INTO persons (id, record_key, centre_id, role, age_known, gender, added_by, created_at, language,"
        " nationality, schooling) VALUES (%s, %s, %s, 'child', 'unknown', 'unknown', %s, %s, %s, %s, %s)"
    )
    with psycopg.connect(url) as connection:
        for person, words in ((told, ("Khmer, some Lao", "Canary Lao", "Grade 3")), (silent, ("km", None, None))):
            key = new_record_key("persons", person)
            connection.execute(add, [person, key, new_id(), new_id(), now(), *words])
    with migrating(url):
        upgrade(revision="0014")
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id, record_key, language, background_sealed FROM persons").fetchall()
        dump = str(connection.execute("SELECT persons::text FROM persons").fetchall())
    found = {row[0]: row[1:] for row in rows}
    key, language, sealed = found[told]
    assert unseal("persons", "background_sealed", told, key, sealed) == {
        "language": "Khmer, some Lao", "nationality": "Canary Lao", "schooling": "Grade 3",
    }  # fmt: skip
    assert language is None
    assert "Canary" not in dump
    assert found[silent][1:] == ("km", None)
    with migrating(url):
        downgrade(revision="0013")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT language, nationality, schooling FROM persons WHERE id = %s", [told]).fetchone() == (
            "Khmer, some Lao", "Canary Lao", "Grade 3",
        )  # fmt: skip
