"""The directory's pages and API: the same entry through both, and forms that keep what was typed."""

import pytest

from helpline.foundation.ids import new_id
from tests.factories.accounts import sign_in
from tests.factories.agencies import make_agency


@pytest.fixture
def agency(app, world):
    with app.app_context():
        return make_agency(world, names={"en": "Children's clinic", "km": "គ្លីនិក"})


def token_of(client, path):
    return client.get(path).text.split('name="csrf-token" content="')[1].split('"')[0]


def typed(world, token, **given):
    return {
        "csrf_token": token, "agency_id": str(new_id()), "names-en": "Legal aid of the lake", "kind": "legal_aid",
        "services": ["legal"], "services-legal-min_age": "0", "services-legal-max_age": "17", "email": "aid@lake.test",
        "coverage": [str(world.province)], "languages": ["km", "en"], "opening-0": "8-12, 14-17", "opening-6": "24 h",
    } | given  # fmt: skip


def test_the_list_and_an_entry(client, world, agency):
    sign_in(client, world.caseworker)
    page = client.get("/agencies?service=health&open_now=1")
    assert page.status_code == 200
    assert "Children&#39;s clinic" in page.text
    assert "Add an agency" not in page.text
    assert "No agency fits" in client.get("/agencies?service=legal").text
    page = client.get(f"/agencies/{agency}")
    assert page.status_code == 200
    for word in ("Children&#39;s clinic", "Health care", "Open now", "24 h"):
        assert word in page.text
    assert client.get(f"/agencies/{agency}/edit").status_code == 403


def test_whoever_may_read_the_list_may_narrow_it(client, world, agency):
    sign_in(client, world.admin)
    assert client.get("/agencies?service=health&active=yes").status_code == 200


def test_an_agency_is_typed_in_and_changed(client, world, rows):
    sign_in(client, world.admin)
    data = typed(world, token_of(client, "/agencies/new"))
    added = client.post("/agencies/new", data=data)
    assert added.status_code == 303
    page = client.get(added.location)
    for word in ("Legal aid of the lake", "0 to 17 years", "08:00–12:00, 14:00–17:00", "24 h"):
        assert word in page.text
    form = client.get(f"{added.location}/edit").text
    assert 'value="08:00–12:00, 14:00–17:00"' in form
    changed = client.post(f"{added.location}/edit", data=data | {"version": "1", "phone": "023 111 222"})
    assert changed.status_code == 303
    assert "023 111 222" in client.get(added.location).text
    stale = client.post(f"{added.location}/edit", data=data | {"version": "1", "phone": "023 999 999"})
    assert stale.status_code == 409
    assert "Someone changed this" in stale.text
    assert "023 999 999" in stale.text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"services": []}, "at least one service"),
        ({"opening-0": "always"}, "Write hours as"),
        ({"coverage": []}, "Say where it works"),
        ({"names-en": ""}, "This is needed"),
        ({"email": "no address"}, "This is not an e-mail address"),
        ({"coverage_text": "Nowhere at all"}, "No place has this name"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(client, world, wrong, says):
    sign_in(client, world.admin)
    page = client.post("/agencies/new", data=typed(world, token_of(client, "/agencies/new"), **wrong))
    assert page.status_code == 422
    assert says in page.text
    assert 'value="8-12, 14-17"' in page.text or "opening-0" in wrong
    assert "Legal aid of the lake" in page.text or "names-en" in wrong


def test_asking_no_longer(client, world, agency):
    sign_in(client, world.admin)
    data = {"csrf_token": token_of(client, "/agencies/new"), "version": "1", "active": "false"}
    assert client.post(f"/agencies/{agency}/active", data=data).status_code == 303
    assert "No longer asked" in client.get(f"/agencies/{agency}").text


def test_the_same_by_api(client, world):
    sign_in(client, world.admin)
    headers = {"X-CSRFToken": token_of(client, "/agencies/new")}
    body = {
        "names": {"en": "Shelter"}, "kind": "ngo", "services": [{"service": "shelter", "capacity": 3}],
        "coverage": [str(world.province)], "email": "s@s.test", "opening": {"spans": [{"weekday": 0, "opens": "22:00", "closes": "06:00"}]},
    }  # fmt: skip
    agency_id = str(new_id())
    added = client.post("/api/v1/agencies", json=body | {"agency_id": agency_id}, headers=headers)
    assert added.status_code == 201
    assert (added.json["version"], added.json["coverage"]) == (1, [str(world.province)])
    changed = client.put(
        f"/api/v1/agencies/{agency_id}", json={"version": 1, "agency": body | {"phone": "1"}}, headers=headers
    )
    assert (changed.status_code, changed.json["version"], changed.json["phone"]) == (200, 2, "1")
    stale = client.put(f"/api/v1/agencies/{agency_id}", json={"version": 1, "agency": body}, headers=headers)
    assert (stale.status_code, stale.json["code"]) == (409, "stale")
    assert (
        client.put(f"/api/v1/agencies/{agency_id}/active", json={"version": 2, "active": False}, headers=headers).json[
            "active"
        ]
        is False
    )
    assert client.get("/api/v1/agencies?active=no").json["items"][0]["id"] == agency_id
    assert client.get(f"/api/v1/agencies/{new_id()}").status_code == 404
    for wrong in ({"story": "x"}, {"phone": "1\0"}, {"names": {"en": "a\0"}}):
        unknown = client.post("/api/v1/agencies", json=body | {"agency_id": str(new_id())} | wrong, headers=headers)
        assert unknown.status_code == 422


def test_a_list_costs_few_statements(client, world, agency, statements):
    sign_in(client, world.caseworker)
    client.get("/agencies")
    statements.clear()
    assert client.get("/agencies?service=health").status_code == 200
    assert len([each for each in statements if "set_config" not in each]) <= 6
