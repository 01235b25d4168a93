"""Reading several slices for one screen. The number of statements does not grow with the number of rows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import undefer, undefer_group

from helpline.accounts import queries as accounts
from helpline.accounts.models import User
from helpline.calls.models import Call, CallDraft
from helpline.calls.vocabulary import RiskLevel
from helpline.cases import queries as cases
from helpline.cases.models import Case
from helpline.cases.vocabulary import CaseFilter, CaseRow, Looks, TimelineRow
from helpline.desk.rules import WorkList, list_for
from helpline.followups import queries as followups
from helpline.followups.models import FollowUp
from helpline.followups.vocabulary import CLOCKS, FollowUpRow, FollowUpState
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Role, Scope
from helpline.foundation.calendar import day_bounds, local_day
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.people.models import Person
from helpline.reference.models import TaxonomyTerm
from helpline.referrals import queries as referrals
from helpline.referrals.models import Referral, ReferralAsk
from helpline.referrals.queries import ReferralRow
from helpline.referrals.vocabulary import ReferralState

LOOKED_WITHIN = timedelta(days=30)
WORK_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Child:
    """Who a case is about. `name` may be unknown."""

    id: uuid.UUID
    name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallBrief:
    """The call that a case came from."""

    id: uuid.UUID
    number: int
    channel: str
    caller_relation: str
    started_at: datetime
    operator_name: str | None
    narrative: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything on a case's page."""

    case: CaseRow
    child: Child | None
    call: CallBrief | None
    lines: list[TimelineRow]
    referrals: list[ReferralRow]
    coming: list[FollowUpRow]  # what stands open, soonest first
    related: list[CaseRow]
    obligations: int
    looks: list[Looks] | None  # None: not this role's to know
    names: dict[uuid.UUID, str]  # of people that the timeline speaks of
    terms: dict[str, dict[str, str]]  # names of the reasons that the risk rests on, by code


def get_case_view(
    ctx: Context, case_id: uuid.UUID, *, kind: str | None = None, after: cases.Key | None = None
) -> CaseView:
    """Raises NotFound("case")."""
    case = cases.get_case(case_id)
    lines = _with_notes(cases.timeline(case_id, after, kind=kind))
    spoken_of = {uuid.UUID(line.details["caseworker_id"]) for line in lines if "caseworker_id" in line.details}
    supervises = scope_held(ctx.actor, Permission.CASE_READ) in {Scope.TEAM, Scope.CENTRE}
    return CaseView(
        case=case,
        child=_find_child(case.child_person_id),
        call=_find_call(case.call_id),
        lines=lines,
        referrals=referrals.list_for_case(case_id),
        coming=followups.list_for_case(case_id),
        related=cases.list_related(case_id, case.call_id, case.child_person_id),
        obligations=cases.count_obligations(case_id),
        looks=cases.who_looked(case_id, ctx.now - LOOKED_WITHIN) if supervises else None,
        names=accounts.user_names(spoken_of),
        terms=_terms([reason["value"] for reason in case.risk_reasons if reason.get("code") == "subcategory"]),
    )


def _with_notes(lines: list[TimelineRow]) -> list[TimelineRow]:
    """What was written on a follow-up is told where it was done."""
    done = {line.id: uuid.UUID(line.details["followup_id"]) for line in lines if line.action == "followup.completed"}
    notes = followups.notes_by_id(set(done.values()))
    return [replace(line, body=notes.get(done[line.id])) if line.id in done else line for line in lines]


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A thing to do or to wait for. `kind`: a follow-up's kind, or what else it is: "assign", "exhausted", "parked"."""

    where: WorkList
    kind: str
    due_at: datetime | None
    source_id: uuid.UUID
    case: CaseRow | None = None
    service: str | None = None


def list_work(ctx: Context) -> list[WorkItem]:
    """What this person has to do by the end of today and what they wait for: danger first, then the soonest."""
    within = cases.reach(ctx)
    if ctx.actor.role == Role.CASEWORKER:
        asking = replace(within, closing_asked=True)
        mine = Case.caseworker_id == ctx.actor.id
        found = [
            *_due_followups(ctx, FollowUp.caseworker_id == ctx.actor.id), *_sought(mine),
            *_of_cases(asking, WorkList.WAITING, "wait_closing"),
        ]  # fmt: skip
    elif ctx.actor.role == Role.OPERATOR:
        unassigned = replace(within, unassigned=True)
        found = [
            *_parked(ctx), *_of_cases(unassigned, WorkList.WAITING, "wait_assignment"),
            *_sought(Case.opened_by == ctx.actor.id),
        ]  # fmt: skip
    else:
        theirs = _theirs(within)
        found = [*_pressing_cases(ctx, within), *_escalated(theirs), *_sought(theirs, supervises=True)]
    return sorted(found, key=lambda item: (-_severity(item), item.due_at or ctx.now, item.source_id))


def _severity(item: WorkItem) -> int:
    return RiskLevel(item.case.risk_level).severity if item.case else len(RiskLevel)


def count_overdue(ctx: Context) -> int:
    """The number beside My work: what stands there as overdue. Two statements at most."""
    if ctx.actor.role == Role.OPERATOR:
        return 0
    within = cases.reach(ctx)
    if ctx.actor.role != Role.CASEWORKER:
        clocks = cases.count_cases(replace(within, late_at=ctx.now))
        return clocks + _count(_escalated_rows(_theirs(within)))
    return _count(_planned().where(FollowUp.caseworker_id == ctx.actor.id, FollowUp.due_at < ctx.now))


def _theirs(within: CaseFilter) -> ColumnElement[bool]:
    return Case.team_id.in_(within.team_ids) if within.team_ids else Case.centre_id == within.centre_id


