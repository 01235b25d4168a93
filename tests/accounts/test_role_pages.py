"""Roles of the centre on pages and by API; and what whoever has one sees of the house."""

import re

import pytest

from helpline.foundation.ids import new_id
from tests.factories.accounts import bear, make_centre, make_role, make_team, make_user, sign_in
from tests.journeys.people import make_token

NAMES = {"en": "Night desk", "km": "តុយប់"}
LONG = "អ្នកទទួលទូរសព្ទពេលយប់ដែលអាចមើលឃើញតែករណីដែលខ្លួនបានបើកដោយផ្ទាល់ប៉ុណ្ណោះ"


@pytest.fixture
def admin(make_person):
    return make_person("admin")


@pytest.fixture
def inside(client, admin):
    sign_in(client, admin, fresh=True)
    return client


def post(client, path, **form):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)[1]
    return client.post(path, data={"csrf_token": token} | form)


def make(client, base="operator", **form):
    taken = {"scopes.call:correct": "none", "names.en": NAMES["en"], "names.km": NAMES["km"]}
    return post(client, "/staff/roles/new", base=base, role_id=str(new_id()), **taken | form)


def row(rows, admin):
    columns = "id, base, names, scopes, fields, version, retired_at IS NULL"
    return rows(f"SELECT {columns} FROM centre_roles WHERE centre_id = %s", admin.centre.id)


def test_making_changing_and_putting_aside(inside, admin, rows):
    assert "No role of your own yet." in inside.get("/staff/roles").text
    form = inside.get("/staff/roles/new?base=operator")
    assert form.status_code == 200
    assert 'name="scopes.call:correct"' in form.text
    assert 'name="scopes.account:own"' not in form.text, "what everybody keeps is not offered"
    assert len(re.findall('class="btn main"', form.text)) == 1
    assert make(inside).location == "/staff/roles?saved=1"
    [(role_id, *found)] = row(rows, admin)
    assert found == ["operator", NAMES, {"call:correct": "none"}, {}, 1, True]
    listed = inside.get("/staff/roles").text
    assert "Night desk" in listed
    assert "Correct calls: taken away" in listed
    shown = inside.get(f"/staff/roles/{role_id}").text
    assert '<option value="none" selected>taken away' in shown
    changed = {"names.en": "Night desk", "names.km": LONG, "fields.health": "mask", "version": "1"}
    assert post(inside, f"/staff/roles/{role_id}", **changed).status_code == 303
    stale = post(inside, f"/staff/roles/{role_id}", **changed)
    assert stale.status_code == 409
    [(_id, _base, names, scopes, fields, version, _open)] = row(rows, admin)
    assert (names["km"], scopes, fields, version) == (LONG, {}, {"health": "mask"}, 2)
    assert post(inside, f"/staff/roles/{role_id}/retire", version="2").status_code == 303
    assert row(rows, admin)[0][-1] is False
    assert f"/staff/roles/{role_id}" not in inside.get("/staff/roles").text
    aside = inside.get(f"/staff/roles/{role_id}").text
    assert "This role was put aside." in aside
    assert 'name="version"' not in aside
    assert len(re.findall('class="btn main"', aside)) == 1


def test_what_can_not_be_said_is_told_beside_it(inside, admin, rows):
    same = make(inside, **{"scopes.call:correct": "own"})
    assert same.status_code == 422
    assert "Take something away" in same.text
    wider = make(inside, **{"scopes.call:read": "centre"})
    assert wider.status_code == 422
    assert row(rows, admin) == []
    for missing in ({"names.km": ""}, {"names.km": "", "names.en": ""}):
        nameless = make(inside, **missing)
        assert nameless.status_code == 422
        assert 'href="#names">Give it a name in each language.' in nameless.text
    assert inside.get("/staff/roles/new?base=admin").status_code == 404
    assert inside.get(f"/staff/roles/{new_id()}").status_code == 404


def test_it_is_given_on_the_pages_of_staff(inside, admin, make_person, rows):
    role_id, person = (
        make_role(admin.centre, "operator", scopes={"call:void": "none"}, names=NAMES),
        make_person("operator"),
    )
    page = inside.get(f"/staff/{person.id}").text
    assert f'<option value="operator/{role_id}">Operator: Night desk</option>' in page
    form = {"name": "Chan", "role": f"operator/{role_id}", "version": "1"}
    assert post(inside, f"/staff/{person.id}", **form).status_code == 303
    assert rows("SELECT role, centre_role_id FROM users WHERE id = %s", person.id) == [("operator", role_id)]
    assert f'value="operator/{role_id}" selected' in inside.get(f"/staff/{person.id}").text
    assert "Night desk" in inside.get("/staff").text
    in_use = post(inside, f"/staff/roles/{role_id}/retire", version="1")
    assert in_use.status_code == 409
    assert "Somebody has this role." in in_use.text
    user_id = new_id()
    invited = {"user_id": str(user_id), "name": "Dara", "login": f"d{user_id.hex[-8:]}", "locale": "km"}
    invited |= {"email": f"{user_id.hex}@x.test", "role": f"operator/{role_id}"}
    assert post(inside, "/staff/new", **invited).status_code == 303
    assert rows("SELECT centre_role_id FROM users WHERE id = %s", user_id) == [(role_id,)]
    nonsense = post(inside, f"/staff/{person.id}", **form | {"role": "operator/nonsense", "version": "2"})
    assert nonsense.status_code == 422


