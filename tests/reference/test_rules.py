"""The shipped reference data is whole, and the search key forgives what spellings vary in."""

from collections import Counter
from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.foundation.errors import NotFound
from helpline.reference import rules

BASES = "កខគងចដតទនបមរលសហអ"
SUBSCRIPTS = ["្" + base for base in BASES]
MARKS = ["ា", "ិ", "ី", "ឹ", "ុ", "ូ", "េ", "ែ", "ៅ", "ំ", "ះ", "់", "៉", "៊", "៌", "័"]


@pytest.fixture(scope="module")
def cambodia():
    return list(rules.read_places("KH"))


def test_cambodia_has_every_division_in_both_scripts(cambodia):
    assert Counter(place.level for place in cambodia) == {
        "province": 25,
        "district": 210,
        "commune": 1661,
        "village": 14563,
    }
    assert all(set(place.names) == {"km", "en"} and all(place.names.values()) for place in cambodia)


def test_places_have_distinct_keys_although_codes_repeat(cambodia):
    assert len({place.id for place in cambodia}) == len(cambodia)
    repeated = [code for (level, code), n in Counter((p.level, p.code) for p in cambodia).items() if n > 1]
    assert len(repeated) == 25
    assert "0506140-" in repeated


def test_parents_stand_before_children_one_level_up(cambodia):
    above = {"district": "province", "commune": "district", "village": "commune"}
    levels = {}
    for place in cambodia:
        assert (levels.get(place.parent_id) if place.parent_id else None) == above.get(place.level)
        levels[place.id] = place.level


def test_a_place_keeps_its_key_for_ever():
    assert str(rules.place_id("kh", "province", "12")) == "421271d7-800e-5e41-b448-f4e0e619056a"
    assert str(rules.place_id("AR", "province", "02")) == "40b814c4-80b3-59a4-b9ec-ad6df01fd8a0"


def test_argentina_has_its_24_provinces():
    places = list(rules.read_places("ar"))
    assert len(places) == 24
    assert {place.code for place in places} == {f"{code:02d}" for code in range(2, 95, 4)}
    assert next(place.names["es"] for place in places if place.code == "14") == "Córdoba"
    assert next(place.urban for place in places if place.code == "02") is True


@pytest.mark.parametrize("iso", ["KH", "AR"])
def test_a_country_is_complete(iso):
    country = rules.read_country(iso)
    provinces = {place.code for place in rules.read_places(iso) if place.level == "province"}
    assert {tile.code for tile in country.tile_map} == provinces
    assert len({(tile.row, tile.column) for tile in country.tile_map}) == len(provinces)
    assert len({tile.label for tile in country.tile_map}) == len(provinces)
    assert {level.code for level in country.place_levels} == {place.level for place in rules.read_places(iso)}
    assert set(country.names) == set(country.languages)
    assert country.working_week == (1, 2, 3, 4, 5)


def test_country_facts():
    cambodia, argentina = rules.read_country("kh"), rules.read_country("ar")
    assert (cambodia.time_zone.key, argentina.time_zone.key) == ("Asia/Phnom_Penh", "America/Argentina/Buenos_Aires")
    assert (cambodia.phone.country_code, argentina.phone.country_code) == ("855", "54")
    assert ("police", "117") in {(number.code, number.number) for number in cambodia.emergency_numbers}
    assert rules.list_countries() == ["AR", "KH"]


def test_the_taxonomy_has_10_categories_and_67_subcategories():
    taxonomy = rules.read_taxonomy("chi-2023")
    assert taxonomy.version == "chi-2023"
    assert [len(category.subcategories) for category in taxonomy.categories] == [4, 12, 12, 7, 8, 7, 6, 4, 4, 3]
    codes = [sub.code for category in taxonomy.categories for sub in category.subcategories]
    assert len(set(codes)) == 67
    assert "violence.online_child_sexual_abuse_and_exploitation" in codes
    assert all(set(sub.names) == {"en", "km"} for category in taxonomy.categories for sub in category.subcategories)
    assert rules.list_taxonomies() == ["chi-2023"]


