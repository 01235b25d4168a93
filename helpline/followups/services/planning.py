"""What the service plans by itself: when a case opens, is given to somebody, is judged anew, is answered or closes.

Every step reads the case as it stands now, so that events may come late or in another order. They come while people
work: only what people decide by (when it is due, whether it is over) makes a form that somebody has open stale; whose
it is and how urgent goes along with the case.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert

from helpline.calls.vocabulary import RiskLevel
from helpline.cases.services import hooks
from helpline.cases.vocabulary import CaseSource, CaseStatus
from helpline.followups import events, queries, rules
from helpline.followups.models import FollowUp
from helpline.followups.vocabulary import PROMISES, FollowUpKind, FollowUpState, Outcome, PlanCase
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.calendar import WorkingTime, local_day
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.reference import queries as reference

OBLIGATION = "followup"
QUIET = rules.QuietHours()
_AHEAD = rules.LATEST + timedelta(days=30)


def plan(ctx: Context, case_id: uuid.UUID, *, reopened: bool = False) -> None:
    """Plan what an open, live case needs; what stands planned already is left alone."""
    require(ctx, Permission.FOLLOWUP_PLAN, case_id)
    case = queries.get_plan_case(case_id)
    if case.source != CaseSource.LIVE or case.status != CaseStatus.OPEN:
        return
    since = ctx.now if reopened else case.opened_at
    settled = {FollowUpKind.ASSIGNMENT: case.caseworker_id, FollowUpKind.FIRST_RESPONSE: case.first_response_at}
    for planned in rules.plan_followups(RiskLevel(case.risk_level), since, working_time(case, ctx.now)):
        if settled.get(planned.kind) is None:
            add_planned(ctx, case, planned.kind, _by_clock(case, planned.kind, planned.due_at))


def reassign(ctx: Context, case_id: uuid.UUID) -> None:
    """The case has somebody: they are told, its open follow-ups become theirs, and its first clock has stopped."""
    require(ctx, Permission.FOLLOWUP_PLAN, case_id)
    case = queries.get_plan_case(case_id)
    if case.caseworker_id is None or case.assigned_at is None:
        return
    for followup in queries.open_of_case(case_id):
        if followup.kind == FollowUpKind.ASSIGNMENT:
            settle(ctx, followup, Outcome.DONE, told=True)
        elif followup.caseworker_id != case.caseworker_id:
            followup.caseworker_id, followup.team_id, followup.reminded_at = case.caseworker_id, case.team_id, None
    db.session.flush()
    if case.caseworker_id in grants.shut_out([case.id])[case.id]:
        return
    key = f"case_assigned:{case.id}:{case.caseworker_id}:{case.assigned_at.timestamp():.0f}"
    params = {"case_id": case.id, "case": case.code, "risk_level": case.risk_level}
    queue_message(
        ctx, QueueMessage(case.centre_id, "case_assigned", key, params, user_id=case.caseworker_id)
    )  # fmt: skip


def release(ctx: Context, case_id: uuid.UUID) -> None:
    """The case is nobody's again: so is what stands open in it, and somebody is to be found anew."""
    require(ctx, Permission.FOLLOWUP_PLAN, case_id)
    case = queries.get_plan_case(case_id)
    if case.caseworker_id is not None:
        return
    for followup in queries.open_of_case(case_id):
        followup.caseworker_id = None
    db.session.flush()
    plan(ctx, case_id)


def replan(ctx: Context, case_id: uuid.UUID, former: RiskLevel) -> None:
    """The risk was judged anew: what stands open moves with it."""
    require(ctx, Permission.FOLLOWUP_PLAN, case_id)
    case = queries.get_plan_case(case_id)
    risk, working = RiskLevel(case.risk_level), working_time(case, ctx.now)
    for followup in queries.open_of_case(case_id):
        followup.risk_level, due = risk, _by_clock(case, FollowUpKind(followup.kind), followup.due_at, moved=True)
        if followup.kind == FollowUpKind.CONTACT:
            due = rules.moved_due(
                due, former, risk, contacted_at=followup.created_at, now=ctx.now, working=working
            )  # fmt: skip
        schedule(ctx, followup, due, working.tz)
    db.session.flush()


def note_contact(ctx: Context, case_id: uuid.UUID, *, first: bool) -> None:
    """A note says that the child or the family was reached: settles the first response, or the regular contact."""
    require(ctx, Permission.FOLLOWUP_PLAN, case_id)
    case = queries.get_plan_case(case_id)
    kind = FollowUpKind.FIRST_RESPONSE if first else FollowUpKind.CONTACT
    for followup in queries.open_of_case(case_id):
        if followup.kind == kind:
            settle(ctx, followup, Outcome.REACHED, told=True)
            if not first and case.status == CaseStatus.OPEN:
                due = rules.next_due(RiskLevel(case.risk_level), ctx.now, working_time(case, ctx.now))
                add_planned(ctx, case, kind, due)


