"""Tables of the directory. Row rules: `policy.py`."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpline.foundation.db import Model
from helpline.foundation.errors import Conflict


class Agency(Model):
    """A partner organisation of one centre. `opening`: see `commands.SaveAgency`."""

    __tablename__ = "agencies"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('government', 'police', 'health', 'school', 'ngo', 'legal_aid', 'community', 'other')",
            name="kind",
        ),
        Index("ix_agencies_centre_id_created_at", "centre_id", "created_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    kind: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    address: Mapped[str | None]
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    opening: Mapped[dict[str, Any]] = mapped_column(JSONB)
    nationwide: Mapped[bool]
    active: Mapped[bool]
    created_at: Mapped[datetime]
    version: Mapped[int]

    services: Mapped[list["AgencyService"]] = relationship(
        lazy="raise", order_by="AgencyService.service", cascade="all, delete-orphan"
    )
    coverage: Mapped[list["AgencyCoverage"]] = relationship(lazy="raise", cascade="all, delete-orphan")

    def expect(self, version: int) -> None:
        """Raise Conflict("stale") if someone has changed the entry since `version` was read."""
        if self.version != version:
            raise Conflict("stale", version=self.version)


class AgencyService(Model):
    """One service an agency offers, with its limits. Ages in years, both inclusive; no sexes: everybody."""

    __tablename__ = "agency_services"
    __table_args__ = (
        CheckConstraint(
            "service IN ('child_protection', 'health', 'police', 'mental_health', 'school', 'legal', 'shelter',"
            " 'other')",
            name="service",
        ),
        CheckConstraint("min_age <= max_age", name="ages"),
        CheckConstraint("sexes <@ ARRAY['female', 'male', 'other']", name="sexes"),
        CheckConstraint("capacity >= 0", name="capacity"),
        Index("ix_agency_services_centre_id_service", "centre_id", "service"),
    )

    agency_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agencies.id"), primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    min_age: Mapped[int | None]
    max_age: Mapped[int | None]
    sexes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    capacity: Mapped[int | None]


class AgencyCoverage(Model):
    """A place an agency works in, of any level: a province stands for all its villages."""

    __tablename__ = "agency_coverage"
    __table_args__ = (Index("ix_agency_coverage_place_id", "place_id"),)

    agency_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agencies.id"), primary_key=True)
    place_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("places.id"), primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
