"""Calls by API: everything the pages can do."""

import uuid
from typing import Any

from helpline.accounts.queries import get_centre
from helpline.calls import queries
from helpline.calls.commands import CorrectCall, LogCall, SaveDraft
from helpline.calls.schemas.call import CallCorrectionIn, CallIn, CallLoggedOut, CallOut, CallVoidIn, content_of
from helpline.calls.schemas.lists import (
    CallDraftIn,
    CallDraftOut,
    CallDraftSavedOut,
    CallHistoryOut,
    CallPage,
    CallQuery,
    EarlierCallsIn,
    EarlierCallsOut,
    QuickCallIn,
)
from helpline.calls.services import correct, drafts, log
from helpline.calls.services.lists import narrowed
from helpline.calls.vocabulary import CallDetail, Logged
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import NotFound
from helpline.foundation.keyset import decode_key, encode_key
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("calls", "Calls: logging, correcting, voiding, lists and drafts.")


@api.get("/calls")
@guard(Permission.CALL_READ)
@api.arguments(CallQuery, location="query")
@api.response(200, CallPage)
def list_calls(query: dict[str, Any]) -> dict[str, Any]:
    """Calls within my reach, newest first."""
    found = queries.list_calls(narrowed(acting(), query), decode_key(query["after"]))
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].started_at, shown[-1].id) if more else None}


@api.post("/calls")
@guard(Permission.CALL_LOG)
@api.arguments(CallIn)
@api.response(201, CallLoggedOut)
def log_call(data: dict[str, Any]) -> Logged:
    """Log a call; the risk is judged from the answers, unless a judgement of one's own is given with a reason."""
    call_id = data.pop("call_id")
    return log.log_call(acting(), LogCall(call_id, content_of(data)))


@api.post("/calls/quick")
@guard(Permission.CALL_LOG)
@api.arguments(QuickCallIn)
@api.response(201, CallLoggedOut)
def log_quick_call(data: dict[str, Any]) -> Logged:
    """Log a contact that was no counselling."""
    return log.log_quick_call(acting(), data["kind"], data["call_id"], data["channel"])


@api.post("/calls/earlier")
@guard(Permission.CALL_READ)
@api.arguments(EarlierCallsIn)
@api.response(200, EarlierCallsOut)
def list_earlier(data: dict[str, Any]) -> dict[str, Any]:
    """Earlier calls from a number, as far as I may see them."""
    actor = acting().actor
    if actor.centre_id is None:
        raise NotFound("centre")
    region = get_centre(actor.centre_id).country.upper()
    items, count = queries.list_earlier(data["phone"], region, data["but_not"])
    return {"items": items, "count": count}


@api.get("/calls/<uuid:call_id>")
@guard(Permission.CALL_READ)
@api.response(200, CallOut)
def get_call(call_id: uuid.UUID) -> CallDetail:
    """One call with its words and people, as far as my role may read them."""
    return queries.get_call(call_id)


@api.put("/calls/<uuid:call_id>")
@guard(Permission.CALL_CORRECT)
@api.arguments(CallCorrectionIn)
@api.response(200, CallOut)
def correct_call(data: dict[str, Any], call_id: uuid.UUID) -> CallDetail:
    """Make the call say this; what it said before stays in its history."""
    version, reason = data.pop("version"), data.pop("reason")
    correct.correct_call(acting(), CorrectCall(call_id, version, content_of(data), reason))
    return queries.get_call(call_id)


@api.post("/calls/<uuid:call_id>/void")
@guard(Permission.CALL_VOID)
@api.arguments(CallVoidIn)
@api.response(200, CallOut)
def void_call(data: dict[str, Any], call_id: uuid.UUID) -> CallDetail:
    """Take the call out of lists and figures."""
    correct.void_call(acting(), call_id, data["version"], data["reason"])
    return queries.get_call(call_id)


@api.get("/calls/<uuid:call_id>/history")
@guard(Permission.CALL_READ)
@api.response(200, CallHistoryOut)
def get_history(call_id: uuid.UUID) -> dict[str, Any]:
    """What the call said before each change."""
    return {"id": call_id, "items": queries.history(call_id)}


@api.put("/calls/drafts/<uuid:call_id>")
@guard(Permission.CALL_LOG)
@api.arguments(CallDraftIn)
@api.response(200, CallDraftSavedOut)
def save_draft(data: dict[str, Any], call_id: uuid.UUID) -> dict[str, Any]:
    """Keep a call that is being written; only its writer sees it."""
    saved = drafts.save_draft(acting(), SaveDraft(call_id, data["fields"], data["base"]))
    return {"saved_at": drafts.stamp(saved)}


@api.get("/calls/drafts/<uuid:call_id>")
@guard(Permission.CALL_LOG)
@api.response(200, CallDraftOut)
def get_draft(call_id: uuid.UUID) -> dict[str, Any]:
    """A call that is being written."""
    draft = queries.find_draft(call_id)
    if draft is None or draft.ended_at is not None:
        raise NotFound("call_draft", call_id)
    return {"id": draft.id, "saved_at": drafts.stamp(draft.saved_at), "fields": (draft.body or {}).get("fields", [])}


@api.delete("/calls/drafts/<uuid:call_id>")
@guard(Permission.CALL_LOG)
@api.response(204)
def discard_draft(call_id: uuid.UUID) -> None:
    """Throw away a call that was not saved."""
    drafts.discard_draft(acting(), call_id)
