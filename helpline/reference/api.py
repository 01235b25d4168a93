"""Places and reasons: what type-ahead fields ask, and what another program needs to speak of the same things."""

import uuid
from collections.abc import Mapping
from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.reference import queries, rules
from helpline.reference.schemas import (
    PlaceQuery,
    PlaceWithPathOut,
    SuggestionsOut,
    TaxonomyOut,
    TermQuery,
    VersionQuery,
)
from helpline.web.api import ApiBlueprint, Problem
from helpline.web.guard import acting, guard

api = ApiBlueprint("reference", "Places and reasons, shared by every centre.")


@api.route("/places", methods=["GET"])
@guard(Permission.REFERENCE_READ)
@api.arguments(PlaceQuery, location="query")
@api.response(200, SuggestionsOut)
def search_places(query: dict[str, Any]) -> dict[str, Any]:
    """Places whose name begins so, wider first, a dozen at most; words of what they lie in may follow or precede."""
    ctx = acting()
    country = query["country"] or queries.country_of_centre(ctx.actor.centre_id)
    near = queries.provinces_of(ctx.actor.team_ids)
    found = queries.search_places(country, query["q"], near=near) if country else []
    known = queries.places_by_id([place.id for place in found])
    return {"items": [_suggestion(place, known, ctx.locale) for place in found]}


def _suggestion(place: Any, known: Mapping[uuid.UUID, Any], locale: str) -> dict[str, Any]:
    around = [rules.spoken(known[step].names, locale) for step in place.path[:-1] if step in known]
    return {
        "value": place.id,
        "label": rules.spoken(place.names, locale),
        "kind": _level(place, locale),
        "detail": ", ".join(reversed(around)) or None,
    }


def _level(place: Any, locale: str) -> str:
    levels = {level.code: level.names for level in queries.country(place.country).place_levels}
    return rules.spoken(levels.get(place.level, {}), locale)


@api.route("/places/<uuid:place_id>", methods=["GET"])
@guard(Permission.REFERENCE_READ)
@api.response(200, PlaceWithPathOut)
@api.alt_response(404, schema=Problem, description="No such place")
def get_place(place_id: uuid.UUID) -> dict[str, Any]:
    """A place and what it lies in."""
    path = queries.place_path(place_id)
    place = path[-1]
    return {
        "id": place.id, "country": place.country, "level": place.level, "code": place.code, "names": place.names,
        "path": path,
    }  # fmt: skip


@api.route("/terms", methods=["GET"])
@guard(Permission.REFERENCE_READ)
@api.arguments(TermQuery, location="query")
@api.response(200, SuggestionsOut)
def search_terms(query: dict[str, Any]) -> dict[str, Any]:
    """Reasons with a word that begins so, under their categories, a dozen at most."""
    locale = acting().locale
    terms = queries.list_terms(query["version"])
    categories = {term.id: term for term in terms if term.parent_id is None}
    found = []
    for term in terms:
        parent = categories.get(term.parent_id) if term.parent_id else None
        names = [*term.names.values(), *(parent.names.values() if parent else ())]
        if rules.begins_a_word(query["q"], names):
            found.append(
                {
                    "value": term.id,
                    "label": rules.spoken(term.names, locale),
                    "group_label": rules.spoken(parent.names, locale) if parent else None,
                }
            )
    return {"items": found[: queries.SUGGESTIONS]}


@api.route("/taxonomy", methods=["GET"])
@guard(Permission.REFERENCE_READ)
@api.arguments(VersionQuery, location="query")
@api.response(200, TaxonomyOut)
@api.alt_response(404, schema=Problem, description="No such version")
def get_taxonomy(query: dict[str, Any]) -> dict[str, Any]:
    """The tree of reasons."""
    taxonomy = queries.get_taxonomy(query["version"])
    terms = queries.list_terms(taxonomy.version)
    categories = [
        {"id": top.id, "code": top.code, "names": top.names, "terms": [t for t in terms if t.parent_id == top.id]}
        for top in terms
        if top.parent_id is None
    ]
    return {"version": taxonomy.version, "categories": categories}
