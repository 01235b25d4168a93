"""Reading reference data."""

import functools
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, bindparam, func, select, text, union_all
from sqlalchemy.orm import aliased

from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.reference import rules
from helpline.reference.models import HolidayRow, Place, PlaceKey, Taxonomy, TaxonomyTerm

SUGGESTIONS = 12
MOST_OF_ONE_NAME = 200
_country = functools.cache(rules.read_country)


# By name: accounts stand above this slice.
_COUNTRY_OF = text("SELECT country FROM centres WHERE id = :id")
_COVERED = text("SELECT DISTINCT unnest(places) FROM teams WHERE id = ANY(:ids)")


def country_of_centre(centre_id: uuid.UUID | None) -> str | None:
    """The country whose tree of places a centre uses; None for actors of no centre."""
    found: str | None = db.session.scalar(_COUNTRY_OF, {"id": centre_id}) if centre_id else None
    return found


def list_countries() -> list[str]:
    """ISO codes of the countries whose places are known, upper case."""
    return rules.list_countries()


def country(code: str) -> rules.Country:
    """The country's document as data. Raises NotFound."""
    return _country(code)


def get_place(place_id: uuid.UUID) -> Place:
    place = find_place(place_id)
    if place is None:
        raise NotFound("place", place_id)
    return place


def find_place(place_id: uuid.UUID) -> Place | None:
    return db.session.get(Place, place_id)


def places_by_id(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Place]:
    """These places and all that contain them, by id: one statement."""
    if not ids:
        return {}
    paths = select(func.unnest(Place.path)).where(Place.id.in_(ids))
    return {place.id: place for place in db.session.scalars(select(Place).where(Place.id.in_(paths)))}


def place_path(place_id: uuid.UUID) -> list[Place]:
    """From the root (a province) to the place itself. Raises NotFound."""
    found = places_by_id([place_id])
    if place_id not in found:
        raise NotFound("place", place_id)
    return [found[step] for step in found[place_id].path]


def find_place_by_code(country_code: str, level: str, code: str) -> Place | None:
    statement = select(Place).where(Place.country == country_code, Place.level == level, Place.code == code)
    return db.session.scalars(statement.order_by(Place.sort).limit(1)).first()


def list_places(country_code: str, level: str) -> Sequence[Place]:
    """All places of a level in the country's own order (25 provinces; not for villages)."""
    statement = select(Place).where(Place.country == country_code, Place.level == level)
    return db.session.scalars(statement.order_by(Place.sort)).all()


def provinces_of(team_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """The places that these teams cover."""
    return list(db.session.scalars(_COVERED, {"ids": list(team_ids)})) if team_ids else []


def search_places(
    country_code: str, words: str, limit: int = SUGGESTIONS, near: Sequence[uuid.UUID] = ()
) -> list[Place]:
    """Places whose name in any script begins so, also with words of what they lie in; then what lies in the first.

    Wider ones first, of one name those within `near`; [] for less than one letter.
    """
    named = [_named(country_code, reading) for reading in rules.readings(words)]
    if not named:
        return []
    each = union_all(*named).subquery()
    key, depth = func.min(each.c.key), func.min(each.c.depth)
    best = (
        select(each.c.place_id, key.label("key"), depth.label("depth"))
        .group_by(each.c.place_id)
        .order_by(depth, func.length(key), key)
        .limit(MOST_OF_ONE_NAME)
        .subquery()
    )
    rank = (
        best.c.depth,
        func.length(best.c.key),
        best.c.key,
        _meets(bindparam(None, list(near), ARRAY(Uuid()))).desc(),
        Place.sort,
    )
    statement = select(Place).join(best, best.c.place_id == Place.id).order_by(*rank).limit(limit)
    found = list(db.session.scalars(statement))
    return found + _within(found[0], limit - len(found), found) if found else []


def _named(country_code: str, reading: tuple[str, ...]) -> Select[uuid.UUID, str, int]:
    """Keys that begin as the first part, of places that lie in one of each other part."""
    name, *around = reading
    statement = select(PlaceKey.place_id, PlaceKey.key, PlaceKey.depth).where(*_begins(PlaceKey, country_code, name))
    for part in around:
        outer = aliased(PlaceKey)
        widest = select(outer.place_id).where(*_begins(outer, country_code, part)).order_by(outer.depth)
        lies = _meets(func.array(widest.limit(MOST_OF_ONE_NAME).scalar_subquery()))
        statement = statement.where(PlaceKey.place_id.in_(select(Place.id).where(lies)))
    return statement


def _meets(ids: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a place is one of these, or lies in one."""
    return Place.path.bool_op("&&")(ids)


def _begins(of: type[PlaceKey], country_code: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return of.country == country_code, of.key >= key, of.key < key + "\U0010ffff"


def _within(place: Place, limit: int, but_not: Sequence[Place]) -> list[Place]:
    known = [other.id for other in but_not]
    statement = select(Place).where(Place.parent_id == place.id, Place.id.not_in(known)).order_by(Place.sort)
    return list(db.session.scalars(statement.limit(limit))) if limit > 0 else []


def active_taxonomy() -> Taxonomy:
    """The version new calls are recorded in. Raises NotFound where none is loaded."""
    return get_taxonomy()


def get_taxonomy(version: str | None = None) -> Taxonomy:
    """A version, or the active one. Raises NotFound("taxonomy")."""
    which = Taxonomy.version == version if version else Taxonomy.active
    found = db.session.scalars(select(Taxonomy).where(which)).first()
    if found is None:
        raise NotFound("taxonomy")
    return found


def list_terms(version: str | None = None) -> Sequence[TaxonomyTerm]:
    """Every category and subcategory of a version (default: the active one), categories before their own."""
    which = Taxonomy.version == version if version else Taxonomy.active
    statement = select(TaxonomyTerm).join(Taxonomy, Taxonomy.id == TaxonomyTerm.taxonomy_id).where(which)
    return db.session.scalars(statement.order_by(TaxonomyTerm.sort)).all()


def terms_by_id(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, TaxonomyTerm]:
    if not ids:
        return {}
    return {term.id: term for term in db.session.scalars(select(TaxonomyTerm).where(TaxonomyTerm.id.in_(ids)))}


def term_by_code(code: str, version: str | None = None) -> TaxonomyTerm:
    """Raises NotFound("taxonomy_term")."""
    which = Taxonomy.version == version if version else Taxonomy.active
    statement = select(TaxonomyTerm).join(Taxonomy, Taxonomy.id == TaxonomyTerm.taxonomy_id)
    found = db.session.scalars(statement.where(which, TaxonomyTerm.code == code)).first()
    if found is None:
        raise NotFound("taxonomy_term")
    return found


def holidays_between(country_code: str, first: date, last: date) -> Sequence[HolidayRow]:
    statement = select(HolidayRow).where(HolidayRow.country == country_code, HolidayRow.on_date.between(first, last))
    return db.session.scalars(statement.order_by(HolidayRow.on_date)).all()
