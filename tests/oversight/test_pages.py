"""Auditors see who did and read what; the matrix shows the very table that the service runs by."""

import pytest

from helpline.cases.commands import OpenCase
from helpline.cases.services.opening import open_case
from helpline.foundation.access.matrix import PERMISSIONS, scope_of
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.audit.recorder import record, showed
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import NotFound
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_centre, make_team, make_user, sign_in
from tests.factories.cases import make_call, make_place
from tests.journeys.people import make_token
from tests.oversight.services.test_watching import raise_in


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


def test_everything_about_one_child(client, app, centre, make_person, database_urls):
    """The history of a case, widened to its child, holds what was done to the call it began with; not another child's."""
    team = make_team(centre, places=[make_place(database_urls["owner"])])
    supervisor = make_person("supervisor", team)
    call, another = (make_call(supervisor, team=team) for _ in range(2))
    mine, other = new_id(), new_id()
    for case_id, of in ((mine, call), (other, another)):
        with app.app_context(), unit_of_work(supervisor.ctx()) as ctx:
            open_case(ctx, OpenCase(case_id, of.id, of.child_id, team_id=team, summary="S"))
        with app.app_context(), unit_of_work(supervisor.ctx()):
            showed("call", of.id, ["story"])
    auditor = make_person("auditor")
    alone = get(client, auditor, f"/audit?subject={mine}")["items"]
    whole = get(client, auditor, f"/audit?subject={mine}&child=true")["items"]
    named = {subject for entry in whole for subject in entry["subject_ids"]}
    assert {entry["id"] for entry in alone} < {entry["id"] for entry in whole}
    assert {str(mine), str(call.id)} <= named
    assert not {str(other), str(another.id)} & named
    stranger = make_user(make_centre(database_urls["owner"]), "auditor")
    assert get(client, stranger, f"/audit?subject={mine}&child=true")["items"] == []


def test_fields_and_doors_narrow(client, deeds, make_person):
    _user, subject = deeds
    auditor = make_person("auditor")
    assert [e["outcome"] for e in get(client, auditor, f"/audit?subject={subject}&fields=story")["items"]] == ["shown"]
    assert get(client, auditor, f"/audit?subject={subject}&fields=health")["items"] == []
    by_api = get(client, auditor, f"/audit?subject={subject}&channel=api")["items"]
    assert {entry["action"] for entry in by_api} == {"audit.searched"}, "the questions above"
    assert len(get(client, auditor, f"/audit?subject={subject}&channel=page")["items"]) == 2


def test_the_door_and_the_service_itself_belong_to_every_centre(app, client, make_person):
    with pytest.raises(NotFound), app.app_context(), unit_of_work(system_context(SystemActor.VISITOR)):
        raise NotFound("user", new_id())
    first = get(client, make_person("auditor"), "/audit?house=true")["items"][0]
    assert (first["actor_role"], first["outcome"], first["subject_kind"]) == ("visitor", "refused", "user")


def test_the_page_says_how_the_audit_stands(client, make_person):
    sign_in(client, make_person("auditor"))
    page = client.get("/audit").get_data(as_text=True)
    assert "Is it whole?" in page
    assert "No witness is set" in page
    standing = get(client, make_person("auditor"), "/audit/standing")
    assert (standing["configured"], standing["late"]) == ([], False)


@pytest.fixture
def alert(database_urls, make_person):
    return raise_in(database_urls["owner"], make_person("caseworker"))


def test_a_supervisor_settles_an_alert_by_page(client, alert, make_person):
    sign_in(client, make_person("supervisor"))
    page = client.get("/alerts").get_data(as_text=True)
    assert "Records read at night" in page
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    empty = client.post(f"/alerts/{alert}", data={"csrf_token": token, f"note-{alert}": ""})
    assert empty.status_code == 422
    assert "Write what you found." in empty.get_data(as_text=True)
    done = client.post(f"/alerts/{alert}", data={"csrf_token": token, f"note-{alert}": "A handover"})
    assert done.status_code == 302
    assert "Nothing unusual." in client.get("/alerts").get_data(as_text=True)
    assert "A handover" in client.get("/alerts?settled=1").get_data(as_text=True)


def test_an_auditor_settles_an_alert_by_api(client, alert, make_person):
    auditor = make_person("auditor")
    [found] = get(client, auditor, "/alerts")["items"]
    assert (found["id"], found["why"], found["records"]) == (str(alert), "at_night", 7)
    headers = {"Authorization": f"Bearer {make_token(auditor)}"}
    answer = client.post(f"/api/v1/alerts/{alert}/settlement", json={"note": "Asked."}, headers=headers)
    assert (answer.status_code, answer.json["note"]) == (200, "Asked.")
    assert client.post(f"/api/v1/alerts/{alert}/settlement", json={"note": "x"}, headers=headers).status_code == 409
    deeds = {entry["action"] for entry in get(client, auditor, f"/audit?subject={alert}")["items"]}
    assert {"alert.settled", "alert.shown"} <= deeds