def test_decreed_holidays_stand():
    days = {holiday.on: holiday for holiday in rules.read_holidays("kh")}
    decreed = [
        ("Pchum Ben Day", date(2026, 10, 10)),
        ("Pchum Ben Day", date(2027, 9, 29)),
        ("Water Festival", date(2026, 11, 23)),
        ("Water Festival", date(2027, 11, 12)),
        *[("Khmer New Year's Day", date(year, 4, 14)) for year in range(2025, 2029)],
    ]
    for name, first in decreed:
        for offset in range(3):
            holiday = days[first + timedelta(offset)]
            assert (holiday.names["en"], holiday.source) == (name, "override")
    assert {holiday.on.year for holiday in rules.read_holidays("ar")} == {2025, 2026, 2027, 2028}


@pytest.mark.parametrize("read", [rules.read_country, rules.read_places, rules.read_holidays, rules.read_taxonomy])
def test_what_does_not_ship_is_not_found(read):
    with pytest.raises(NotFound):
        list(read("../kh"))


def test_a_place_without_its_parent_is_refused(tmp_path, monkeypatch):
    (tmp_path / "xx").mkdir()
    (tmp_path / "xx" / "country.json").write_text("{}")
    (tmp_path / "xx" / "places.csv").write_text("code,parent_code,level,name_en,urban,aliases\n0101,01,district,A,,\n")
    monkeypatch.setattr(rules, "DATA", tmp_path)
    with pytest.raises(ValueError, match="parent 01"):
        list(rules.read_places("xx"))


def test_places_are_found_by_names_and_aliases(cambodia):
    keys = {place.code: place.search_keys for place in cambodia if place.level == "province"}
    assert any(key.startswith(rules.search_key("ភ្នំពេ")) for key in keys["12"])
    assert rules.search_key("SIEM-REAP") in keys["17"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Córdoba", "CORDOBA"),
        ("Đà Nẵng", "da nang"),
        ("Siem Reap", "Siemreap"),
        ("O'Brien", "obrien"),
        ("ឧត្ដរមានជ័យ", "ឧត្តរមានជ័យ"),  # subscript DA and TA look alike
        ("ភូមិទី ៣", "ភូមិទី3"),
        ("កោះ", "កេាះ"),  # o typed in two halves
        ("ស\u200bុខ", "សុខ"),
        ("ប៉ិ", "បុិ"),  # a shifter drawn as the vowel u under i
        ("ស្ត្រី", "ស្រ្តី"),  # RO typed before TA
        ("ពោធិ៍សាត់", "ពោធិសាត"),
    ],
)
def test_spellings_of_one_name_share_a_key(one, other):
    assert rules.search_key(one) == rules.search_key(other) != ""


def test_different_names_keep_different_keys():
    names = ["សុខ", "សោខ", "សំ", "សះ", "សា", "ចាន់", "ចន្ទ", "Sok", "Sokh"]
    assert len({rules.search_key(name) for name in names}) == len(names)


def test_most_provinces_of_cambodia_stay_apart(cambodia):
    keys = [rules.search_key(place.names["km"]) for place in cambodia if place.level == "province"]
    assert len(set(keys)) == 25


def test_every_order_of_marks_gives_the_same_key():
    spellings = {rules.search_key("ស" + "".join(order)) for order in permutations(["្ត", "្រ", "ី", "៉", "ំ"])}
    assert len(spellings) == 1


@settings(deadline=None)
@given(st.text())
def test_the_key_of_a_key_is_itself(text):
    assert rules.search_key(rules.search_key(text)) == rules.search_key(text)


@settings(deadline=None)
@given(st.text(alphabet=[chr(code) for code in range(0x1780, 0x17FA)] + list("\u200b\u200c aé")))
def test_the_key_of_a_khmer_key_is_itself(text):
    assert rules.search_key(rules.search_key(text)) == rules.search_key(text)


@settings(deadline=None)
@given(
    st.data(),
    st.lists(st.tuples(st.sampled_from(BASES), st.lists(st.sampled_from(SUBSCRIPTS + MARKS), max_size=6)), max_size=5),
)
def test_typing_order_does_not_matter(data, syllables):
    typed = "".join(base + "".join(marks) for base, marks in syllables)
    shuffled = "".join(base + "".join(data.draw(st.permutations(marks))) for base, marks in syllables)
    assert rules.search_key(typed) == rules.search_key(shuffled)
