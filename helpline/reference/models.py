"""Reference data in the database: shared by every centre, read by all, written by the owner alone."""

import uuid
from datetime import date

from sqlalchemy import ARRAY, Date, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.db import Model


class Place(Model):
    """A node of a country's tree of places. `path` runs from the root to the place itself."""

    __tablename__ = "places"
    __table_args__ = (
        Index("ix_places_code", "country", "level", "code"),
        Index("ix_places_parent_id", "parent_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    country: Mapped[str]
    code: Mapped[str]
    level: Mapped[str]
    depth: Mapped[int] = mapped_column(SmallInteger())
    parent_id: Mapped[uuid.UUID | None]
    path: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid()))
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    urban: Mapped[bool | None]
    sort: Mapped[int]


class PlaceKey(Model):
    """A search key of a place's name in some script (`rules.search_key`), for type-ahead by prefix."""

    __tablename__ = "place_keys"
    __table_args__ = (Index("ix_place_keys_place_id", "place_id"),)

    country: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    depth: Mapped[int] = mapped_column(SmallInteger())
    place_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("places.id", ondelete="CASCADE"), primary_key=True)


class Taxonomy(Model):
    """A version of a tree of reasons; calls keep the version they were recorded in."""

    __tablename__ = "taxonomies"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    active: Mapped[bool]


class TaxonomyTerm(Model):
    """A category (`violence`) or subcategory (`violence.neglect`)."""

    __tablename__ = "taxonomy_terms"
    __table_args__ = (UniqueConstraint("taxonomy_id", "code"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    taxonomy_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("taxonomies.id"))
    parent_id: Mapped[uuid.UUID | None]
    code: Mapped[str]
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    sort: Mapped[int]


class HolidayRow(Model):
    """A day on which offices are closed."""

    __tablename__ = "holidays"

    country: Mapped[str] = mapped_column(primary_key=True)
    on_date: Mapped[date] = mapped_column(Date(), primary_key=True)
    names: Mapped[dict[str, str]] = mapped_column(JSONB)


class ReferenceLoad(Model):
    """The digest of the files that were loaded: the same again means nothing to do."""

    __tablename__ = "reference_loads"

    one: Mapped[bool] = mapped_column(primary_key=True)
    digest: Mapped[str]
