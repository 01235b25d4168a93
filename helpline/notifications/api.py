"""The inbox by API."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.notifications import queries, services
from helpline.notifications.schemas import After, MessagePage, OutcomeOut, ResolutionIn
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("notifications", "Messages to the one who asks, and mail whose delivery needs a human.")


def _page(rows: Any) -> dict[str, Any]:
    shown, more = rows[: queries.PAGE], len(rows) > queries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].created_at, shown[-1].id) if more else None}


@api.get("/messages")
@guard(Permission.MESSAGE_READ)
@api.arguments(After, location="query")
@api.response(200, MessagePage)
def list_messages(query: dict[str, Any]) -> dict[str, Any]:
    """My messages, newest first."""
    return _page(queries.list_inbox(acting().actor.id, decode_key(query["after"])))


@api.get("/deliveries")
@guard(Permission.DELIVERY_READ)
@api.arguments(After, location="query")
@api.response(200, MessagePage)
def list_deliveries(query: dict[str, Any]) -> dict[str, Any]:
    """Mail of the centre that may not have arrived, newest first."""
    centre_id = acting().actor.centre_id
    return _page(queries.list_exceptions(centre_id, decode_key(query["after"]))) if centre_id else {"items": []}


@api.post("/deliveries/<uuid:message_id>/resolution")
@guard(Permission.DELIVERY_RESOLVE)
@api.arguments(ResolutionIn)
@api.response(200, OutcomeOut)
def resolve_delivery(found: dict[str, Any], message_id: uuid.UUID) -> dict[str, Any]:
    """Say that it arrived, or have it sent again."""
    services.resolve_unknown(acting(), message_id, arrived=found["arrived"])
    return {"id": message_id, "state": "sent" if found["arrived"] else "queued"}