def cancel_all(ctx: Context, case_id: uuid.UUID) -> None:
    """The case is closed: nothing more is to be done. Does nothing if it was taken up again meanwhile."""
    require(ctx, Permission.FOLLOWUP_PLAN, case_id)
    case = queries.get_plan_case(case_id)
    cancelled = queries.open_of_case(case_id) if case.status == CaseStatus.CLOSED else ()
    for followup in cancelled:
        followup.state, followup.version = FollowUpState.CANCELLED, followup.version + 1
        hooks.settle_obligation(ctx, followup.id)
    db.session.flush()
    if cancelled:
        record(ctx, "followup.cancelled", "followup", *(each.id for each in cancelled), centre_id=case.centre_id)


def working_time(case: PlanCase, now: datetime) -> WorkingTime:
    """The working week and the holidays of the case's country, from yesterday to beyond the furthest due time."""
    tz, country = ZoneInfo(case.timezone), case.country.upper()
    first, last = local_day(now - timedelta(days=100), tz), local_day(now + _AHEAD, tz)
    holidays = frozenset(row.on_date for row in reference.holidays_between(country, first, last))
    week = frozenset(day - 1 for day in reference.country(country).working_week)
    return WorkingTime(tz, days=week, holidays=holidays)


def add_planned(
    ctx: Context, case: PlanCase, kind: FollowUpKind, due_at: datetime, *, followup_id: uuid.UUID | None = None,
    task: str | None = None,
) -> bool:  # fmt: skip
    """Plan it, with its reminder and its escalation; False where one of its kind stands planned, or the id is used."""
    risk, followup_id = RiskLevel(case.risk_level), followup_id or new_id()
    tz = ZoneInfo(case.timezone)
    values: dict[str, Any] = {
        "id": followup_id, "case_id": case.id, "centre_id": case.centre_id, "team_id": case.team_id,
        "caseworker_id": case.caseworker_id, "kind": kind, "risk_level": risk, "due_at": due_at,
        "remind_at": rules.reminder_at(due_at, ctx.now, risk, QUIET, tz),
        "escalate_at": rules.escalation_at(due_at, risk), "state": FollowUpState.PLANNED, "created_at": ctx.now,
        "created_by": ctx.actor.id, "version": 1,
    } | seal_values("followups", followup_id, {"task_sealed": task})  # fmt: skip
    if kind in PROMISES:
        hooks.open_obligation(ctx, case.id, OBLIGATION, ("followup", followup_id), due_at)
    statement = insert(FollowUp).values(values).on_conflict_do_nothing().returning(FollowUp.id)
    added = db.session.execute(statement).first() is not None
    if added:
        record(ctx, "followup.planned", "followup", followup_id, centre_id=case.centre_id, what=kind.value)
    elif kind in PROMISES:
        hooks.settle_obligation(ctx, followup_id)
    return added


def schedule(ctx: Context, followup: FollowUp, due_at: datetime, tz: ZoneInfo) -> None:
    """Give it this due time. A new one is reminded of and escalated anew; the same only in step with its risk."""
    risk = RiskLevel(followup.risk_level)
    if due_at != followup.due_at:
        followup.due_at, followup.reminded_at, followup.escalated_at = due_at, None, None
        followup.version += 1
    followup.remind_at = rules.reminder_at(due_at, ctx.now, risk, QUIET, tz)
    followup.escalate_at = rules.escalation_at(due_at, risk)


def settle(ctx: Context, followup: FollowUp, outcome: Outcome, *, told: bool = False) -> None:
    """It is done, by the actor; a system actor only notes that it was. `told`: the case's timeline says so already."""
    followup.state, followup.outcome, followup.done_at = FollowUpState.DONE, outcome, ctx.now
    followup.done_by = ctx.actor.id if ctx.actor.centre_id else None
    followup.version += 1
    db.session.flush()
    hooks.settle_obligation(ctx, followup.id)
    tell(ctx, followup, "followup.completed", told=told, outcome=outcome.value)
    publish(ctx, events.FollowUpCompleted(
        followup.id, followup.case_id, followup.centre_id, followup.kind, outcome.value
    ))  # fmt: skip


def tell(ctx: Context, followup: FollowUp, action: str, *, told: bool = False, **details: Any) -> None:
    """The same deed for the case's timeline and for the audit."""
    line = {"followup_id": str(followup.id), "kind": followup.kind, "due_at": followup.due_at.isoformat()} | details
    if not told:
        hooks.add_event(ctx, followup.case_id, action, line, centre_id=followup.centre_id)
    record(ctx, action, "followup", followup.id, centre_id=followup.centre_id, what=followup.kind, **details)


def _by_clock(case: PlanCase, kind: FollowUpKind, due_at: datetime, *, moved: bool = False) -> datetime:
    """The case's own clocks decide over what is planned; a first response may be due before, never after its clock."""
    if kind is FollowUpKind.ASSIGNMENT:
        return case.assign_by
    if kind is FollowUpKind.FIRST_RESPONSE:
        return case.first_response_by if moved else min(due_at, case.first_response_by)
    return due_at
