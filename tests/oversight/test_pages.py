"""Auditors see who did and read what; the matrix shows the very table that the service runs by."""

import pytest

from helpline.foundation.access.matrix import PERMISSIONS, scope_of
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record, showed
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_centre, make_user, sign_in
from tests.journeys.people import make_token


@pytest.fixture
def deeds(app, centre, make_person):
    """A supervisor's deed and look, and a case id they were about."""
    user, subject = make_person("supervisor"), new_id()
    with app.app_context(), unit_of_work(user.ctx()) as ctx:
        record(ctx, "case.assigned", "case", subject, fields=["caseworker_id"])
        showed("case", subject, ["story", "risk"])
    return user, subject


def get(client, user, path):
    answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {make_token(user)}"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json


def test_a_records_history(client, deeds, make_person):
    user, subject = deeds
    found = get(client, make_person("auditor"), f"/audit?subject={subject}")["items"]
    assert {(entry["action"], entry["outcome"]) for entry in found if entry["actor_id"] == str(user.id)} == {
        ("case.assigned", "done"), ("case.shown", "shown"),
    }  # fmt: skip
    assert next(e for e in found if e["outcome"] == "shown")["field_groups"] == ["risk", "story"]


def test_looking_is_on_record_too(client, deeds, make_person):
    auditor = make_person("auditor")
    get(client, auditor, "/audit")
    own = get(client, auditor, f"/audit?actor={auditor.id}")["items"]
    assert "audit.searched" in {entry["action"] for entry in own}


def test_filters_narrow_and_pages_go_on(app, client, deeds, make_person):
    user, _subject = deeds
    for _ in range(60):
        with app.app_context(), unit_of_work(user.ctx()) as ctx:
            record(ctx, "case.noted", "case", new_id())
    auditor = make_person("auditor")
    first = get(client, auditor, f"/audit?actor={user.id}&action=case.noted")
    second = get(client, auditor, f"/audit?actor={user.id}&action=case.noted&after={first['next']}")
    ids = [entry["id"] for entry in first["items"] + second["items"]]
    assert len(ids) == len(set(ids)) == 60
    assert second["next"] is None
    assert get(client, auditor, f"/audit?actor={user.id}&outcome=refused")["items"] == []


def test_another_centres_entries_do_not_exist(client, deeds, database_urls):
    _user, subject = deeds
    stranger = make_user(make_centre(database_urls["owner"]), "auditor")
    assert get(client, stranger, f"/audit?subject={subject}")["items"] == []


def test_the_page_says_it_in_words(client, deeds, make_person):
    _user, subject = deeds
    sign_in(client, make_person("auditor"))
    page = client.get(f"/audit?subject={subject}").get_data(as_text=True)
    assert "Gave a case to a caseworker<" in page.partition("<table")[2]
    assert "Signed in" not in page.partition("<table")[2], "narrowed to the record"
    assert 'id="subject-error"' not in page
    wrong = client.get("/audit?subject=nonsense")
    assert wrong.status_code == 200
    assert 'id="subject-error"' in wrong.get_data(as_text=True)


def test_the_matrix_is_the_one_in_force(client, make_person):
    rows = {row["role"]: row for row in get(client, make_person("admin"), "/matrix")["roles"]}
    assert set(rows) == {str(role) for role in PERMISSIONS}
    for role, row in rows.items():
        assert row["permissions"] == {p.value: scope_of(role, p).value for p in Permission}
    assert rows["admin"]["fields"]["story"] == rows["auditor"]["fields"]["story"] == "mask"
    sign_in(client, make_person("auditor"))
    assert client.get("/matrix").status_code == 200


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "admin"])
def test_the_audit_is_the_auditors(client, make_person, role):
    sign_in(client, make_person(role))
    assert client.get("/audit").status_code == 403


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor"])
def test_the_matrix_is_for_admins_and_auditors(client, make_person, role):
    sign_in(client, make_person(role))
    assert client.get("/matrix").status_code == 403
