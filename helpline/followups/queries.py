"""Reading follow-ups. Lists never touch sealed columns; their statements do not grow with the number of rows."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, or_, select, tuple_
from sqlalchemy.orm import undefer, undefer_group

from helpline.accounts.models import Centre, User
from helpline.calls.vocabulary import risk_levels
from helpline.cases.models import Case
from helpline.cases.vocabulary import CaseStatus
from helpline.followups.models import FollowUp
from helpline.followups.vocabulary import FollowUpFilter, FollowUpRow, FollowUpState, ListState, PlanCase
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.foundation.keyset import COUNTED

PAGE = 50
Key = tuple[datetime, uuid.UUID]
SOONEST_FIRST = frozenset({ListState.OPEN, ListState.OVERDUE, ListState.ESCALATED})

_JOINED = {"case_code", "caseworker_name", "task", "note", "reason"}
_PLAIN = [each.name for each in fields(FollowUpRow) if each.name not in _JOINED]
_OF_CASE = ("id", "code", "centre_id", "team_id", "caseworker_id", "assigned_at", "source", "status", "risk_level",
            "opened_at", "assign_by", "first_response_by", "first_response_at")  # fmt: skip


def reach(ctx: Context) -> FollowUpFilter:
    """The actor's own reach as a filter, so that lists use an index; row security stands behind it."""
    actor, scope = ctx.actor, scope_held(ctx.actor, Permission.FOLLOWUP_READ)
    within = FollowUpFilter(now=ctx.now, centre_id=actor.centre_id)
    if scope is Scope.OWN:
        return replace(within, opened_by=actor.id)
    if scope is Scope.ASSIGNED:
        return replace(within, theirs=actor.id)
    if scope is Scope.TEAM:
        return replace(within, team_ids=actor.team_ids)
    return within


def narrowed(ctx: Context, asked: Mapping[str, Any]) -> FollowUpFilter:
    """What a list was asked for, within the actor's reach."""
    within = reach(ctx)
    return replace(
        within, state=ListState(asked["state"]), kind=asked["kind"], risk_level=asked["risk_level"],
        case_id=asked["case_id"], team_ids=(asked["team_id"],) if asked["team_id"] else within.team_ids,
        caseworker_id=ctx.actor.id if asked["mine"] else asked["caseworker_id"],
    )  # fmt: skip


def get_followup(followup_id: uuid.UUID) -> FollowUpRow:
    """One follow-up with its sealed words. Raises NotFound("followup")."""
    statement = _rows().options(undefer_group("sealed")).where(FollowUp.id == followup_id)
    found = db.session.execute(statement).first()
    if found is None:
        raise NotFound("followup", followup_id)
    return _row(found, sealed=True)


def list_followups(wanted: FollowUpFilter, after: Key | None = None, limit: int = PAGE) -> list[FollowUpRow]:
    """What is open soonest due first, what is over latest due first; one more than `limit` where there are more."""
    key = tuple_(FollowUp.due_at, FollowUp.id)
    statement = _rows().where(*_conditions(wanted)).limit(limit + 1)
    if wanted.state in SOONEST_FIRST:
        statement = statement.order_by(FollowUp.due_at, FollowUp.id)
        statement = statement.where(key > after) if after else statement
    else:
        statement = statement.order_by(FollowUp.due_at.desc(), FollowUp.id.desc())
        statement = statement.where(key < after) if after else statement
    return [_row(found) for found in db.session.execute(statement)]


def list_for_case(case_id: uuid.UUID, *, open_only: bool = True) -> list[FollowUpRow]:
    """The follow-ups of one case, soonest due first."""
    statement = _rows().where(FollowUp.case_id == case_id).order_by(FollowUp.due_at, FollowUp.id).limit(200)
    if open_only:
        statement = statement.where(FollowUp.state == FollowUpState.PLANNED)
    return [_row(found) for found in db.session.execute(statement)]


def notes_by_id(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str | None]:
    """What was written when each of these was done. One statement; none for no ids."""
    if not ids:
        return {}
    statement = select(FollowUp).options(undefer(FollowUp.note_sealed), undefer(FollowUp.record_key))
    return {row.id: row.note for row in db.session.scalars(statement.where(FollowUp.id.in_(ids)))}


def list_mine(ctx: Context, due_before: datetime | None = None, limit: int = PAGE) -> list[FollowUpRow]:
    """What stands open for the actor themselves, soonest due first."""
    return list_followups(replace(reach(ctx), caseworker_id=ctx.actor.id, due_before=due_before), limit=limit)


