"""Reference data in the database: loaded whole, loaded again without a trace, found in either script."""

import csv

import pytest

from helpline.app import create_app
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import NotFound
from helpline.reference import queries, rules
from helpline.reference.services import load_reference


@pytest.fixture(scope="module")
def owner_app(settings):
    app = create_app(settings, database_role="owner")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def loaded(owner_app):
    with owner_app.app_context(), unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
        load_reference(ctx)


@pytest.fixture
def unit(loaded, in_app):
    with unit_of_work(system_context(SystemActor.KEEPER)):
        yield


def _rows(iso):
    with (rules.DATA / iso / "places.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("iso", ["kh", "ar"])
def test_every_row_of_a_country_is_a_place(iso):
    by_level = {}
    for row in _rows(iso):
        by_level[row["level"]] = by_level.get(row["level"], 0) + 1
    # Other tests of this worker may have added places of their own: these are the shipped ones.
    shipped = [place.id for place in rules.read_places(iso)]
    found = db.session.execute(
        db.text("SELECT level, count(*) FROM places WHERE id = ANY(:ids) GROUP BY level"), {"ids": shipped}
    )
    assert dict(found.all()) == by_level


def test_loading_again_changes_nothing(owner_app, loaded):
    with owner_app.app_context(), unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
        before = db.session.execute(db.text("SELECT count(*), min(xmin::text), max(id::text) FROM places")).one()
        assert load_reference(ctx) is None, "it says that there was nothing to do"
        assert (
            db.session.execute(db.text("SELECT count(*), min(xmin::text), max(id::text) FROM places")).one() == before
        )


def test_what_differs_is_put_right(owner_app, loaded):
    with owner_app.app_context():
        with unit_of_work(system_context(SystemActor.KEEPER)):
            db.session.execute(
                db.text("UPDATE places SET names = '{\"en\": \"Wrong\"}' WHERE country = 'KH' AND code = '12'")
            )
            db.session.execute(db.text("UPDATE reference_loads SET digest = ''"))
        with unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
            load_reference(ctx)
            assert queries.find_place_by_code("KH", "province", "12").names["en"] == "Phnom Penh"


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    ("typed", "name"),
    [("siem r", "Siemreap"), ("SIEMREAP", "Siemreap"), ("сием", None), ("សៀម", "Siemreap"), ("ភ្នំពេ", "Phnom Penh")],
)
def test_a_place_is_found_by_how_its_name_begins(typed, name):
    found = queries.search_places("KH", typed)
    assert len(found) <= queries.SUGGESTIONS
    if name is None:
        assert found == []
    else:
        assert (found[0].level, found[0].names["en"]) == ("province", name), "wider places first"


@pytest.mark.usefixtures("unit")
def test_the_other_country_is_not_searched():
    assert queries.search_places("AR", "siem reap") == []
    assert queries.search_places("AR", "cordoba")[0].names["es"] == "Córdoba"


def _names(found):
    return [(place.level, place.names["en"]) for place in found]


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    "typed",
    ["svay dangkum siem reap", "siem reap svay dangkum", "Svay Dangkum, Siem Reab, Siemreap", "ស្វាយដង្គំ សៀមរាប"],
)
def test_a_place_is_found_with_words_of_what_it_lies_in(typed):
    assert _names(queries.search_places("KH", typed))[0] == ("commune", "Svay Dankum")


@pytest.mark.usefixtures("unit")
def test_words_of_what_a_place_does_not_lie_in_exclude_it():
    assert queries.search_places("KH", "svay dangkum battambang") == []
    assert queries.search_places("KH", "Svay Dangkum, Battambang") == []


@pytest.mark.usefixtures("unit")
def test_after_a_place_stands_what_lies_in_it():
    found = queries.search_places("KH", "siem reap")
    assert _names(found)[0] == ("province", "Siemreap")
    inside = [place for place in found if place.parent_id == found[0].id]
    assert "Siem Reab" in " ".join(place.names["en"] for place in inside)
    assert {place.level for place in inside} == {"district"}


@pytest.mark.usefixtures("unit")
def test_of_one_name_the_place_nearby_comes_first():
    same = [place for place in queries.search_places("KH", "samraong", 50) if place.level == "commune"]
    again = queries.search_places("KH", "samraong", 50, near=[same[-1].path[0]])
    assert next(place.path[0] for place in again if place.level == "commune") == same[-1].path[0] != same[0].path[0]


@pytest.mark.usefixtures("unit")
def test_a_path_runs_from_the_province_to_the_village():
    village = queries.list_places("KH", "village")[7000]
    path = queries.place_path(village.id)
    assert [place.level for place in path] == ["province", "district", "commune", "village"]
    assert path[-1].id == village.id
    with pytest.raises(NotFound):
        queries.place_path(rules.place_id("KH", "village", "nowhere"))


@pytest.mark.usefixtures("unit")
def test_terms_stand_under_their_categories():
    terms = queries.list_terms()
    tops = {term.id: term for term in terms if term.parent_id is None}
    assert len(tops) == len(rules.read_taxonomy().categories)
    assert all(term.code.startswith(tops[term.parent_id].code + ".") for term in terms if term.parent_id)
    assert queries.term_by_code("violence").id in tops
    with pytest.raises(NotFound):
        queries.term_by_code("weather")


@pytest.mark.usefixtures("unit")
def test_holidays_between_two_days():
    shipped = [day.on for day in rules.read_holidays("KH")]
    assert [row.on_date for row in queries.holidays_between("KH", shipped[3], shipped[9])] == shipped[3:10]
