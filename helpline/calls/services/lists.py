"""Which calls a list shows: what was asked, within the actor's reach."""

import uuid
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from helpline.accounts.queries import get_centre
from helpline.calls import queries
from helpline.calls.vocabulary import NONE, CallFilter
from helpline.foundation.context import Context
from helpline.foundation.errors import Invalid, NotFound
from helpline.reference import queries as reference

_ASKED = {each.name for each in fields(CallFilter)} - {"centre_id", "team_ids", "operator_id", "granted", "zone"}


def narrowed(ctx: Context, asked: Mapping[str, Any]) -> CallFilter:
    """Raises Invalid("province_unknown", "province"), NotFound("team") for a team out of reach."""
    given = {name: value for name, value in asked.items() if name in _ASKED and value is not None}
    if given.get("province", NONE) != NONE:
        given["province"] = _province(ctx, given["province"])
    within = replace(queries.reach(ctx), **{name: getattr(v, "value", v) for name, v in given.items()})
    if asked.get("mine"):
        within = replace(within, operator_id=ctx.actor.id)
    team_id = asked.get("team")
    if team_id is None:
        return within
    if within.team_ids is not None and team_id not in within.team_ids:
        raise NotFound("team", team_id)
    return replace(within, team_ids=(team_id,))


def _province(ctx: Context, text: str) -> uuid.UUID:
    """By id, or by its code in the centre's country."""
    try:
        return uuid.UUID(text)
    except ValueError:
        pass
    country = get_centre(ctx.actor.centre_id).country if ctx.actor.centre_id else ""
    level = reference.country(country).place_levels[0].code
    found = next((reference.find_place_by_code(c, level, text) for c in (country, country.upper())), None)
    if found is None:
        raise Invalid("province_unknown", "province")
    return found.id
