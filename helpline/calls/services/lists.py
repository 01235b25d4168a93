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
from helpline.reference.rules import begins_a_word, spoken

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


def reasons_in(locale: str) -> list[tuple[str, str, str | None, list[str]]]:
    """(code, name, category's name, every name to find it by) of each reason; categories have no category."""
    terms = reference.list_terms()
    groups = {term.id: term for term in terms if term.parent_id is None}
    return [
        (
            term.code, spoken(term.names, locale),
            spoken(group.names, locale) if (group := groups.get(term.parent_id) if term.parent_id else None) else None,
            [*term.names.values(), *(group.names.values() if group else ())],
        )
        for term in terms
    ]  # fmt: skip


def reason_names(locale: str) -> dict[str, dict[str, str | None]]:
    return {code: {"label": label, "group": group} for code, label, group, _found in reasons_in(locale)}


def pick_reasons(locale: str, *, q: str, under: str, codes: str, alone: str) -> list[dict[str, Any]]:
    """What a field offers: reasons that begin as typed, those of a category, or these (between commas); without any
    of it the categories, to be opened. `alone`: said of a category chosen by itself.
    """
    wanted, found = {*codes.split(","), under}, []
    for code, label, group, names in reasons_in(locale):
        if q:
            fits = begins_a_word(q[:100], names)
        elif under or codes:
            fits = code in wanted or (bool(under) and code.startswith(f"{under}."))
        else:
            fits = group is None
        if fits:
            detail, within = alone if code == under else None, not (q or under or codes)
            found.append({"value": code, "label": label, "group": group, "detail": detail, "within": within})
    return found[: reference.SUGGESTIONS] if q else found
