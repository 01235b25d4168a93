"""Reading the directory."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, or_, select, tuple_
from sqlalchemy.orm import selectinload

from helpline.accounts import queries as accounts
from helpline.agencies.models import Agency, AgencyCoverage, AgencyService
from helpline.agencies.rules import hours_of
from helpline.foundation.calendar import OpeningHours, local_day, within_opening
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.reference import queries as reference

PAGE = 50
_SCAN = 200  # rows looked at together where "open now" must be reckoned
_AROUND = timedelta(days=14)  # holidays that can matter to the next opening

Key = tuple[datetime, uuid.UUID]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to. `place_path`: a place and all above it; `open_at`: open at this instant."""

    service: str | None = None
    place_path: tuple[uuid.UUID, ...] = ()
    open_at: datetime | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the directory knows of one agency for one service. `covered`: those of the asked places it works in."""

    agency_id: uuid.UUID
    names: dict[str, str]
    covered: frozenset[uuid.UUID]
    nationwide: bool
    hours: OpeningHours
    languages: frozenset[str]
    active: bool
    email: str | None
    phone: str | None
    min_age: int | None
    max_age: int | None
    sexes: frozenset[str]
    capacity: int | None


def narrow(ctx: Context, query: dict[str, Any]) -> Filters:
    """The filters of a query as `schemas.AgencyQuery` loads it. Raises NotFound for a place that there is not."""
    path = reference.place_path(query["place_id"]) if query["place_id"] else []
    return Filters(
        service=query["service"], place_path=tuple(place.id for place in path),
        open_at=ctx.now if query["open_now"] else None, active={"yes": True, "no": False, "any": None}[query["active"]],
    )  # fmt: skip


def get_agency(agency_id: uuid.UUID, *, lock: bool = False) -> Agency:
    """One entry with its services and places. Raises NotFound."""
    agency = find_agency(agency_id, lock=lock)
    if agency is None:
        raise NotFound("agency", agency_id)
    return agency


def find_agency(agency_id: uuid.UUID, *, lock: bool = False) -> Agency | None:
    """As `get_agency`, or None."""
    statement = (
        select(Agency)
        .where(Agency.id == agency_id)
        .options(selectinload(Agency.services), selectinload(Agency.coverage))
    )
    return db.session.scalars(statement.with_for_update(of=Agency) if lock else statement).one_or_none()


def list_agencies(ctx: Context, filters: Filters, after: Key | None = None) -> Sequence[Agency]:
    """Entries of the actor's centre, newest first; one more than a page tells that there are more."""
    rows = _scan(_narrowed(ctx, filters), after)
    if filters.open_at is None:
        return [agency for agency, _ in zip(rows, range(PAGE + 1), strict=False)]
    zone, days = ZoneInfo(ctx.timezone), holidays(filters.open_at, _own_centre(ctx))
    fitting = (a for a in rows if within_opening(hours_of(a.opening), filters.open_at, zone, days))
    return [agency for agency, _ in zip(fitting, range(PAGE + 1), strict=False)]


def is_open(ctx: Context, opening: dict[str, Any]) -> bool:
    """Whether a place with these hours is open now."""
    return within_opening(hours_of(opening), ctx.now, ZoneInfo(ctx.timezone), holidays(ctx.now, _own_centre(ctx)))


def holidays(around: datetime, centre_id: uuid.UUID) -> frozenset[date]:
    """The centre's days off near an instant, for the calendar."""
    centre = accounts.get_centre(centre_id)
    zone = ZoneInfo(centre.timezone)
    first, last = local_day(around - _AROUND, zone), local_day(around + _AROUND, zone)
    return frozenset(holiday.on_date for holiday in reference.holidays_between(centre.country, first, last))


def offers(centre_id: uuid.UUID, service: str, place_path: Sequence[uuid.UUID]) -> list[Offer]:
    """Who offers `service` there: those that cover a place of the path or the whole country.

    `place_path` is a place and all above it. With none, everybody who offers the service, wherever.
    """
    covers = select(AgencyCoverage.place_id).where(
        AgencyCoverage.agency_id == Agency.id, AgencyCoverage.place_id.in_(place_path)
    )
    statement = (
        select(Agency, AgencyService, func.array(covers.scalar_subquery()))
        .join(AgencyService, AgencyService.agency_id == Agency.id)
        .where(AgencyService.centre_id == centre_id, AgencyService.service == service)
    )
    if place_path:
        statement = statement.where(or_(Agency.nationwide, covers.exists()))
    return [_offer(agency, offer, covered) for agency, offer, covered in db.session.execute(statement)]


def list_names(centre_id: uuid.UUID) -> list[tuple[uuid.UUID, dict[str, str]]]:
    """Ids and names of all agencies of a centre, those no longer active too."""
    statement = select(Agency.id, Agency.names).where(Agency.centre_id == centre_id).order_by(Agency.id)
    return [(agency_id, names) for agency_id, names in db.session.execute(statement)]


def names_of(agency_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, str]]:
    """Names by language for ids, for lists of slices above."""
    if not agency_ids:
        return {}
    rows = db.session.execute(select(Agency.id, Agency.names).where(Agency.id.in_(agency_ids)))
    return dict(rows.all())


def _offer(agency: Agency, offer: AgencyService, covered: Sequence[uuid.UUID]) -> Offer:
    return Offer(
        agency_id=agency.id, names=agency.names, covered=frozenset(covered), nationwide=agency.nationwide,
        hours=hours_of(agency.opening), languages=frozenset(agency.languages), active=agency.active,
        email=agency.email, phone=agency.phone, min_age=offer.min_age, max_age=offer.max_age,
        sexes=frozenset(offer.sexes), capacity=offer.capacity,
    )  # fmt: skip


def _own_centre(ctx: Context) -> uuid.UUID:
    assert ctx.actor.centre_id is not None  # people who read the directory belong to a centre
    return ctx.actor.centre_id


def _narrowed(ctx: Context, filters: Filters) -> Select[Agency]:
    statement = select(Agency).where(Agency.centre_id == ctx.actor.centre_id).options(selectinload(Agency.services))
    if filters.active is not None:
        statement = statement.where(Agency.active.is_(filters.active))
    if filters.service:
        offered = select(AgencyService.agency_id).where(
            AgencyService.agency_id == Agency.id, AgencyService.service == filters.service
        )
        statement = statement.where(offered.exists())
    if filters.place_path:
        covers = select(AgencyCoverage.agency_id).where(
            AgencyCoverage.agency_id == Agency.id, AgencyCoverage.place_id.in_(filters.place_path)
        )
        statement = statement.where(or_(Agency.nationwide, covers.exists()))
    return statement


def _scan(statement: Select[Agency], after: Key | None) -> Iterator[Agency]:
    while True:
        here = statement if after is None else statement.where(tuple_(Agency.created_at, Agency.id) < after)
        rows = db.session.scalars(here.order_by(Agency.created_at.desc(), Agency.id.desc()).limit(_SCAN)).all()
        yield from rows
        if len(rows) < _SCAN:
            return
        after = (rows[-1].created_at, rows[-1].id)
