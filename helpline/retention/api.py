"""Keeping and erasing by API: rules, what is due, holds, asking for an erasure, and what was erased."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.retention.commands import Keep, Propose, SetHold, SetRule
from helpline.retention.queries.listing import PAGE
from helpline.retention.schemas import (
    AfterQuery,
    DuePage,
    ErasurePage,
    HoldIn,
    HoldsOut,
    KeepIn,
    ProposeIn,
    RecordStateOut,
    RuleIn,
    RuleOut,
    RulesOut,
)
from helpline.retention.services import deciding, showing
from helpline.retention.vocabulary import RecordView, Rule
from helpline.web.api import ApiBlueprint, Problem
from helpline.web.guard import acting, guard

api = ApiBlueprint("retention", "How long records are kept, what is held, and what was erased.")


@api.get("/retention/rules")
@guard(Permission.RETENTION_READ)
@api.response(200, RulesOut)
def list_rules() -> dict[str, Any]:
    """How long each kind is kept in my centre."""
    return {"items": showing.see_rules(acting())}


@api.put("/retention/rules")
@guard(Permission.RETENTION_EDIT)
@api.arguments(RuleIn)
@api.response(200, RuleOut)
@api.alt_response(409, schema=Problem, description="Somebody changed it meanwhile")
def set_rule(command: SetRule) -> Rule:
    """Keep a kind so many months from now on."""
    return deciding.set_rule(acting(), command)


@api.get("/retention/due")
@guard(Permission.RETENTION_READ)
@api.arguments(AfterQuery, location="query")
@api.response(200, DuePage)
def list_due(asked: dict[str, Any]) -> dict[str, Any]:
    """What waits for a decision, oldest first."""
    found = showing.see_due(acting(), decode_key(asked["after"]))
    shown, more = found[:PAGE], len(found) > PAGE
    return {"items": shown, "next": encode_key(shown[-1].began_at, shown[-1].id) if more else None}


@api.get("/retention/holds")
@guard(Permission.RETENTION_READ)
@api.response(200, HoldsOut)
def list_holds() -> dict[str, Any]:
    """Holds, those that last first."""
    return {"items": showing.see_holds(acting())}


@api.post("/retention/holds")
@guard(Permission.HOLD_SET)
@api.arguments(HoldIn)
@api.response(201, RecordStateOut)
@api.alt_response(404, schema=Problem, description="No such record in reach")
@api.alt_response(409, schema=Problem, description="Held already, or erased")
def set_hold(command: SetHold) -> RecordView:
    """Keep a record, what tells of it and what hangs on it, until somebody lifts the hold."""
    ctx = acting()
    deciding.set_hold(ctx, command)
    return deciding.see_record(ctx, command.record_id)


@api.post("/retention/holds/<uuid:hold_id>/lift")
@guard(Permission.HOLD_SET)
@api.response(204)
@api.alt_response(404, schema=Problem, description="No such hold in reach")
@api.alt_response(409, schema=Problem, description="Lifted already")
def lift_hold(hold_id: uuid.UUID) -> None:
    """Let the rules count for it again."""
    deciding.lift_hold(acting(), hold_id)


@api.get("/retention/records/<uuid:record_id>")
@guard(Permission.RETENTION_REVIEW)
@api.response(200, RecordStateOut)
@api.alt_response(404, schema=Problem, description="No such record in reach")
def read_record(record_id: uuid.UUID) -> RecordView:
    """What would go with a record, what would stay, and what stands in the way."""
    return deciding.see_record(acting(), record_id)


@api.post("/retention/records/<uuid:record_id>/keep")
@guard(Permission.RETENTION_REVIEW)
@api.arguments(KeepIn)
@api.response(200, RecordStateOut)
@api.alt_response(404, schema=Problem, description="Not on the list of what is due")
@api.alt_response(409, schema=Problem, description="Its erasure is asked for")
def keep(given: dict[str, Any], record_id: uuid.UUID) -> RecordView:
    """Keep what is due longer, with a reason."""
    ctx = acting()
    deciding.keep(ctx, Keep(record_id, **given))
    return deciding.see_record(ctx, record_id)


@api.post("/retention/proposals")
@guard(Permission.RETENTION_REVIEW, fresh=True)
@api.arguments(ProposeIn)
@api.response(201, RecordStateOut)
@api.alt_response(404, schema=Problem, description="No such record in reach")
@api.alt_response(409, schema=Problem, description="Held, open, erased, or asked for already")
def propose(command: Propose) -> RecordView:
    """Ask that a record be erased; another person decides under approvals."""
    ctx = acting()
    deciding.propose(ctx, command)
    return deciding.see_record(ctx, command.record_id)


@api.get("/retention/erasures")
@guard(Permission.RETENTION_READ)
@api.arguments(AfterQuery, location="query")
@api.response(200, ErasurePage)
def list_erasures(asked: dict[str, Any]) -> dict[str, Any]:
    """What was erased, from when on backups are rid of it, and how the ledger compares."""
    found, ledger = showing.see_erasures(acting(), decode_key(asked["after"]))
    shown, more = found[:PAGE], len(found) > PAGE
    return {
        "items": shown, "next": encode_key(shown[-1].erased_at, shown[-1].id) if more else None, "ledger": ledger,
    }  # fmt: skip
