"""Reading reference data."""

import functools
import uuid
from collections.abc import Sequence
from datetime import date

from sqlalchemy import func, select, text

from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.reference import rules
from helpline.reference.models import HolidayRow, Place, PlaceKey, Taxonomy, TaxonomyTerm

SUGGESTIONS = 12
_country = functools.cache(rules.read_country)


_COUNTRY_OF = text("SELECT country FROM centres WHERE id = :id")  # by name: accounts stand above this slice


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


def search_places(country_code: str, words: str, limit: int = SUGGESTIONS) -> list[Place]:
    """Places whose name in any script begins so, wider ones first; [] for less than one letter."""
    key = rules.search_key(words)
    if not key:
        return []
    prefix = (PlaceKey.country == country_code, PlaceKey.key >= key, PlaceKey.key < key + "\U0010ffff")
    found = (
        select(PlaceKey.place_id, func.min(PlaceKey.key).label("key"), func.min(PlaceKey.depth).label("depth"))
        .where(*prefix)
        .group_by(PlaceKey.place_id)
        .order_by(func.min(PlaceKey.depth), func.length(func.min(PlaceKey.key)), func.min(PlaceKey.key))
        .limit(limit)
        .subquery()
    )
    statement = select(Place).join(found, found.c.place_id == Place.id)
    return list(
        db.session.scalars(statement.order_by(found.c.depth, func.length(found.c.key), found.c.key, Place.sort))
    )


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
