"""Centres and their teams."""

import uuid
from zoneinfo import available_timezones

from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.accounts import queries
from helpline.accounts.commands import SaveCentre, SaveTeam
from helpline.accounts.models import Centre, Team
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.i18n import LANGUAGES
from helpline.reference import queries as reference

_MINE = ("name", "code", "timezone", "languages", "phone")


def create_centre(ctx: Context, centre_id: uuid.UUID, country: str, command: SaveCentre) -> Centre:
    """The keeper's: a new centre in a country that reference data knows (`kh`). Raises Invalid."""
    require(ctx, Permission.CENTRE_EDIT)
    _check(command)
    if country not in reference.list_countries():
        raise Invalid("country_unknown", "country")
    _free_code(command.code, None)
    values = {"id": centre_id, "country": country, "created_at": ctx.now} | _values(command)
    db.session.execute(insert(Centre).values(values))
    record(ctx, "centre.created", "centre", centre_id, centre_id=centre_id)
    return queries.get_centre(centre_id)


def open_centre(
    ctx: Context, centre_id: uuid.UUID, country: str, code: str, name: str, *, phone: str = ""
) -> Centre:  # fmt: skip
    """The keeper's: a centre with its country's time zone, and those of its languages that we speak. Raises Invalid."""
    if country not in reference.list_countries():
        raise Invalid("country_unknown", "country", known=reference.list_countries())
    if not name.strip():
        raise Invalid("required", "centre_name")
    known = reference.country(country)
    languages = tuple(one for one in known.languages if one in LANGUAGES) or LANGUAGES[:1]
    return create_centre(ctx, centre_id, country, SaveCentre(name.strip(), code, known.time_zone.key, languages, phone))


def edit_centre(ctx: Context, version: int, command: SaveCentre) -> Centre:
    """Change the actor's own centre. Raises Conflict("stale")."""
    require(ctx, Permission.CENTRE_EDIT)
    if ctx.actor.centre_id is None:
        raise NotFound("centre")
    _check(command)
    centre = queries.get_centre(ctx.actor.centre_id)
    if centre.version != version:
        raise Conflict("stale")
    _free_code(command.code, centre.id)
    changed = {name: value for name, value in _values(command).items() if getattr(centre, name) != value}
    for name, value in changed.items():
        setattr(centre, name, value)
    if changed:
        db.session.flush()
        record(ctx, "centre.changed", "centre", centre.id, fields=changed)
    return centre


def _values(command: SaveCentre) -> dict[str, object]:
    return {name: getattr(command, name) for name in _MINE} | {"languages": list(command.languages)}


def _check(command: SaveCentre) -> None:
    if command.timezone not in available_timezones():
        raise Invalid("timezone_unknown", "timezone")
    if not command.languages or not set(command.languages) <= set(LANGUAGES):
        raise Invalid("language_unknown", "languages")


def _free_code(code: str, own_id: uuid.UUID | None) -> None:
    if queries.code_taken(code, own_id):
        raise Invalid("code_taken", "code")


def create_team(ctx: Context, command: SaveTeam) -> Team:
    """Add a team to the actor's centre. Posting the same id twice makes one. Raises Invalid for a name in use."""
    require(ctx, Permission.CENTRE_EDIT)
    centre_id = ctx.actor.centre_id or command.centre_id
    if centre_id is None:
        raise Invalid("required", "centre_id")
    _check_places(centre_id, command.places)
    values = {
        "id": command.team_id, "centre_id": centre_id, "name": command.name, "places": list(command.places),
        "active": command.active,
    }  # fmt: skip
    added = db.session.execute(upsert(Team).values(values).on_conflict_do_nothing().returning(Team.id)).first()
    if added is None:
        same = next((team for team in queries.list_teams(centre_id) if team.id == command.team_id), None)
        if same is None or same.name != command.name:
            raise Invalid("team_name_taken", "name")
        return same
    record(ctx, "team.created", "team", command.team_id, centre_id=centre_id)
    return queries.get_team(command.team_id)


def edit_team(ctx: Context, version: int, command: SaveTeam) -> Team:
    """Change a team. Raises Conflict("stale"), Invalid for a name in use."""
    require(ctx, Permission.CENTRE_EDIT, command.team_id)
    team = queries.get_team(command.team_id)
    if team.version != version:
        raise Conflict("stale")
    _check_places(team.centre_id, command.places)
    others = [other for other in queries.list_teams(team.centre_id) if other.id != team.id]
    if command.name in {other.name for other in others}:
        raise Invalid("team_name_taken", "name")
    fresh = {"name": command.name, "places": list(command.places), "active": command.active}
    changed = {name: value for name, value in fresh.items() if getattr(team, name) != value}
    for name, value in changed.items():
        setattr(team, name, value)
    if changed:
        db.session.flush()
        record(ctx, "team.changed", "team", team.id, fields=changed, centre_id=team.centre_id)
    return team


def _check_places(centre_id: uuid.UUID, places: tuple[uuid.UUID, ...]) -> None:
    country = queries.get_centre(centre_id).country
    found = reference.places_by_id(places)
    if any(place not in found or found[place].country != country for place in places):
        raise Invalid("place_unknown", "places")
