"""Follow-ups by API: everything the pages can do."""

import uuid
from typing import Any

from helpline.followups import queries
from helpline.followups.schemas import (
    CancelIn,
    FollowUpIn,
    FollowUpOut,
    FollowUpPage,
    FollowUpQuery,
    OutcomeIn,
    RescheduleIn,
)
from helpline.followups.services import work
from helpline.followups.vocabulary import FollowUpRow
from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("followups", "Follow-ups: what somebody must do for a case, by when, and what came of it.")


@api.get("/followups")
@guard(Permission.FOLLOWUP_READ)
@api.arguments(FollowUpQuery, location="query")
@api.response(200, FollowUpPage)
def list_followups(query: dict[str, Any]) -> dict[str, Any]:
    """Follow-ups within my reach."""
    found = queries.list_followups(queries.narrowed(acting(), query), decode_key(query["after"]))
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].due_at, shown[-1].id) if more else None}


@api.post("/cases/<uuid:case_id>/followups")
@guard(Permission.FOLLOWUP_PLAN)
@api.arguments(FollowUpIn)
@api.response(201, FollowUpOut)
def add(data: dict[str, Any], case_id: uuid.UUID) -> FollowUpRow:
    """Plan one by hand."""
    return queries.get_followup(work.add(acting(), FollowUpIn().command(data, case_id)))


@api.get("/followups/<uuid:followup_id>")
@guard(Permission.FOLLOWUP_READ)
@api.response(200, FollowUpOut)
def get_followup(followup_id: uuid.UUID) -> FollowUpRow:
    """One follow-up with its words, as far as my role may read them."""
    return queries.get_followup(followup_id)


@api.post("/followups/<uuid:followup_id>/outcome")
@guard(Permission.FOLLOWUP_COMPLETE)
@api.arguments(OutcomeIn)
@api.response(200, FollowUpOut)
def complete(data: dict[str, Any], followup_id: uuid.UUID) -> FollowUpRow:
    """Say what came of it; the next is planned by the rhythm of the case's risk, or for the time given."""
    work.complete(acting(), OutcomeIn().command(data, followup_id))
    return queries.get_followup(followup_id)


@api.put("/followups/<uuid:followup_id>/due")
@guard(Permission.FOLLOWUP_PLAN)
@api.arguments(RescheduleIn)
@api.response(200, FollowUpOut)
def reschedule(data: dict[str, Any], followup_id: uuid.UUID) -> FollowUpRow:
    """Move it, with a reason."""
    work.reschedule(acting(), followup_id, data["version"], data["due_at"], data["reason"])
    return queries.get_followup(followup_id)


@api.post("/followups/<uuid:followup_id>/cancellation")
@guard(Permission.FOLLOWUP_PLAN)
@api.arguments(CancelIn)
@api.response(200, FollowUpOut)
def cancel(data: dict[str, Any], followup_id: uuid.UUID) -> FollowUpRow:
    """Call it off, with a reason."""
    work.cancel(acting(), followup_id, data["version"], data["reason"])
    return queries.get_followup(followup_id)
