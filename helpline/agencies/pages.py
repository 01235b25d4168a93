"""The directory: list, entry, form."""

import uuid
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from helpline.agencies import queries, rules, services
from helpline.agencies.commands import SaveAgency
from helpline.agencies.schemas import AgencyActiveIn, AgencyBodyIn, AgencyItemOut, AgencyOut, AgencyQuery
from helpline.agencies.vocabulary import AgencyKind, Service, Sex
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import Conflict, HelplineError, Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.reference import queries as reference
from helpline.web.errors import sentence
from helpline.web.guard import acting, guard

pages = Blueprint("agencies", __name__, template_folder="templates")

LANGUAGES = ("km", "en", "vi", "cja", "fr", "zh", "es")
_SEVERAL = {"services", "languages", "coverage"}
_LIMITS = ("min_age", "max_age", "capacity")
Problem = HelplineError | ValidationError


@pages.get("/agencies")
@guard(Permission.AGENCY_READ)
def list_agencies() -> str:
    """Who could help, narrowed by service, place and open now."""
    ctx = acting()
    asked = {name: value for name, value in request.args.items() if value and not name.endswith("_text")}
    typed = request.args.get("place_id_text", "").strip()
    if typed and "place_id" not in asked and (found := _found(typed)):
        asked["place_id"] = str(found[0].id)
    query = AgencyQuery().load(asked)
    rows = queries.list_agencies(ctx, queries.narrow(ctx, query), decode_key(query["after"]))
    shown = rows[: queries.PAGE]
    older = None
    if len(rows) > len(shown):
        there: dict[str, Any] = asked | {"after": encode_key(shown[-1].created_at, shown[-1].id)}
        older = url_for(".list_agencies", **there)
    return render_template(
        "agencies/list.html", agencies=AgencyItemOut(many=True).dump(shown), older=older, asked=asked,
        places=url_for("api_reference.search_places"),
        services=list(Service), may_edit=holds(ctx.actor, Permission.AGENCY_EDIT),
        place_text=typed,
    )  # fmt: skip


@pages.get("/agencies/<uuid:agency_id>")
@guard(Permission.AGENCY_READ)
def show_agency(agency_id: uuid.UUID) -> str:
    """One agency: what it offers, for whom, where and when."""
    ctx = acting()
    agency = AgencyOut().dump(queries.get_agency(agency_id))
    return render_template(
        "agencies/show.html", agency=agency, covered=_covered(agency["coverage"]), hours=_hours(agency["opening"]),
        is_open=queries.is_open(ctx, agency["opening"]), may_edit=holds(ctx.actor, Permission.AGENCY_EDIT),
    )  # fmt: skip


def _form(agency_id: uuid.UUID, typed: dict[str, Any], *, version: int | None, problem: Problem | None = None) -> str:
    chosen = [place for place in typed.get("coverage", []) if place]
    return render_template(
        "agencies/form.html", agency_id=agency_id, version=version, kinds=list(AgencyKind), services=list(Service),
        sexes=list(Sex), spoken=LANGUAGES, places=url_for("api_reference.search_places"),
        form={"data": typed, "errors": _errors(problem)},
        covered=[{"value": key, "label": name} for key, name in _covered(chosen).items()],
    )  # fmt: skip


def _redraw(problem: Problem, agency_id: uuid.UUID | None = None) -> str:
    several = [name for name in request.form if name in _SEVERAL or name.endswith("-sexes")]
    typed = request.form.to_dict() | {name: request.form.getlist(name) for name in several}
    minted = agency_id or _minted()
    version = request.form.get("version", type=int) if agency_id else None
    return _form(minted, typed, version=version, problem=problem)


def _minted() -> uuid.UUID:
    """The id that the form was drawn with."""
    try:
        return uuid.UUID(request.form.get("agency_id", ""))
    except ValueError:
        return new_id()


@pages.get("/agencies/new")
@guard(Permission.AGENCY_EDIT)
def new_agency() -> str:
    """An empty form."""
    return _form(new_id(), {"kind": "ngo", "languages": ["km"]}, version=None)


@pages.post("/agencies/new")
@guard(Permission.AGENCY_EDIT, retry=_redraw)
def add_agency() -> Response:
    """Add what was typed."""
    agency_id = _minted()
    services.add_agency(acting(), SaveAgency(agency_id, **AgencyBodyIn().load(_document())))
    return redirect(url_for(".show_agency", agency_id=agency_id), 303)


@pages.get("/agencies/<uuid:agency_id>/edit")
@guard(Permission.AGENCY_EDIT)
def change_agency(agency_id: uuid.UUID) -> str:
    """The form with what stands."""
    agency = AgencyOut().dump(queries.get_agency(agency_id))
    return _form(agency_id, _typed(agency), version=agency["version"])


@pages.post("/agencies/<uuid:agency_id>/edit")
@guard(Permission.AGENCY_EDIT, retry=_redraw)
def edit_agency(agency_id: uuid.UUID) -> Response:
    """Replace what stood, unless someone else did meanwhile."""
    command = SaveAgency(agency_id, **AgencyBodyIn().load(_document()))
    services.edit_agency(acting(), command, request.form.get("version", 0, type=int))
    return redirect(url_for(".show_agency", agency_id=agency_id), 303)


