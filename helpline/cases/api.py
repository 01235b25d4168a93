"""Cases by API: everything the pages can do."""

import uuid
from typing import Any

from helpline.cases import queries
from helpline.cases.commands import AddNote, CloseCase, OpenCase
from helpline.cases.schemas import (
    AssignmentIn,
    CaseloadsOut,
    CaseOut,
    CasePage,
    CaseQuery,
    ClosingIn,
    ConsentChangeIn,
    DecisionIn,
    NeedsIn,
    NoteIn,
    NoteOut,
    ObligationsOut,
    OpenCaseIn,
    PageQuery,
    ReopeningIn,
    RiskIn,
    StepIn,
    TimelineOut,
)
from helpline.cases.services import assigning, closing, opening, working
from helpline.cases.vocabulary import CASELOAD_WARNING, CaseRow, NoteKind
from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("cases", "Cases: opening, assignment, notes, consent, steps and closing.")


@api.get("/cases")
@guard(Permission.CASE_READ)
@api.arguments(CaseQuery, location="query")
@api.response(200, CasePage)
def list_cases(query: dict[str, Any]) -> dict[str, Any]:
    """Cases within my reach, newest first."""
    ctx = acting()
    found = queries.list_cases(queries.narrowed(ctx, query), decode_key(query["after"]))
    return _page(found, "opened_at")


@api.post("/cases")
@guard(Permission.CASE_OPEN)
@api.arguments(OpenCaseIn)
@api.response(201, CaseOut)
def open_case(command: OpenCase) -> CaseRow:
    """Open a case for a child of a call; the need is routed, the follow-ups are planned."""
    return queries.get_case(opening.open_case(acting(), command).id)


@api.get("/cases/<uuid:case_id>")
@guard(Permission.CASE_READ)
@api.response(200, CaseOut)
def get_case(case_id: uuid.UUID) -> CaseRow:
    """One case with its words, as far as my role may read them."""
    return queries.get_case(case_id)


@api.get("/cases/<uuid:case_id>/timeline")
@guard(Permission.CASE_READ)
@api.arguments(PageQuery, location="query")
@api.response(200, TimelineOut)
def get_timeline(query: dict[str, Any], case_id: uuid.UUID) -> dict[str, Any]:
    """What happened in the case, newest first."""
    queries.centre_of(case_id)
    return {"id": case_id} | _page(queries.timeline(case_id, decode_key(query["after"])), "at")


@api.get("/cases/<uuid:case_id>/obligations")
@guard(Permission.CASE_READ)
@api.response(200, ObligationsOut)
def list_obligations(case_id: uuid.UUID) -> dict[str, Any]:
    """What must be settled before the case can close."""
    queries.centre_of(case_id)
    return {"items": queries.list_obligations(case_id)}


@api.get("/cases/<uuid:case_id>/caseworkers")
@guard(Permission.CASE_ASSIGN)
@api.response(200, CaseloadsOut)
def list_caseworkers(case_id: uuid.UUID) -> dict[str, Any]:
    """Who could take the case, and how many each carries."""
    loads = queries.caseload(queries.get_case(case_id).team_id, case_id)
    return {"items": [
        {"id": load.id, "name": load.name, "open_cases": load.open_cases,
         "over": load.open_cases > CASELOAD_WARNING}
        for load in loads
    ]}  # fmt: skip


@api.put("/cases/<uuid:case_id>/assignment")
@guard(Permission.CASE_ASSIGN)
@api.arguments(AssignmentIn)
@api.response(200, CaseOut)
def assign(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Give the case to a caseworker of its team."""
    assigning.assign_caseworker(acting(), case_id, data["version"], data["caseworker_id"])
    return queries.get_case(case_id)


@api.post("/cases/<uuid:case_id>/notes")
@guard(Permission.CASE_UPDATE)
@api.arguments(NoteIn)
@api.response(201, NoteOut)
def add_note(data: dict[str, Any], case_id: uuid.UUID) -> Any:
    """Write a note, or record a contact or a visit."""
    command = AddNote(data["note_id"], case_id, NoteKind(data["kind"]), data["body"])
    return working.add_note(acting(), command)


@api.put("/cases/<uuid:case_id>/needs")
@guard(Permission.CASE_UPDATE)
@api.arguments(NeedsIn)
@api.response(200, CaseOut)
def set_needs(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Say which services the child needs."""
    working.set_needs(acting(), case_id, data["version"], data["needs"])
    return queries.get_case(case_id)


@api.put("/cases/<uuid:case_id>/consent")
@guard(Permission.CASE_UPDATE)
@api.arguments(ConsentChangeIn)
@api.response(200, CaseOut)
def set_consent(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Record to what was agreed, by whom, and what stays withheld."""
    working.set_consent(acting(), case_id, data["version"], data["consent"])
    return queries.get_case(case_id)


@api.put("/cases/<uuid:case_id>/risk")
@guard(Permission.CASE_UPDATE)
@api.arguments(RiskIn)
@api.response(200, CaseOut)
def change_risk(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Judge the risk anew, with a reason."""
    working.change_risk(acting(), case_id, data["version"], data["risk_level"], data["reason"])
    return queries.get_case(case_id)


@api.put("/cases/<uuid:case_id>/step")
@guard(Permission.CASE_UPDATE)
@api.arguments(StepIn)
@api.response(200, CaseOut)
def move_to_step(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Go on to the next step, or back to where a review sends it."""
    working.move_to_step(acting(), case_id, data["version"], data["step"])
    return queries.get_case(case_id)


@api.post("/cases/<uuid:case_id>/closing")
@guard(Permission.CASE_CLOSE)
@api.arguments(ClosingIn)
@api.response(200, CaseOut)
def close_case(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Close the case; a caseworker asks, and a supervisor decides."""
    closing.close_case(acting(), CloseCase(case_id, data["version"], data["reason"], data["note"]))
    return queries.get_case(case_id)


@api.post("/cases/<uuid:case_id>/closing/decision")
@guard(Permission.CASE_CLOSE)
@api.arguments(DecisionIn)
@api.response(200, CaseOut)
def decide_closing(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Approve a request to close, or send it back with a reason."""
    if data["approve"]:
        closing.approve_closing(acting(), case_id, data["version"])
    else:
        closing.decline_closing(acting(), case_id, data["version"], data["reason"])
    return queries.get_case(case_id)


@api.post("/cases/<uuid:case_id>/reopening")
@guard(Permission.CASE_CLOSE)
@api.arguments(ReopeningIn)
@api.response(200, CaseOut)
def reopen_case(data: dict[str, Any], case_id: uuid.UUID) -> CaseRow:
    """Take a closed case up again, with a reason."""
    closing.reopen_case(acting(), case_id, data["version"], data["reason"])
    return queries.get_case(case_id)


def _page(found: list[Any], by: str) -> dict[str, Any]:
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    return {"items": shown, "next": encode_key(getattr(shown[-1], by), shown[-1].id) if more else None}
