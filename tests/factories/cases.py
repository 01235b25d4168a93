"""Calls with children, ready to be opened as cases; written by the owner's login."""

import uuid
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from helpline.cases import queries
from helpline.cases.commands import OpenCase
from helpline.cases.services import assigning, opening
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import MadeCentre, MadeUser, make_centre, make_team, make_user


def make_place(owner_url: str, *, country: str = "KH", parent: uuid.UUID | None = None) -> uuid.UUID:
    """A province, or a district of one."""
    place_id = new_id()
    path = [place for place in (parent, place_id) if place]
    level = "district" if parent else "province"
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO places (id, country, code, level, depth, parent_id, path, names, sort)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1)",
            [
                place_id,
                country,
                place_id.hex[-8:],
                level,
                len(path),
                parent,
                path,
                Jsonb({"en": f"Place {place_id.hex[-4:]}"}),
            ],
        )
    return place_id


@dataclass(frozen=True)
class MadeCall:
    id: uuid.UUID
    child_id: uuid.UUID


def make_call(
    operator: MadeUser,
    *,
    risk: str = "high",
    place: uuid.UUID | None = None,
    team: uuid.UUID | None = None,
    source: str = "live",
    child_name: str = "Srey Neang",
    age: int | None = 9,
    gender: str = "female",
    narrative: str = "A neighbour heard it through the wall.",
) -> MadeCall:
    """A call that concerns one child."""
    call_id, child_id, centre = new_id(), new_id(), operator.centre
    child = seal_values("persons", child_id, {"name_sealed": child_name})
    words = seal_values("calls", call_id, {"narrative_sealed": narrative})
    with psycopg.connect(centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO persons (id, record_key, name_sealed, centre_id, role, age, age_known, gender, added_by, created_at)"
            " VALUES (%s, %s, %s, %s, 'child', %s, 'about', %s, %s, now())",
            [child_id, child["record_key"], child["name_sealed"], centre.id, age, gender, operator.id],
        )
        connection.execute(
            "INSERT INTO calls (id, record_key, narrative_sealed, centre_id, team_id, operator_id, channel, direction,"
            " kind, started_at, logged_at, caller_relation, place_id, province_id, risk_level, risk_reasons, source)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'phone', 'in', 'counselling', now(), now(), 'neighbour', %s, %s, %s, %s, %s)",
            [call_id, words["record_key"], words["narrative_sealed"], centre.id, team, operator.id, place, place, risk,
             Jsonb([{"code": "hurt"}]), source],
        )  # fmt: skip
        connection.execute(
            "INSERT INTO call_children (call_id, person_id, centre_id, position, age_band, gender)"
            " VALUES (%s, %s, %s, 0, '6-9', %s)",
            [call_id, child_id, centre.id, gender],
        )
    return MadeCall(call_id, child_id)


@dataclass(frozen=True)
class World:
    """One centre with two teams and somebody of each role."""

    centre: MadeCentre
    team: uuid.UUID
    other_team: uuid.UUID
    province: uuid.UUID
    operator: MadeUser
    caseworker: MadeUser
    other_caseworker: MadeUser  # of the other team
    team_supervisor: MadeUser
    supervisor: MadeUser
    admin: MadeUser
    auditor: MadeUser


def make_world(owner_url: str) -> World:
    centre = make_centre(owner_url)
    province = make_place(owner_url)
    team, other = make_team(centre, places=[province]), make_team(centre)
    return World(
        centre, team, other, province,
        operator=make_user(centre, "operator", other), caseworker=make_user(centre, "caseworker", team),
        other_caseworker=make_user(centre, "caseworker", other),
        team_supervisor=make_user(centre, "team_supervisor", team), supervisor=make_user(centre, "supervisor"),
        admin=make_user(centre, "admin"), auditor=make_user(centre, "auditor"),
    )  # fmt: skip


def open_case(world: World, **given) -> uuid.UUID:
    """A case opened by the world's operator, of the team that covers its province; needs an application context."""
    asked = {name: given.pop(name) for name in ("needs", "consent", "summary", "team_id") if name in given}
    call = make_call(world.operator, **{"place": world.province} | given)
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        return opening.open_case(ctx, OpenCase(new_id(), call.id, call.child_id, **asked)).id


def assign(world: World, case_id: uuid.UUID, caseworker: MadeUser | None = None) -> None:
    """Give it to the world's caseworker, as its supervisor."""
    ctx = world.supervisor.ctx()
    with unit_of_work(ctx):
        version = queries.get_case(case_id).version
        assigning.assign_caseworker(ctx, case_id, version, (caseworker or world.caseworker).id)
