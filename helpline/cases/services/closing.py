"""A case ends, is asked to end, or is taken up again."""

import uuid

from helpline.cases import events, queries, rules
from helpline.cases.commands import CloseCase
from helpline.cases.models import Case
from helpline.cases.services import changing
from helpline.cases.vocabulary import CaseAction, CaseStatus, CaseStep, CloseReason
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.context import Context
from helpline.foundation.errors import Conflict, Forbidden
from helpline.foundation.outbox.publisher import publish


def close_case(ctx: Context, command: CloseCase) -> Case:
    """Close the case; where the actor's reach is only their own cases, ask the supervisor to.

    Raises Invalid("required", "note"), Conflict("case_obligations", count=…) while anything stands open,
    Conflict("closing_asked") for asking twice, Conflict("stale" | "case_closed").
    """
    scope = require(ctx, Permission.CASE_CLOSE, command.case_id)
    case = changing.open_for_change(command.case_id, command.version)
    rules.check_closing(case.status, queries.count_obligations(case.id))
    needs_approval = not scope.reaches(Scope.TEAM)
    if needs_approval and case.closing_requested_at is not None:
        raise Conflict("closing_asked")
    note = changing.write_reason(ctx, case, command.note, field="note")
    if not needs_approval:
        return _close(ctx, case, command.reason, note.id)
    case.closing_requested_at, case.closing_requested_by = ctx.now, ctx.actor.id
    case.closing_reason = command.reason
    changing.change(
        ctx, case, CaseAction.CLOSING_REQUESTED, {"reason": command.reason.value}, note.id, fields=("closing",)
    )
    return case


def approve_closing(ctx: Context, case_id: uuid.UUID, version: int) -> Case:
    """Close as the caseworker asked. Raises Forbidden for whoever may only ask, Conflict("closing_not_asked" | …)."""
    case = _asked_to_close(ctx, case_id, version)
    rules.check_closing(case.status, queries.count_obligations(case.id))
    return _close(ctx, case, CloseReason(case.closing_reason or ""), None)


def decline_closing(ctx: Context, case_id: uuid.UUID, version: int, reason: str) -> Case:
    """Send it back to the caseworker with a reason. Raises as `approve_closing`, and Invalid("required", "reason")."""
    case = _asked_to_close(ctx, case_id, version)
    note = changing.write_reason(ctx, case, reason)
    case.forget_closing()
    changing.change(ctx, case, CaseAction.CLOSING_DECLINED, {}, note.id, fields=("closing",))
    return case


def reopen_case(ctx: Context, case_id: uuid.UUID, version: int, reason: str) -> Case:
    """Take a closed case up again, at its assessment. Raises Conflict("case_open" | "stale"), Invalid("required")."""
    require(ctx, Permission.CASE_CLOSE, case_id)
    case = changing.lock(case_id)
    case.expect(version)
    if case.is_open:
        raise Conflict("case_open")
    note = changing.write_reason(ctx, case, reason)
    case.status, case.step, case.closed_at, case.close_reason = CaseStatus.OPEN, rules.REOPENED_AT, None, None
    changing.change(ctx, case, CaseAction.REOPENED, {"step": case.step}, note.id, fields=("status", "step"))
    publish(ctx, events.CaseReopened(case.id, case.centre_id, case.risk_level))
    return case


def _asked_to_close(ctx: Context, case_id: uuid.UUID, version: int) -> Case:
    if not require(ctx, Permission.CASE_CLOSE, case_id).reaches(Scope.TEAM):
        raise Forbidden(Permission.CASE_CLOSE, case_id)
    case = changing.open_for_change(case_id, version)
    if case.closing_requested_at is None:
        raise Conflict("closing_not_asked")
    return case


def _close(ctx: Context, case: Case, reason: CloseReason, note_id: uuid.UUID | None) -> Case:
    case.status, case.step, case.closed_at, case.close_reason = CaseStatus.CLOSED, CaseStep.CLOSE, ctx.now, reason
    case.forget_closing()
    changing.change(
        ctx, case, CaseAction.CLOSED, {"reason": reason.value}, note_id, fields=("status", "step", "close_reason")
    )
    publish(ctx, events.CaseClosed(case.id, case.centre_id, reason.value))
    return case
