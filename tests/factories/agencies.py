"""Agencies of a centre, added by its supervisor; needs an application context."""

import uuid

from helpline.agencies import services
from helpline.agencies.commands import SaveAgency, ServiceOffer
from helpline.agencies.vocabulary import AgencyKind, Service
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.cases import World

ALWAYS = {
    "spans": [{"weekday": day, "opens": "00:00", "closes": "00:00"} for day in range(7)],
    "open_on_holidays": True,
}


def agency_command(world: World, **given) -> SaveAgency:
    """A clinic of the world's province that never closes."""
    offer = {name: given.pop(name) for name in ("min_age", "max_age", "sexes", "capacity") if name in given}
    service = given.pop("service", Service.HEALTH)
    agency_id = given.pop("agency_id", None) or new_id()
    usual = {
        "names": {"en": f"Clinic {agency_id.hex[-4:]}"}, "kind": AgencyKind.HEALTH, "coverage": (world.province,),
        "services": (ServiceOffer(service, **offer),), "email": f"{agency_id.hex[-8:]}@agency.test",
        "phone": "063 000 000", "languages": ("km",), "opening": ALWAYS,
    }  # fmt: skip
    return SaveAgency(agency_id, **usual | given)


def make_agency(world: World, **given) -> uuid.UUID:
    """Its id."""
    ctx = world.supervisor.ctx()
    with unit_of_work(ctx):
        return services.add_agency(ctx, agency_command(world, **given)).id
