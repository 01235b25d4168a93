"""What people do with follow-ups: plan one by hand, say what came of it, move it, call it off."""

import uuid
from datetime import datetime

from sqlalchemy import select

from helpline.calls.vocabulary import RiskLevel
from helpline.cases.services import hooks, working
from helpline.cases.vocabulary import CaseStatus
from helpline.followups import queries, rules
from helpline.followups.commands import AddFollowUp, CompleteFollowUp
from helpline.followups.models import FollowUp
from helpline.followups.services.planning import add_planned, schedule, settle, tell, working_time
from helpline.followups.vocabulary import BY_HAND, CLOCKS, FollowUpKind, FollowUpState, Outcome, PlanCase
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound


def add(ctx: Context, command: AddFollowUp) -> uuid.UUID:
    """Plan one by hand; the same id again gives the first.

    Raises NotFound("case"), Invalid("kind_by_hand" | "date_past" | "date_far" | "required"), Conflict("case_closed" |
    "id_in_use").
    """
    require(ctx, Permission.FOLLOWUP_PLAN, command.case_id)
    if command.kind not in BY_HAND:
        raise Invalid("kind_by_hand", "kind")
    if command.kind is FollowUpKind.OTHER and not (command.task or "").strip():
        raise Invalid("required", "task")
    standing = find(command.followup_id)
    if standing is not None:
        if (standing.case_id, standing.created_by, standing.kind) == (command.case_id, ctx.actor.id, command.kind):
            return standing.id
        raise Conflict("id_in_use")
    rules.check_due(command.due_at, ctx.now, "due_at")
    case = _open_case(command.case_id)
    task = (command.task or "").strip() or None
    if not add_planned(ctx, case, command.kind, command.due_at, followup_id=command.followup_id, task=task):
        raise Conflict("id_in_use")
    line = {"followup_id": str(command.followup_id), "kind": command.kind.value, "due_at": command.due_at.isoformat()}
    hooks.add_event(ctx, case.id, "followup.planned", line, centre_id=case.centre_id)
    return command.followup_id


def complete(ctx: Context, command: CompleteFollowUp) -> FollowUp:
    """Say what came of it; the next is planned by the rhythm, or for `next_due_at`. The same again changes nothing.

    Raises NotFound("followup"), Invalid("outcome_unfit" | "required" | "date_past" | "date_far"), Conflict("stale" |
    "followup_settled" | "followup_assignment" | "case_closed").
    """
    require(ctx, Permission.FOLLOWUP_COMPLETE, command.followup_id)
    followup = _lock(command.followup_id)
    if (followup.version, followup.done_by, followup.outcome) == (command.version + 1, ctx.actor.id, command.outcome):
        return followup
    followup.expect(command.version)
    rules.check_outcome(FollowUpKind(followup.kind), command.outcome)
    if command.outcome is not Outcome.NOT_REACHED and not command.note.strip():
        raise Invalid("required", "note")
    if command.next_due_at is not None:
        rules.check_due(command.next_due_at, ctx.now, "next_due_at")
    case = _open_case(followup.case_id)
    followup.note = command.note.strip() or None
    settle(ctx, followup, command.outcome)
    if command.outcome in {Outcome.REACHED, Outcome.REFUSED} and case.first_response_at is None:
        working.record_contact(ctx, case.id)
    _plan_next(ctx, case, followup, command)
    return followup


def reschedule(ctx: Context, followup_id: uuid.UUID, version: int, due_at: datetime, reason: str) -> FollowUp:
    """Move it, with a reason (sealed). The case's clocks are moved by a supervisor alone, its assignment by nobody.

    Raises as `complete`, and Forbidden for a clock.
    """
    followup = _to_move(ctx, followup_id, version, reason)
    rules.check_due(due_at, ctx.now, "due_at")
    former = followup.due_at
    case = _open_case(followup.case_id)
    followup.reason = reason.strip()
    schedule(ctx, followup, due_at, working_time(case, ctx.now).tz)
    followup.version = version + 1  # the reason is new, whether or not the time is
    db.session.flush()
    tell(ctx, followup, "followup.rescheduled", former=former.isoformat())
    return followup


