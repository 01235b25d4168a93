"""Loading reference data into the database, as its owner; loading again changes only what differs."""

import uuid
from typing import Any

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.foundation.context import Context
from helpline.foundation.db import Model, db
from helpline.reference import rules
from helpline.reference.models import HolidayRow, Place, PlaceKey, ReferenceLoad, Taxonomy, TaxonomyTerm

CHUNK = 5000
_TERMS = uuid.UUID("5b3cf0a2-02a8-5d53-8a6e-0e9a5d8e1280")


def load_reference(ctx: Context) -> dict[str, int] | None:
    """Bring every country, taxonomy and holiday that ships into the database. Gives counts by kind; None where
    these very files were the last ones loaded.
    """
    del ctx  # reference data belongs to no one; only the owner's login may write it
    digest = rules.digest_of_data()
    if db.session.scalar(select(ReferenceLoad.digest)) == digest:
        return None
    counts = {"places": 0, "terms": 0, "holidays": 0}
    for code in rules.list_countries():
        counts["places"] += _load_places(code)
        days = [{"country": code, "on_date": day.on, "names": dict(day.names)} for day in rules.read_holidays(code)]
        db.session.execute(delete(HolidayRow).where(HolidayRow.country == code))
        counts["holidays"] += _insert(HolidayRow, days)
    for version in rules.list_taxonomies():
        counts["terms"] += _load_taxonomy(version)
    load = upsert(ReferenceLoad).values(one=True, digest=digest)
    db.session.execute(load.on_conflict_do_update(index_elements=["one"], set_={"digest": digest}))
    return counts


def _load_places(country: str) -> int:
    paths: dict[uuid.UUID, list[uuid.UUID]] = {}
    rows, keys = [], []
    for sort, place in enumerate(rules.read_places(country)):
        paths[place.id] = [*paths.get(place.parent_id, []), place.id] if place.parent_id else [place.id]
        depth = len(paths[place.id])
        rows.append(
            {
                "id": place.id, "country": country, "code": place.code, "level": place.level, "depth": depth,
                "parent_id": place.parent_id, "path": paths[place.id], "names": dict(place.names),
                "urban": place.urban, "sort": sort,
            }
        )  # fmt: skip
        keys += [{"country": country, "key": key, "depth": depth, "place_id": place.id} for key in place.search_keys]
    db.session.execute(delete(PlaceKey).where(PlaceKey.country == country))
    _put(Place, rows, "id")
    _insert(PlaceKey, keys)
    return len(rows)


def _load_taxonomy(version: str) -> int:
    tree = rules.read_taxonomy(version)
    taxonomy_id = uuid.uuid5(_TERMS, version)
    newest = version == max(rules.list_taxonomies())
    _put(Taxonomy, [{"id": taxonomy_id, "version": version, "name": version, "active": newest}], "id")
    terms: list[dict[str, Any]] = []
    for category in tree.categories:
        parent_id = uuid.uuid5(taxonomy_id, category.code)
        terms.append(_term(taxonomy_id, category.code, category.names, None, len(terms)))
        terms += [
            _term(taxonomy_id, sub.code, sub.names, parent_id, len(terms) + i)
            for i, sub in enumerate(category.subcategories)
        ]
    _put(TaxonomyTerm, terms, "id")
    return len(terms)


def _term(taxonomy_id: uuid.UUID, code: str, names: Any, parent_id: uuid.UUID | None, sort: int) -> dict[str, Any]:
    return {
        "id": uuid.uuid5(taxonomy_id, code), "taxonomy_id": taxonomy_id, "parent_id": parent_id, "code": code,
        "names": dict(names), "sort": sort,
    }  # fmt: skip


def _insert(model: type[Model], rows: list[dict[str, Any]]) -> int:
    for start in range(0, len(rows), CHUNK):
        db.session.execute(insert(model), rows[start : start + CHUNK])
    return len(rows)


def _put(model: type[Model], rows: list[dict[str, Any]], key: str) -> None:
    """Insert, or bring up to date by primary key."""
    table = model.__table__
    assert isinstance(table, Table)
    columns = [table.c[name] for name in rows[0]]
    stored = {row[key]: dict(row) for row in db.session.execute(select(*columns)).mappings()}
    _insert(model, [row for row in rows if row[key] not in stored])
    changed = [row for row in rows if stored.get(row[key], row) != row]
    for start in range(0, len(changed), CHUNK):
        statement = upsert(table).values(changed[start : start + CHUNK])
        fresh = {column.name: statement.excluded[column.name] for column in columns if column.name != key}
        db.session.execute(statement.on_conflict_do_update(index_elements=[key], set_=fresh))
