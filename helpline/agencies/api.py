"""The directory by API."""

import uuid
from typing import Any

from helpline.agencies import queries, services
from helpline.agencies.commands import SaveAgency
from helpline.agencies.schemas import AgencyActiveIn, AgencyChangeIn, AgencyIn, AgencyOut, AgencyPage, AgencyQuery
from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.web.api import ApiBlueprint, Problem
from helpline.web.guard import acting, guard

api = ApiBlueprint("agencies", "Partner agencies: what they offer, for whom, where and when.")


@api.route("/agencies", methods=["GET"])
@guard(Permission.AGENCY_READ)
@api.arguments(AgencyQuery, location="query")
@api.response(200, AgencyPage)
@api.alt_response(404, schema=Problem, description="No such place")
def list_agencies(query: dict[str, Any]) -> dict[str, Any]:
    """The directory, newest first, 50 a page."""
    ctx = acting()
    rows = queries.list_agencies(ctx, queries.narrow(ctx, query), decode_key(query["after"]))
    shown = rows[: queries.PAGE]
    return {"items": shown, "next": encode_key(shown[-1].created_at, shown[-1].id) if len(rows) > len(shown) else None}


@api.route("/agencies", methods=["POST"])
@guard(Permission.AGENCY_EDIT)
@api.arguments(AgencyIn)
@api.response(201, AgencyOut)
@api.alt_response(409, schema=Problem, description="The id is in use")
def add_agency(command: SaveAgency) -> Any:
    """Add an agency."""
    return services.add_agency(acting(), command)


@api.route("/agencies/<uuid:agency_id>", methods=["GET"])
@guard(Permission.AGENCY_READ)
@api.response(200, AgencyOut)
@api.alt_response(404, schema=Problem, description="No such agency here")
def get_agency(agency_id: uuid.UUID) -> Any:
    """One agency."""
    return queries.get_agency(agency_id)


@api.route("/agencies/<uuid:agency_id>", methods=["PUT"])
@guard(Permission.AGENCY_EDIT)
@api.arguments(AgencyChangeIn)
@api.response(200, AgencyOut)
@api.alt_response(404, schema=Problem, description="No such agency here")
@api.alt_response(409, schema=Problem, description="Changed since that version")
def edit_agency(change: dict[str, Any], agency_id: uuid.UUID) -> Any:
    """Replace an agency."""
    return services.edit_agency(acting(), SaveAgency(agency_id, **change["agency"]), change["version"])


@api.route("/agencies/<uuid:agency_id>/active", methods=["PUT"])
@guard(Permission.AGENCY_EDIT)
@api.arguments(AgencyActiveIn)
@api.response(200, AgencyOut)
@api.alt_response(404, schema=Problem, description="No such agency here")
@api.alt_response(409, schema=Problem, description="Changed since that version")
def set_active(change: dict[str, Any], agency_id: uuid.UUID) -> Any:
    """Ask this agency, or no longer."""
    return services.set_active(acting(), agency_id, change["version"], active=change["active"])
