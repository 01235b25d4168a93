"""Who may see a case, and emergency access, by API: everything the pages can do."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.privacy import queries
from helpline.privacy.commands import BreakGlass, CloseTo, Lift, Review
from helpline.privacy.schemas import (
    AccessOut,
    BreakGlassIn,
    CloseToIn,
    LiftIn,
    OverrideOut,
    OverridePage,
    OverrideQuery,
    ReviewIn,
)
from helpline.privacy.services import closing, glass
from helpline.privacy.vocabulary import OverrideRow
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("privacy", "Who may see a case, and emergency access.")


def _access(case_id: uuid.UUID) -> dict[str, Any]:
    seen_by, shut = closing.see_access(acting(), case_id)
    return {"id": case_id, "seen_by": seen_by, "closed_to": shut}


@api.get("/cases/<uuid:case_id>/access")
@guard(Permission.CASE_READ)
@api.response(200, AccessOut)
def read_access(case_id: uuid.UUID) -> dict[str, Any]:
    """Who sees the case and why; who is shut out, for whoever may say so."""
    return _access(case_id)


@api.post("/cases/<uuid:case_id>/closings")
@guard(Permission.CASE_RESTRICT)
@api.arguments(CloseToIn)
@api.response(201, AccessOut)
def close_to(data: dict[str, Any], case_id: uuid.UUID) -> dict[str, Any]:
    """Shut somebody of the staff, or an agency, out of the case."""
    closing.close_to(acting(), CloseTo(case_id, **data))
    return _access(case_id)


@api.post("/cases/<uuid:case_id>/closings/lift")
@guard(Permission.CASE_RESTRICT)
@api.arguments(LiftIn)
@api.response(200, AccessOut)
def lift(data: dict[str, Any], case_id: uuid.UUID) -> dict[str, Any]:
    """Take such a decision back."""
    closing.lift(acting(), Lift(case_id, **data))
    return _access(case_id)


@api.post("/overrides")
@guard(Permission.GLASS_BREAK, fresh=True)
@api.arguments(BreakGlassIn)
@api.response(201, OverrideOut)
def break_glass(command: BreakGlass) -> OverrideRow:
    """See one case for half an hour; its supervisors are told at once."""
    return queries.get_override(glass.break_glass(acting(), command).id)


@api.post("/overrides/<uuid:override_id>/end")
@guard(Permission.GLASS_BREAK)
@api.response(204)
def end_override(override_id: uuid.UUID) -> None:
    """End one's own emergency access before its time."""
    glass.end_override(acting(), override_id)


@api.get("/overrides")
@guard(Permission.GLASS_READ)
@api.arguments(OverrideQuery, location="query")
@api.response(200, OverridePage)
def list_overrides(asked: dict[str, Any]) -> dict[str, Any]:
    """Emergency accesses and what their reviews found, newest first."""
    found = queries.list_overrides(open_only=asked["state"] == "open", after=decode_key(asked["after"]))
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].opened_at, shown[-1].id) if more else None}


@api.get("/overrides/<uuid:override_id>")
@guard(Permission.GLASS_READ)
@api.response(200, OverrideOut)
def read_override(override_id: uuid.UUID) -> OverrideRow:
    """One emergency access."""
    return glass.see_override(acting(), override_id)


@api.post("/overrides/<uuid:override_id>/review")
@guard(Permission.GLASS_REVIEW)
@api.arguments(ReviewIn)
@api.response(200, OverrideOut)
def review(data: dict[str, Any], override_id: uuid.UUID) -> OverrideRow:
    """Say what came of looking into it: once, and never one's own."""
    glass.review(acting(), Review(override_id, **data))
    return glass.see_override(acting(), override_id)