def test_rising_asks_for_two_people_and_changes_nothing_meanwhile(inside, admin, make_person, rows):
    person = bear(make_person("operator"), scopes={"call:void": "none"})
    before = rows("SELECT role, centre_role_id FROM users WHERE id = %s", person.id)
    answer = post(inside, f"/staff/{person.id}", name="Chan", role="admin", version="1")
    assert "/approvals/new" in answer.location
    assert rows("SELECT role, centre_role_id FROM users WHERE id = %s", person.id) == before


def test_whoever_has_one_sees_its_name_and_what_is_left(client, make_person):
    person = bear(make_person("auditor"), scopes={"alert:read": "none", "audit:read": "none"})
    sign_in(client, person)
    page = client.get("/").location
    assert page == "/overrides", "the first page of theirs that is left"
    shown = client.get("/overrides").text
    assert "Own " in shown
    assert 'href="/alerts"' not in shown
    assert 'href="/audit"' not in shown
    assert client.get("/alerts").status_code == 403


@pytest.mark.parametrize("who", ["admin", "auditor"])
def test_the_matrix_shows_them_and_what_differs(client, admin, make_person, who):
    make_role(admin.centre, "supervisor", scopes={"case:read": "team"}, fields={"story": "mask"}, names=NAMES)
    foreign = make_centre(admin.centre.owner_url)
    make_role(foreign, "operator", scopes={"call:read": "none"}, names={"en": "Elsewhere", "km": "ផ្សេង"})
    sign_in(client, admin if who == "admin" else make_person("auditor"))
    page = client.get("/matrix").text
    assert "Roles of the centre" in page
    assert "Elsewhere" not in page
    own = page[page.index("Roles of the centre") :]
    assert "Night desk" in own
    assert "<b>their teams</b>" in own
    assert "<b>hidden</b>" in own
    assert "<b>" not in page[page.index("<h2>People</h2>") : page.index("Roles of the centre")]


def test_by_api(client, admin, make_person, rows):
    person = make_person("operator")
    bearer = {"Authorization": f"Bearer {make_token(admin)}"}
    sign_in(client, admin, fresh=True)
    token = {"X-CSRFToken": re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)[1]}
    role_id = str(new_id())
    body = {"role_id": role_id, "base": "operator", "names": NAMES, "scopes": {"call:correct": "none"}, "fields": {}}
    assert client.post("/api/v1/roles", json=body, headers=bearer).json["code"] == "step_up_needed"
    made = client.post("/api/v1/roles", json=body, headers=token)
    assert (made.status_code, made.json["scopes"], made.json["version"]) == (201, {"call:correct": "none"}, 1)
    assert (
        client.post("/api/v1/roles", json=body | {"scopes": {"call:read": "centre"}}, headers=token).status_code == 422
    )
    change = {"names": NAMES, "fields": {"health": "read"}, "version": 1}
    assert client.put(f"/api/v1/roles/{role_id}", json=change, headers=token).json["fields"] == {"health": "read"}
    assert client.put(f"/api/v1/roles/{role_id}", json=change, headers=token).status_code == 409
    user = {"name": "Chan", "role": "operator", "version": 1}
    given = client.put(f"/api/v1/users/{person.id}", json=user | {"centre_role_id": role_id}, headers=token)
    assert given.json["centre_role_id"] == role_id
    kept = client.put(f"/api/v1/users/{person.id}", json=user | {"name": "Dara", "version": 2}, headers=token)
    assert kept.json["centre_role_id"] == role_id, "who says nothing of it widens nobody"
    assert (
        client.put(
            f"/api/v1/users/{person.id}", json=user | {"role": "supervisor", "version": 3}, headers=token
        ).status_code
        == 422
    )
    assert (
        client.post(f"/api/v1/roles/{role_id}/retirement", json={"version": 2}, headers=token).json["code"]
        == "role_in_use"
    )
    taken = client.put(f"/api/v1/users/{person.id}", json=user | {"centre_role_id": None, "version": 3}, headers=token)
    assert taken.json["centre_role_id"] is None
    assert client.post(f"/api/v1/roles/{role_id}/retirement", json={"version": 2}, headers=token).status_code == 200
    [listed] = client.get("/api/v1/roles", headers=bearer).json["items"]
    assert (listed["id"], listed["retired_at"] is None) == (role_id, False)
    matrix = client.get("/api/v1/matrix", headers=bearer).json["roles"]
    assert all(each["names"] is None for each in matrix), "what was put aside is nobody's"


def test_a_whole_centre_reads_as_before(client, make_person, admin):
    """Nothing of it concerns whoever has a role as it is."""
    sign_in(client, make_person("supervisor", make_team(admin.centre)))
    assert "Supervisor" in client.get("/cases").text
    assert make_user(admin.centre, "operator").ctx().actor.narrowed is None
