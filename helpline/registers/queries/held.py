"""Which records are held about one child, as far as the actor sees them."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import undefer

from helpline.calls.models import Call, CallChild, CallVersion
from helpline.cases.models import Case
from helpline.foundation.db import db
from helpline.people.models import Person


class Ids(NamedTuple):
    """Of one child: whatever calls told of them, those calls, and the cases."""

    persons: tuple[uuid.UUID, ...]
    calls: tuple[uuid.UUID, ...]
    cases: tuple[uuid.UUID, ...]


def ids_of(person_id: uuid.UUID) -> Ids:
    """`person_id`: any of the persons who were said to be one."""
    canonical = select(func.coalesce(Person.canonical_person_id, Person.id)).where(Person.id == person_id)
    child = canonical.scalar_subquery()
    same = or_(Person.id == child, Person.canonical_person_id == child)
    persons = db.session.scalars(select(Person.id).where(same).order_by(Person.created_at, Person.id)).all()
    told = select(CallChild.call_id).where(CallChild.person_id.in_(persons))
    own = or_(Call.id.in_(told), Call.caller_person_id.in_(persons))
    calls = db.session.scalars(select(Call.id).where(own).order_by(Call.started_at, Call.id)).all()
    about = Case.child_person_id.in_(persons)
    cases = db.session.scalars(select(Case.id).where(about).order_by(Case.opened_at, Case.id)).all()
    return Ids(tuple(persons), tuple(calls), tuple(cases))


def originals_of(call_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Any]:
    """Of calls that came in with an old log, the row as it stood there."""
    statement = select(Call).where(Call.id.in_(call_ids), Call.original_sealed.is_not(None))
    rows = db.session.scalars(statement.options(undefer(Call.original_sealed), undefer(Call.record_key)))
    return {row.id: row.original for row in rows}


def count_versions(call_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many earlier states of each call are kept."""
    statement = select(CallVersion.call_id, func.count()).where(CallVersion.call_id.in_(call_ids))
    return {call_id: times for call_id, times in db.session.execute(statement.group_by(CallVersion.call_id))}  # noqa: C416
