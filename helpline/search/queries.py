"""Reading what a search shows: always through the rows of whoever asks."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import any_, func, or_, select
from sqlalchemy.orm import aliased, undefer_group

from helpline.accounts.models import Centre
from helpline.calls.models import Call, CallChild
from helpline.cases.models import Case
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.people.models import Person
from helpline.reference.models import Place
from helpline.search.models import Search
from helpline.search.vocabulary import Reach, SearchKind

SHOWN = 20
MOST_REACHED = 5000  # cases, newest first, whose people are told to the index beside those of one's calls
MOST_OF_NUMBER = 60
_END_DIGITS = 3
Province = aliased(Place)


@dataclass(frozen=True, slots=True)
class Hit:
    """A person whom the actor sees, with the last call and the case that tell of them."""

    person: Person
    call_id: uuid.UUID | None
    call_number: int | None
    last_contact_at: datetime | None
    place_names: dict[str, str] | None
    case_id: uuid.UUID | None
    case_code: str | None
    case_status: str | None
    risk_level: str | None

    @property
    def id(self) -> uuid.UUID:
        return self.person.id

    @property
    def name(self) -> str | None:
        return self.person.name

    @property
    def phone_end(self) -> str | None:
        """The last digits alone: enough to tell two numbers apart for whoever has one before them."""
        return f"•••{self.person.phone[-_END_DIGITS:]}" if self.person.phone else None

    @property
    def role(self) -> str:
        return self.person.role

    @property
    def age(self) -> int | None:
        return self.person.age

    @property
    def gender(self) -> str:
        return self.person.gender


@dataclass(frozen=True, slots=True)
class _Call:
    id: uuid.UUID
    number: int
    started_at: datetime
    place_names: dict[str, str] | None


def region_of(centre_id: uuid.UUID) -> str:
    """The country by which numbers are read."""
    return (db.session.scalar(select(Centre.country).where(Centre.id == centre_id)) or "").upper()


def reach(ctx: Context) -> Reach | None:
    """Whom the actor may meet, so that people out of sight take no place among the candidates; None: the centre."""
    actor, scope = ctx.actor, scope_held(ctx.actor, Permission.PERSON_SEARCH)
    if scope is Scope.CENTRE:
        return None
    ways = [Case.opened_by == actor.id, Case.caseworker_id == actor.id, Case.id == any_(func.app.granted("case"))]
    teams = actor.team_ids if scope is Scope.TEAM else ()
    if teams:
        ways.append(Case.team_id.in_(teams))
    found = db.session.execute(
        select(Case.child_person_id, Call.caller_person_id)
        .outerjoin(Call, Call.id == Case.call_id)
        .where(or_(*ways))
        .order_by(Case.opened_at.desc())
        .limit(MOST_REACHED)
    )
    people = {person for pair in found for person in pair if person is not None}
    return Reach(None if scope is Scope.ASSIGNED else actor.id, tuple(teams), tuple(people))


def people_of_number(index: bytes) -> Sequence[uuid.UUID]:
    """Newest first, as far as the actor sees them."""
    same = select(Person.id).where(Person.phone_index == index).order_by(Person.created_at.desc(), Person.id.desc())
    return db.session.scalars(same.limit(MOST_OF_NUMBER)).all()


def people_of_case(centre_id: uuid.UUID | None, number: int) -> Sequence[uuid.UUID]:
    same = select(Case.child_person_id).where(Case.centre_id == centre_id, Case.number == number)
    return db.session.scalars(same).all()


def hits(ids: Sequence[uuid.UUID], limit: int = SHOWN) -> list[Hit]:
    """These people in this order, where a call or case in sight tells of them; three statements whatever the number."""
    people = _people(ids)
    calls = _last_calls(people)
    cases = _cases(people, {call.id for call in calls.values()})
    found = []
    for person_id in dict.fromkeys(ids):
        person, call = people.get(person_id), calls.get(person_id)
        case = cases.get(person_id) or (cases.get(call.id) if call and person and person.role == "caller" else None)
        if person is not None and (call or case):
            found.append(_hit(person, call, case))
    return found[:limit]


def _hit(person: Person, call: _Call | None, case: Case | None) -> Hit:
    return Hit(
        person, call.id if call else None, call.number if call else None, call.started_at if call else None,
        call.place_names if call else None, case.id if case else None, case.code if case else None,
        case.status if case else None, case.risk_level if case else None,
    )  # fmt: skip


def _people(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Person]:
    if not ids:
        return {}
    statement = select(Person).options(undefer_group("sealed")).where(Person.id.in_(ids))
    denied = Person.id == any_(func.app.denied("person"))
    return {person.id: person for person in db.session.scalars(statement.where(~denied))}


def _last_calls(people: Collection[uuid.UUID]) -> dict[uuid.UUID, _Call]:
    """The newest call in sight that tells of each."""
    if not people:
        return {}
    links = (
        select(CallChild.person_id.label("person_id"), CallChild.call_id.label("call_id"))
        .where(CallChild.person_id.in_(people))
        .union_all(select(Call.caller_person_id, Call.id).where(Call.caller_person_id.in_(people)))
        .subquery()
    )
    rows = db.session.execute(
        select(links.c.person_id, Call.id, Call.number, Call.started_at, func.coalesce(Place.names, Province.names))
        .join(Call, Call.id == links.c.call_id)
        .outerjoin(Place, Place.id == Call.place_id)
        .outerjoin(Province, Province.id == Call.province_id)
        .where(Call.voided_at.is_(None))
        .order_by(Call.started_at)
    )
    return {person_id: _Call(*call) for person_id, *call in rows}


def _cases(people: Collection[uuid.UUID], calls: Collection[uuid.UUID]) -> dict[uuid.UUID, Case]:
    """By the child, and by the call (for whoever called), the newest case in sight."""
    if not people:
        return {}
    ways = or_(Case.child_person_id.in_(people), Case.call_id.in_(calls))
    found = db.session.scalars(select(Case).where(ways).order_by(Case.opened_at)).all()
    return {case.call_id: case for case in found} | {case.child_person_id: case for case in found}


def cases_concerning(
    people: Collection[uuid.UUID], number: bytes | None, but_not: uuid.UUID
) -> tuple[list[uuid.UUID], bool]:
    """Ids of other calls' cases in sight for these children or this number, and whether there is one out of sight."""
    callers = people_of_number(number) if number else ()
    children = {*people, *callers}
    ways = [Case.child_person_id.in_(children)]
    if callers:
        ways.append(Case.call_id.in_(select(Call.id).where(Call.caller_person_id.in_(callers))))
    seen = list(db.session.scalars(select(Case.id).where(or_(*ways), Case.call_id != but_not))) if children else []
    elsewhere = select(func.app.case_elsewhere(list(people), number, seen, but_not))
    return seen, bool(db.session.scalar(elsewhere))


def count_checks(ctx: Context, since: datetime) -> int:
    """How many looks for a double the actor has had since then."""
    mine = select(func.count()).where(
        Search.actor_id == ctx.actor.id, Search.kind == SearchKind.DUPLICATE, Search.began_at > since
    )
    return db.session.scalar(mine) or 0


def requests_of(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many requests each of these searches took."""
    if not ids:
        return {}
    return dict(db.session.execute(select(Search.id, Search.requests).where(Search.id.in_(ids))).all())
