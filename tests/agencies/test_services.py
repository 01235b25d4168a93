"""The directory: who writes it, what it must hold, and what narrowing finds."""

import dataclasses
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from helpline.agencies import queries, services
from helpline.agencies.commands import ServiceOffer
from helpline.agencies.vocabulary import Service, Sex
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from tests.factories.agencies import agency_command, make_agency
from tests.factories.cases import make_place, make_world

pytestmark = pytest.mark.usefixtures("in_app")
OFFICE = {"spans": [{"weekday": day, "opens": "08:00", "closes": "17:00"} for day in range(5)]}


def do(user, deed, *args, **kwargs):
    ctx = user.ctx()
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def audited(rows, ctx):
    return rows("SELECT action, outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)


def found(user, at=None, **filters):
    ctx = user.ctx(at=at)
    with unit_of_work(ctx):
        return {agency.id for agency in queries.list_agencies(ctx, queries.Filters(**filters))}


def test_an_agency_is_added_whole_and_once(world, rows):
    offer = ServiceOffer(Service.SHELTER, min_age=10, max_age=17, sexes=(Sex.FEMALE,), capacity=4)
    command = dataclasses.replace(agency_command(world), services=(offer,))
    ctx, agency = do(world.supervisor, services.add_agency, command)
    assert audited(rows, ctx) == [("agency.added", "done")]
    ctx, again = do(world.admin, services.add_agency, command)
    assert (again.id, audited(rows, ctx)) == (agency.id, [])
    with unit_of_work(world.caseworker.ctx()):
        seen = queries.get_agency(agency.id)
        assert [(s.service, s.min_age, s.max_age, s.sexes, s.capacity) for s in seen.services] == [
            ("shelter", 10, 17, ["female"], 4)
        ]
        assert [place.place_id for place in seen.coverage] == [world.province]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "auditor"])
def test_others_change_nothing_and_leave_one_refusal(world, rows, role):
    command, ctx = agency_command(world), getattr(world, role).ctx()
    with pytest.raises(Forbidden), unit_of_work(ctx):
        services.add_agency(ctx, command)
    assert rows("SELECT 1 FROM agencies WHERE id = %s", command.agency_id) == []
    assert audited(rows, ctx) == [("agency:edit", "refused")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"names": {"en": " "}}, "required"),
        ({"services": ()}, "agency_service_needed"),
        ({"services": (ServiceOffer(Service.HEALTH, min_age=9, max_age=8),)}, "agency_ages"),
        ({"coverage": ()}, "agency_coverage_needed"),
    ],
)
def test_what_could_never_be_asked_is_refused(world, changes, code):
    with pytest.raises(Invalid, match=code):
        do(world.supervisor, services.add_agency, dataclasses.replace(agency_command(world), **changes))


def test_the_second_of_two_who_edit_is_told(world, rows):
    agency_id = make_agency(world)
    command = agency_command(world, agency_id=agency_id, phone="012 345 678", service=Service.LEGAL)
    ctx, agency = do(world.supervisor, services.edit_agency, command, 1)
    assert (agency.version, agency.phone, [s.service for s in agency.services]) == (2, "012 345 678", ["legal"])
    assert audited(rows, ctx) == [("agency.edited", "done")]
    with pytest.raises(Conflict, match="stale"):
        do(world.admin, services.edit_agency, command, 1)


def test_one_that_is_asked_no_longer_stays_in_the_directory(world, rows):
    agency_id = make_agency(world)
    ctx, agency = do(world.supervisor, services.set_active, agency_id, 1, active=False)
    assert (agency.active, agency.version) == (False, 2)
    assert audited(rows, ctx) == [("agency.deactivated", "done")]
    assert agency_id not in found(world.caseworker, active=True)
    assert agency_id in found(world.caseworker, active=False)


def test_another_centre_sees_nothing(world, database_urls):
    agency_id, stranger = make_agency(world), make_world(database_urls["owner"]).supervisor
    with pytest.raises(NotFound), unit_of_work(stranger.ctx()):
        queries.get_agency(agency_id)
    assert found(stranger) == set()
    with pytest.raises(NotFound):
        do(stranger, services.set_active, agency_id, 1, active=False)


def test_narrowing_by_service_place_and_open_now(world, database_urls):
    district = make_place(database_urls["owner"], parent=world.province)
    elsewhere = make_place(database_urls["owner"])
    whole, legal = make_agency(world), make_agency(world, service=Service.LEGAL)
    local = make_agency(world, coverage=(district,), opening=OFFICE)
    far, everywhere = make_agency(world, coverage=(elsewhere,)), make_agency(world, coverage=(), nationwide=True)
    everybody = {whole, legal, local, far, everywhere}
    user = world.operator
    assert found(user) == everybody
    assert found(user, service=Service.LEGAL) == {legal}
    assert found(user, place_path=(world.province,)) == {whole, legal, everywhere}
    assert found(user, place_path=(world.province, district)) == {whole, legal, local, everywhere}
    monday = datetime(2026, 11, 30, 9, 0, tzinfo=ZoneInfo(world.centre.timezone))
    assert found(user, at=monday, open_at=monday) == everybody
    night = monday.replace(hour=22)
    assert found(user, at=night, open_at=night) == everybody - {local}


def test_the_list_goes_on_where_it_stopped(world, monkeypatch):
    monkeypatch.setattr(queries, "PAGE", 2)
    monkeypatch.setattr(queries, "_SCAN", 2)
    made = [make_agency(world) for _ in range(5)]
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        first = queries.list_agencies(ctx, queries.Filters())
        rest = queries.list_agencies(ctx, queries.Filters(), (first[1].created_at, first[1].id))
    assert [agency.id for agency in first] == made[:-4:-1]
    assert [agency.id for agency in rest] == made[2::-1]


def test_offers_are_those_that_cover_the_place_or_the_country(world, database_urls):
    district = make_place(database_urls["owner"], parent=world.province)
    whole, everywhere = make_agency(world, capacity=2), make_agency(world, coverage=(), nationwide=True)
    make_agency(world, service=Service.LEGAL), make_agency(world, coverage=(make_place(database_urls["owner"]),))
    with unit_of_work(world.supervisor.ctx()):
        near = {o.agency_id: o for o in queries.offers(world.centre.id, "health", (district, world.province))}
        anywhere = queries.offers(world.centre.id, "health", ())
    assert set(near) == {whole, everywhere}
    assert (near[whole].covered, near[whole].capacity) == ({world.province}, 2)
    assert (near[everywhere].covered, near[everywhere].nationwide) == (set(), True)
    assert len(anywhere) == 3


def test_a_miss_by_id_is_one_refusal(world, rows):
    ctx = world.operator.ctx()
    with pytest.raises(NotFound), unit_of_work(ctx):
        queries.get_agency(new_id())
    assert audited(rows, ctx) == [("agency:read", "refused")]


def test_an_id_in_use_elsewhere_is_told_and_a_place_must_be_one(world, database_urls):
    stranger = make_world(database_urls["owner"])
    command = agency_command(world, agency_id=make_agency(stranger))
    with pytest.raises(Conflict, match="id_in_use"):
        do(world.supervisor, services.add_agency, command)
    with pytest.raises(Invalid, match="place_unknown"):
        do(world.supervisor, services.add_agency, agency_command(world, coverage=(world.province, new_id())))