def count_followups(wanted: FollowUpFilter) -> int:
    """How many there are; stops counting one beyond COUNTED."""
    some = _joined(select(FollowUp.id)).where(*_conditions(wanted)).limit(COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def count_overdue_by_risk(ctx: Context) -> dict[str, int]:
    """Overdue follow-ups within the actor's reach, by risk; for figures."""
    wanted = replace(reach(ctx), state=ListState.OVERDUE)
    statement = _joined(select(FollowUp.risk_level, func.count())).where(*_conditions(wanted))
    found = db.session.execute(statement.group_by(FollowUp.risk_level))
    return {risk: count for risk, count in found}  # noqa: C416  # a row is no pair for the type checker


def get_plan_case(case_id: uuid.UUID) -> PlanCase:
    """What planning needs of a case. Raises NotFound("case")."""
    columns = [getattr(Case, name) for name in _OF_CASE]
    statement = select(*columns, Centre.country, Centre.timezone).join(Centre, Centre.id == Case.centre_id)
    found = db.session.execute(statement.where(Case.id == case_id)).first()
    if found is None:
        raise NotFound("case", case_id)
    return PlanCase(**found._asdict())


def open_of_case(case_id: uuid.UUID) -> Sequence[FollowUp]:
    """What stands open in a case, locked for change."""
    statement = select(FollowUp).where(FollowUp.case_id == case_id, FollowUp.state == FollowUpState.PLANNED)
    statement = statement.order_by(FollowUp.id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(statement).all()


def take_due(now: datetime, limit: int, *, escalation: bool) -> list[tuple[FollowUp, str, str]]:
    """Open follow-ups to be reminded of (or escalated) now, with the case's number and the centre's time zone.

    Locked; what another worker holds is left to it.
    """
    at, told = (
        (FollowUp.escalate_at, FollowUp.escalated_at) if escalation else (FollowUp.remind_at, FollowUp.reminded_at)
    )
    statement = (
        select(FollowUp, Case.code, Centre.timezone)
        .join(Case, Case.id == FollowUp.case_id)
        .join(Centre, Centre.id == FollowUp.centre_id)
        .where(FollowUp.state == FollowUpState.PLANNED, told.is_(None), at <= now, Case.status == CaseStatus.OPEN)
        .order_by(at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=FollowUp)
    )
    return [(followup, code, timezone) for followup, code, timezone in db.session.execute(statement)]


def _conditions(wanted: FollowUpFilter) -> list[ColumnElement[bool]]:
    exact = {
        FollowUp.centre_id: wanted.centre_id, FollowUp.caseworker_id: wanted.caseworker_id, FollowUp.kind: wanted.kind,
        FollowUp.case_id: wanted.case_id, Case.opened_by: wanted.opened_by,
    }  # fmt: skip
    conditions: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value is not None]
    if wanted.risk_level is not None:
        conditions.append(FollowUp.risk_level.in_(risk_levels(wanted.risk_level)))
    if wanted.state in SOONEST_FIRST:
        conditions.append(FollowUp.state == FollowUpState.PLANNED)
    elif wanted.state is not ListState.ALL:
        conditions.append(FollowUp.state == wanted.state.value)
    if wanted.state is ListState.OVERDUE:
        conditions.append(FollowUp.due_at < wanted.now)
    if wanted.state is ListState.ESCALATED:
        conditions.append(FollowUp.escalated_at.is_not(None))
    if wanted.theirs is not None:
        conditions.append(or_(Case.caseworker_id == wanted.theirs, Case.opened_by == wanted.theirs))
    if wanted.team_ids:
        conditions.append(FollowUp.team_id.in_(wanted.team_ids))
    if wanted.due_before is not None:
        conditions.append(FollowUp.due_at < wanted.due_before)
    return conditions


def _joined(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return statement.select_from(FollowUp).join(Case, Case.id == FollowUp.case_id)


def _rows() -> Select[*tuple[Any, ...]]:
    return _joined(select(FollowUp, Case.code, User.name)).outerjoin(User, User.id == FollowUp.caseworker_id)


def _row(found: Row[*tuple[Any, ...]], *, sealed: bool = False) -> FollowUpRow:
    followup, case_code, caseworker_name = found
    words = {"task": followup.task, "note": followup.note, "reason": followup.reason} if sealed else {}
    plain = {name: getattr(followup, name) for name in _PLAIN}
    return FollowUpRow(**plain, case_code=case_code, caseworker_name=caseworker_name, **words)
