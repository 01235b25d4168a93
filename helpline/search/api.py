"""Searching by API."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.search import services
from helpline.search.commands import SearchFor
from helpline.search.schemas import AlikeOut, FoundOut, SearchIn
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("search", "Finding people by name, phone number or case number.")


@api.post("/search")
@guard(Permission.PERSON_SEARCH)
@api.arguments(SearchIn)
@api.response(200, FoundOut)
def find(data: dict[str, Any]) -> services.Found:
    """People whom I may see, the likeliest first."""
    return services.search(acting(), SearchFor(**data))


@api.post("/calls/<uuid:call_id>/doubles")
@guard(Permission.CASE_OPEN)
@api.response(200, AlikeOut)
def look_for_doubles(call_id: uuid.UUID) -> services.Alike:
    """Whether a case may concern a child of this call already."""
    return services.look_for_doubles(acting(), call_id)