def _count(wanted: Select[FollowUp]) -> int:
    late = wanted.limit(100)
    return db.session.scalar(select(func.count()).select_from(late.with_only_columns(FollowUp.id).subquery())) or 0


def _of_cases(wanted: CaseFilter, where: WorkList, kind: str) -> list[WorkItem]:
    return [
        WorkItem(where, kind, row.assign_by if wanted.unassigned else row.closing_requested_at, row.id, row)
        for row in cases.list_by_clock(wanted, WORK_LIMIT)
    ]


def _pressing_cases(ctx: Context, within: CaseFilter) -> list[WorkItem]:
    """Nobody has it, nobody has answered, or somebody asks to close it."""
    found = [
        replace(item, where=WorkList.OVERDUE) if item.due_at and item.due_at < ctx.now else item
        for item in _of_cases(replace(within, unassigned=True), WorkList.TODAY, "assign")
    ]
    late = cases.list_by_clock(replace(within, response_late_at=ctx.now, assigned=True), WORK_LIMIT)
    found += [WorkItem(WorkList.OVERDUE, "respond", row.first_response_by, row.id, row) for row in late]
    return found + _of_cases(replace(within, closing_asked=True), WorkList.TODAY, "decide_closing")


def _parked(ctx: Context) -> list[WorkItem]:
    """Calls begun and not yet saved; what they say stays sealed."""
    statement = select(CallDraft).where(CallDraft.user_id == ctx.actor.id, CallDraft.ended_at.is_(None))
    drafts = db.session.scalars(statement.order_by(CallDraft.saved_at.desc()).limit(WORK_LIMIT))
    return [WorkItem(WorkList.TODAY, "parked", draft.saved_at, draft.id) for draft in drafts]


def _planned() -> Select[FollowUp]:
    return select(FollowUp).where(FollowUp.state == FollowUpState.PLANNED).order_by(FollowUp.due_at, FollowUp.id)


def _due_followups(ctx: Context, whose: ColumnElement[bool]) -> list[WorkItem]:
    zone = ZoneInfo(ctx.timezone)
    end_of_today = day_bounds(local_day(ctx.now, zone), zone)[1]
    due = db.session.scalars(_planned().where(whose, FollowUp.due_at < end_of_today).limit(WORK_LIMIT)).all()
    return _with_cases(
        [WorkItem(list_for(each.due_at, ctx.now), each.kind, each.due_at, each.id) for each in due],
        [each.case_id for each in due],
    )


def _escalated_rows(whose: ColumnElement[bool]) -> Select[FollowUp]:
    """What stayed undone and came to the supervisor; assignment and first response stand there as cases."""
    return _planned().join(Case).where(whose, FollowUp.escalated_at.is_not(None), FollowUp.kind.not_in(CLOCKS))


def _escalated(whose: ColumnElement[bool]) -> list[WorkItem]:
    found = db.session.scalars(_escalated_rows(whose).limit(WORK_LIMIT)).all()
    return _with_cases(
        [WorkItem(WorkList.OVERDUE, each.kind, each.due_at, each.id) for each in found],
        [each.case_id for each in found],
    )


def _sought(whose: ColumnElement[bool], *, supervises: bool = False) -> list[WorkItem]:
    """Agencies that have not answered yet, and searches that found nobody: the supervisor's to do, others wait."""
    statement = (
        select(Referral, ReferralAsk.answer_by)
        .join(Case, Case.id == Referral.case_id)
        .outerjoin(ReferralAsk, ReferralAsk.id == Referral.current_ask_id)
        .where(whose, Referral.state.in_((ReferralState.ASKED, ReferralState.EXHAUSTED)))
        .order_by(Referral.requested_at, Referral.id)
        .limit(WORK_LIMIT)
    )
    found = db.session.execute(statement).all()
    to_do = WorkList.TODAY if supervises else WorkList.WAITING
    items = [
        WorkItem(
            to_do if row.state == ReferralState.EXHAUSTED else WorkList.WAITING,
            row.state, row.decided_at if row.state == ReferralState.EXHAUSTED else answer_by, row.id,
            service=row.service,
        )
        for row, answer_by in found
    ]  # fmt: skip
    return _with_cases(items, [row.case_id for row, _ in found])


def _with_cases(items: Sequence[WorkItem], case_ids: Sequence[uuid.UUID]) -> list[WorkItem]:
    rows = cases.rows_by_id(set(case_ids))
    return [replace(item, case=rows[of]) for item, of in zip(items, case_ids, strict=True) if of in rows]


def _terms(codes: Sequence[str]) -> dict[str, dict[str, str]]:
    if not codes:
        return {}
    statement = select(TaxonomyTerm.code, TaxonomyTerm.names).where(TaxonomyTerm.code.in_(codes))
    return {code: names for code, names in db.session.execute(statement)}  # noqa: C416  # rows, not pairs


def _find_child(person_id: uuid.UUID) -> Child | None:
    statement = select(Person).where(Person.id == person_id).options(undefer_group("sealed"))
    person = db.session.scalars(statement).one_or_none()
    return Child(person.id, person.name) if person else None


def _find_call(call_id: uuid.UUID) -> CallBrief | None:
    statement = (
        select(Call, User.name)
        .outerjoin(User, User.id == Call.operator_id)
        .where(Call.id == call_id)
        .options(undefer(Call.narrative_sealed), undefer(Call.record_key))
    )
    found = db.session.execute(statement).one_or_none()
    if found is None:
        return None
    call, operator = found
    return CallBrief(
        call.id, call.number, call.channel, call.caller_relation, call.started_at, operator, call.narrative
    )
