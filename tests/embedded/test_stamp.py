"""When a start has nothing to prepare."""

import os

import pytest

from helpline.embedded import stamp
from helpline.embedded.stamp import fingerprint, is_prepared, mark_prepared


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(stamp, "ROOT", tmp_path)
    for name in ("migrations/versions/0001.py", "helpline/cli.py", "helpline/reference/data/places.csv", "keys.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was")
    return tmp_path


def test_nothing_new_is_nothing_new(project):
    assert fingerprint(project / "keys.json", demo=True) == fingerprint(project / "keys.json", demo=True)


@pytest.mark.parametrize(
    "name", ["migrations/versions/0001.py", "helpline/cli.py", "helpline/reference/data/places.csv"]
)
def test_a_changed_file_is_new(project, name):
    before = fingerprint(project / "keys.json", demo=True)
    (project / name).write_text("changed")
    assert fingerprint(project / "keys.json", demo=True) != before


def test_other_keys_and_a_wanted_demo_are_new(project):
    before = fingerprint(project / "keys.json", demo=True)
    assert fingerprint(project / "keys.json", demo=False) != before
    os.utime(project / "keys.json", (1, 1))
    assert fingerprint(project / "keys.json", demo=True) != before


def test_the_database_remembers_what_it_was_prepared_with(make_database):
    owner_url = make_database("stamp_probe", template="template0")["owner"]
    assert not is_prepared(owner_url, "one")
    mark_prepared(owner_url, "one")
    assert is_prepared(owner_url, "one")
    assert not is_prepared(owner_url, "two")


def test_no_database_yet_is_not_prepared(bed):
    assert not is_prepared(bed.urls_of("never_made")["owner"], "one")
