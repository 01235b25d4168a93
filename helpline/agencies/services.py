"""Writing the directory."""

import uuid
from dataclasses import asdict

from sqlalchemy.exc import IntegrityError

from helpline.agencies.commands import SaveAgency
from helpline.agencies.models import Agency, AgencyCoverage, AgencyService
from helpline.agencies.queries import find_agency, get_agency
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Forbidden, Invalid
from helpline.reference import queries as reference

_COLUMNS = ("kind", "email", "phone", "address", "nationwide")


def add_agency(ctx: Context, command: SaveAgency, *, centre_id: uuid.UUID | None = None) -> Agency:
    """Add an entry to the directory. `centre_id` is for the keeper alone, who belongs to none.

    The same id again gives the entry that stands, as it is. Raises Invalid where the entry could never be asked,
    Conflict("id_in_use").
    """
    require(ctx, Permission.AGENCY_EDIT)
    centre = ctx.actor.centre_id or centre_id
    if centre is None:
        raise Forbidden(Permission.AGENCY_EDIT)
    _check(command)
    standing = find_agency(command.agency_id)
    if standing is not None:
        return standing
    agency = Agency(id=command.agency_id, centre_id=centre, created_at=ctx.now, active=True, version=1)
    agency.services, agency.coverage = [], []
    db.session.add(agency)
    _fill(agency, command)
    try:
        db.session.flush()
    except IntegrityError as error:  # an id in use where this actor can't look
        raise Conflict("id_in_use") from error
    record(ctx, "agency.added", "agency", agency.id, fields=["directory"], centre_id=centre)
    return agency


def edit_agency(ctx: Context, command: SaveAgency, version: int) -> Agency:
    """Replace an entry. Raises NotFound, Invalid, Conflict("stale") if someone changed it since `version`."""
    require(ctx, Permission.AGENCY_EDIT, command.agency_id)
    _check(command)
    agency = get_agency(command.agency_id, lock=True)
    agency.expect(version)
    agency.services, agency.coverage = [], []
    db.session.flush()
    _fill(agency, command)
    agency.version += 1
    db.session.flush()
    record(ctx, "agency.edited", "agency", agency.id, fields=["directory"], centre_id=agency.centre_id)
    return agency


def set_active(ctx: Context, agency_id: uuid.UUID, version: int, *, active: bool) -> Agency:
    """Ask this agency from now on, or no longer. What it was asked already stays. Raises NotFound, Conflict."""
    require(ctx, Permission.AGENCY_EDIT, agency_id)
    agency = get_agency(agency_id, lock=True)
    agency.expect(version)
    if agency.active is not active:
        agency.active, agency.version = active, agency.version + 1
        db.session.flush()
        action = "agency.activated" if active else "agency.deactivated"
        record(ctx, action, "agency", agency.id, centre_id=agency.centre_id)
    return agency


def _check(command: SaveAgency) -> None:
    if not any(name.strip() for name in command.names.values()):
        raise Invalid("required", "names")
    if not command.services:
        raise Invalid("agency_service_needed", "services")
    for offer in command.services:
        if offer.min_age is not None and offer.max_age is not None and offer.min_age > offer.max_age:
            raise Invalid("agency_ages", f"services-{offer.service}-min_age")
    if not command.nationwide and not command.coverage:
        raise Invalid("agency_coverage_needed", "coverage")
    if len(reference.places_by_id(command.coverage).keys() & set(command.coverage)) < len(set(command.coverage)):
        raise Invalid("place_unknown", "coverage")


def _fill(agency: Agency, command: SaveAgency) -> None:
    for column in _COLUMNS:
        setattr(agency, column, getattr(command, column))
    agency.names = {language: name.strip() for language, name in command.names.items() if name.strip()}
    agency.languages = list(command.languages)
    agency.opening = {"spans": [], "open_on_holidays": False} | dict(command.opening)
    agency.services = [
        AgencyService(centre_id=agency.centre_id, **asdict(offer) | {"sexes": list(offer.sexes)})
        for offer in {offer.service: offer for offer in command.services}.values()
    ]
    agency.coverage = [
        AgencyCoverage(place_id=place, centre_id=agency.centre_id) for place in dict.fromkeys(command.coverage)
    ]