def cancel(ctx: Context, followup_id: uuid.UUID, version: int, reason: str) -> FollowUp:
    """Call it off, with a reason (sealed). Raises as `reschedule`; Conflict("followup_regular") for the rhythm."""
    followup = _to_move(ctx, followup_id, version, reason)
    if followup.kind in {FollowUpKind.CONTACT, FollowUpKind.REVIEW}:
        raise Conflict("followup_regular")
    followup.reason = reason.strip()
    followup.state, followup.version = FollowUpState.CANCELLED, followup.version + 1
    db.session.flush()
    hooks.settle_obligation(ctx, followup.id)
    tell(ctx, followup, "followup.cancelled")
    return followup


def proposal(ctx: Context, followup_id: uuid.UUID) -> datetime | None:
    """When the next regular contact (or review) would be due if this were done now; None where none follows."""
    row = queries.get_followup(followup_id)
    case = queries.get_plan_case(row.case_id)
    working, risk = working_time(case, ctx.now), RiskLevel(case.risk_level)
    if row.kind == FollowUpKind.REVIEW:
        return rules.review_due(ctx.now, working)
    return None if row.kind == FollowUpKind.OTHER else rules.next_due(risk, ctx.now, working)


def find(followup_id: uuid.UUID) -> FollowUp | None:
    return db.session.get(FollowUp, followup_id)


def _plan_next(ctx: Context, case: PlanCase, followup: FollowUp, command: CompleteFollowUp) -> None:
    kind, asked = FollowUpKind(followup.kind), command.next_due_at
    risk, working = RiskLevel(case.risk_level), working_time(case, ctx.now)
    if command.outcome is Outcome.NOT_REACHED:
        add_planned(ctx, case, kind, asked or rules.retry_due(risk, ctx.now, working))
    elif kind is FollowUpKind.REVIEW:
        add_planned(ctx, case, kind, asked or rules.review_due(ctx.now, working))
    elif kind is FollowUpKind.OTHER:
        if asked:
            add_planned(ctx, case, kind, asked, task=followup.task)
    else:
        _move_contact(ctx, case, asked or rules.next_due(risk, ctx.now, working))


def _move_contact(ctx: Context, case: PlanCase, due_at: datetime) -> None:
    """The child or the family was reached just now: the regular contact is due a rhythm later."""
    if add_planned(ctx, case, FollowUpKind.CONTACT, due_at):
        return
    for standing in queries.open_of_case(case.id):
        if standing.kind == FollowUpKind.CONTACT:
            schedule(ctx, standing, due_at, working_time(case, ctx.now).tz)
    db.session.flush()


def _to_move(ctx: Context, followup_id: uuid.UUID, version: int, reason: str) -> FollowUp:
    require(ctx, Permission.FOLLOWUP_PLAN, followup_id)
    followup = _lock(followup_id)
    if followup.kind == FollowUpKind.ASSIGNMENT:
        raise Conflict("followup_assignment")
    if followup.kind in CLOCKS:
        require(ctx, Permission.CASE_ASSIGN, followup_id)
    followup.expect(version)
    if not reason.strip():
        raise Invalid("required", "reason")
    return followup


def _open_case(case_id: uuid.UUID) -> PlanCase:
    case = queries.get_plan_case(case_id)
    if case.status != CaseStatus.OPEN:
        raise Conflict("case_closed")
    return case


def _lock(followup_id: uuid.UUID) -> FollowUp:
    statement = select(FollowUp).where(FollowUp.id == followup_id).with_for_update()
    followup = db.session.scalars(statement.execution_options(populate_existing=True)).first()
    if followup is None:
        raise NotFound("followup", followup_id)
    return followup
