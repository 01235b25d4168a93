"""Reading several slices for one screen. The number of statements does not grow with the number of rows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import undefer, undefer_group

from helpline.accounts import queries as accounts
from helpline.accounts.models import User
from helpline.calls.models import Call, CallDraft
from helpline.cases import queries as cases
from helpline.cases.vocabulary import CaseRow, Looks, TimelineRow
from helpline.foundation.access.matrix import scope_of
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.people.models import Person
from helpline.referrals import queries as referrals
from helpline.referrals.queries import ReferralRow

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
    related: list[CaseRow]
    obligations: int
    looks: list[Looks] | None  # None: not this role's to know
    names: dict[uuid.UUID, str]  # of people that the timeline speaks of


def get_case_view(
    ctx: Context, case_id: uuid.UUID, *, kind: str | None = None, after: cases.Key | None = None
) -> CaseView:
    """Raises NotFound("case")."""
    case = cases.get_case(case_id)
    lines = cases.timeline(case_id, after, kind=kind)
    spoken_of = {uuid.UUID(line.details["caseworker_id"]) for line in lines if "caseworker_id" in line.details}
    supervises = scope_of(ctx.actor.role, Permission.CASE_READ) in {Scope.TEAM, Scope.CENTRE}
    return CaseView(
        case=case,
        child=_find_child(case.child_person_id),
        call=_find_call(case.call_id),
        lines=lines,
        referrals=referrals.list_for_case(case_id),
        related=cases.list_related(case_id, case.call_id, case.child_person_id),
        obligations=cases.count_obligations(case_id),
        looks=cases.who_looked(case_id, ctx.now - LOOKED_WITHIN) if supervises else None,
        names=accounts.user_names(spoken_of),
    )


def list_parked(user_id: uuid.UUID) -> Sequence[CallDraft]:
    """Calls begun and not yet saved, newest first; what they say stays sealed."""
    statement = select(CallDraft).where(CallDraft.user_id == user_id, CallDraft.ended_at.is_(None))
    return db.session.scalars(statement.order_by(CallDraft.saved_at.desc()).limit(WORK_LIMIT)).all()


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