@pages.post("/agencies/<uuid:agency_id>/active")
@guard(Permission.AGENCY_EDIT)
def set_active(agency_id: uuid.UUID) -> Response:
    """Ask this agency, or no longer."""
    change = AgencyActiveIn().load({"version": request.form.get("version"), "active": request.form.get("active")})
    services.set_active(acting(), agency_id, change["version"], active=change["active"])
    return redirect(url_for(".show_agency", agency_id=agency_id), 303)


def _covered(place_ids: list[str]) -> dict[str, str]:
    """Full names of places, the widest first: "Siem Reap › Krong Siem Reap"."""
    ids = [uuid.UUID(str(place)) for place in place_ids]
    found = reference.places_by_id(ids)
    locale = acting().locale

    def name(place_id: uuid.UUID) -> str:
        steps = (found[step].names for step in found[place_id].path if step in found)
        return " › ".join(names.get(locale) or next(iter(names.values()), "") for names in steps)

    return {str(place_id): name(place_id) for place_id in ids if place_id in found}


def _hours(opening: dict[str, Any]) -> list[tuple[int, str]]:
    return [(day, rules.text_of_spans(opening.get("spans", ()), day)) for day in range(7)]


def _document() -> dict[str, Any]:
    """What a script would have sent: the form's flat fields as AgencyBodyIn takes them."""
    form = request.form
    offers: list[dict[str, Any]] = [
        {"service": code, "sexes": form.getlist(f"services-{code}-sexes")}
        | {limit: form.get(f"services-{code}-{limit}") or None for limit in _LIMITS}
        for code in form.getlist("services")
    ]
    spans = [span for day in range(7) for span in rules.spans_from_text(day, form.get(f"opening-{day}", ""))]
    return {
        "names": {code: form[f"names-{code}"] for code in ("km", "en") if form.get(f"names-{code}", "").strip()},
        "services": offers, "coverage": _chosen_places(), "nationwide": "nationwide" in form,
        "languages": form.getlist("languages"),
        "opening": {"spans": spans, "open_on_holidays": "open_on_holidays" in form},
    } | {name: form.get(name, "").strip() or None for name in ("kind", "email", "phone", "address")}  # fmt: skip


def _chosen_places() -> list[str]:
    """The chips, and what was typed without choosing: the first place of that name."""
    chosen, typed = request.form.getlist("coverage"), request.form.get("coverage_text", "").strip()
    if not typed:
        return chosen
    found = _found(typed)
    if not found:
        raise Invalid("place_unknown", "coverage")
    return [*chosen, str(found[0].id)]


def _found(typed: str) -> Sequence[Any]:
    """The first place of the centre's country with this name, if any."""
    country = reference.country_of_centre(acting().actor.centre_id)
    return reference.search_places(country, typed, 1) if country else []


def _typed(agency: dict[str, Any]) -> dict[str, Any]:
    """A stored entry as the form's flat fields."""
    typed: dict[str, Any] = {f"names-{code}": name for code, name in agency["names"].items()}
    typed |= {name: agency[name] for name in ("email", "phone", "address", "nationwide", "languages", "coverage")}
    typed |= {f"opening-{day}": text for day, text in _hours(agency["opening"])}
    typed |= {"kind": agency["agency_kind"], "open_on_holidays": agency["opening"].get("open_on_holidays")}
    typed["services"] = [offer["service"] for offer in agency["services"]]
    for offer in agency["services"]:
        typed |= {f"services-{offer['service']}-{name}": offer[name] for name in (*_LIMITS, "sexes")}
    return typed


def _errors(problem: Problem | None) -> dict[str, str]:
    """Messages by the form's field names."""
    if problem is None:
        return {}
    if isinstance(problem, ValidationError):
        return {str(field).replace("names", "names-km"): _first(words) for field, words in _messages(problem).items()}
    sentences = {
        "agency_service_needed": _("Say at least one service it offers."),
        "agency_ages": _("The youngest is older than the oldest."),
        "agency_coverage_needed": _("Say where it works, or that it works in the whole country."),
        "opening_hours": _("Write hours as 08:00-12:00, 14:00-17:00, or 24 h, or leave it empty for closed."),
        "place_unknown": _("No place has this name. Choose one from the suggestions."),
    }
    field = problem.field if isinstance(problem, Invalid) else None
    words = sentences.get(problem.code) or sentence("stale" if isinstance(problem, Conflict) else problem.code)
    return {{"names": "names-km"}.get(field or "", field or "form"): words}


def _messages(problem: ValidationError) -> dict[str, Any]:
    return problem.messages if isinstance(problem.messages, dict) else {"form": problem.messages}


def _first(words: Any) -> str:
    """The first sentence of marshmallow's tree of messages."""
    while not isinstance(words, str):
        words = next(iter(words.values() if isinstance(words, dict) else words))
    return words
