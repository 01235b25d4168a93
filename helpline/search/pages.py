"""The search page, and what other pages show of people who may be known already. Words travel in bodies alone."""

import uuid
from typing import Any

from flask import Blueprint, render_template, request
from marshmallow import ValidationError

from helpline.accounts.queries import get_centre
from helpline.cases import pages as case_pages
from helpline.cases.schemas import CaseItemOut
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.ids import new_id
from helpline.reference import queries as reference
from helpline.reference.rules import spoken
from helpline.search import services
from helpline.search.commands import SearchFor
from helpline.search.schemas import HitOut, SearchIn
from helpline.search.vocabulary import IndexState, SearchBy
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

pages = Blueprint("search", __name__, template_folder="templates")
_KNOWN = 3  # people offered while a call is taken
_OF_CHILD = ("name", "age", "gender")


def _draw(problem: Exception | None, found: services.Found | None = None) -> str:
    ctx = acting()
    template = "search/found.html" if request.headers.get("HX-Request") else "search/search.html"
    form = refused(problem) or {"data": request.form.to_dict(), "errors": {}}
    return render_template(
        template, form=form, search_id=found.search_id if found else new_id(), now=ctx.now,
        by=found.by if found else SearchBy.NOTHING, state=found.state if found else IndexState.READY,
        items=HitOut(many=True).dump(found.items) if found else [], provinces=_provinces(ctx),
    )  # fmt: skip


def _provinces(ctx: Context) -> list[tuple[str, str]]:
    if ctx.actor.centre_id is None or request.headers.get("HX-Request"):
        return []
    country = get_centre(ctx.actor.centre_id).country.upper()
    places = reference.list_places(country, reference.country(country).place_levels[0].code)
    return [(str(place.id), spoken(place.names, ctx.locale)) for place in places]


@pages.route("/search", methods=["GET", "POST"])
@guard(Permission.PERSON_SEARCH, retry=_draw)
def find() -> str:
    """People by name, phone number or case number; with script, while one types."""
    asked = posted()
    if request.method == "GET" or "text" not in asked:
        return _draw(None)
    return _draw(None, services.search(acting(), SearchFor(**SearchIn().load({"search_id": str(new_id())} | asked))))


@pages.post("/search/known")
@guard(Permission.PERSON_SEARCH)
def known() -> str:
    """Earlier calls and cases of a child whose name is being typed into a call's form."""
    fields = {name.rpartition("-")[2]: value.strip() for name, value in request.form.items()}
    told = {name: fields[name] for name in _OF_CHILD if fields.get(name)}
    try:
        asked = SearchIn().load(_asked(told) | {"search_id": request.form.get("search_id", "")})
    except ValidationError:  # half typed
        return ""
    found = services.search(acting(), SearchFor(**asked))
    items = HitOut(many=True).dump(found.items[:_KNOWN])
    return render_template("search/known.html", items=items, now=acting().now, by=found.by, state=found.state)


def _asked(told: dict[str, str]) -> dict[str, Any]:
    facts = {name: value for name, value in told.items() if name != "name" and value != "unknown"}
    return {"text": told.get("name", ""), **facts}


def alike(call_id: uuid.UUID) -> dict[str, Any]:
    """What `search/alike.html` shows above the form that opens a case, or after a call was logged."""
    found = services.look_for_doubles(acting(), call_id)
    return {"cases": CaseItemOut(many=True).dump(found.cases), "elsewhere": found.elsewhere}


case_pages.alike.append(alike)
