"""Places and reasons by API."""

import pytest

from helpline.reference import rules
from tests.factories.accounts import sign_in

PHNOM_PENH = rules.place_id("KH", "province", "12")


@pytest.fixture
def inside(client, make_person):
    sign_in(client, make_person("operator", locale="en"))
    return client


@pytest.mark.parametrize("path", ["places?q=siem", f"places/{PHNOM_PENH}", "terms?q=v", "taxonomy"])
def test_nothing_without_a_credential(client, path):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"


def test_places_of_the_own_country_with_what_they_lie_in(inside):
    items = inside.get("/api/v1/places?q=siem").json["items"]
    assert items[0]["label"] == "Siemreap"
    assert items[0]["detail"] is None
    assert items[0]["kind"] == "Province"
    assert any("Siemreap" in (item["detail"] or "") for item in items)


def test_the_readers_language(client, make_person):
    sign_in(client, make_person("operator", locale="km"))
    assert client.get("/api/v1/places?q=siem").json["items"][0]["label"] == "សៀមរាប"


def test_another_country_when_asked(inside):
    assert inside.get("/api/v1/places?q=cordoba&country=AR").json["items"][0]["label"] == "Córdoba"
    assert inside.get("/api/v1/places?q=cordoba&country=ar").status_code == 422


def test_nothing_typed_finds_nothing(inside):
    assert inside.get("/api/v1/places").json == {"items": []}


def test_a_place_and_its_path(inside):
    place = inside.get(f"/api/v1/places/{PHNOM_PENH}").json
    assert place["names"]["km"] == "ភ្នំពេញ" or place["names"]["km"].endswith("ភ្នំពេញ")
    assert [step["id"] for step in place["path"]] == [str(PHNOM_PENH)]
    assert inside.get("/api/v1/places/00000000-0000-0000-0000-000000000000").status_code == 404


def test_reasons_by_the_beginning_of_a_word(inside):
    items = inside.get("/api/v1/terms?q=negl").json["items"]
    assert any("eglect" in item["label"] for item in items)
    assert all(item["group"] is None or item["group"] for item in items)
    assert inside.get("/api/v1/terms?q=eglect").json["items"] == [], "the middle of a word is not its beginning"


def test_the_tree_of_reasons(inside):
    tree = inside.get("/api/v1/taxonomy").json
    assert tree["version"] == "chi-2023"
    violence = next(category for category in tree["categories"] if category["code"] == "violence")
    assert "violence.neglect" in {term["code"] for term in violence["terms"]}
    assert inside.get("/api/v1/taxonomy?version=old").status_code == 404


def test_a_type_ahead_takes_few_statements(inside, statements):
    inside.get("/api/v1/places?q=siem")
    statements.clear()
    inside.get("/api/v1/places?q=siem")
    assert len(statements) <= 6, statements
