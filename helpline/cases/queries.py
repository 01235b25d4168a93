"""Reading cases. Lists never touch sealed columns; their statements do not grow with the number of rows."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import aliased, undefer, undefer_group

from helpline.accounts import queries as accounts
from helpline.accounts.models import Centre, Team, TeamMember, User
from helpline.agencies import queries as agencies
from helpline.calls.models import Call, CallChild
from helpline.calls.vocabulary import risk_levels
from helpline.cases.models import Case, CaseEvent, CaseNote, CaseObligation
from helpline.cases.vocabulary import (
    CaseFilter,
    CaseRow,
    CaseStatus,
    ChildRow,
    Load,
    Looks,
    Origin,
    RoutingCase,
    TimelineRow,
)
from helpline.foundation.access import grants
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Role, Scope
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Invalid, NotFound
from helpline.foundation.keyset import COUNTED
from helpline.people.models import Person
from helpline.reference.models import Place

PAGE = 50
_LONGEST_NUMBER = 18  # digits
Province = aliased(Place)
Key = tuple[datetime, uuid.UUID]


_JOINED = {"team_name", "caseworker_name", "place_names", "province_names", "summary", "consent_why"}
_PLAIN = [each.name for each in fields(CaseRow) if each.name not in _JOINED]


def reach(ctx: Context) -> CaseFilter:
    """The actor's own reach as a filter, so that lists use an index; row security stands behind it."""
    actor, scope = ctx.actor, scope_held(ctx.actor, Permission.CASE_READ)
    if scope is Scope.OWN:
        return CaseFilter(opened_by=actor.id)
    if scope is Scope.ASSIGNED:
        return CaseFilter(given_to=actor.id)
    if scope is Scope.TEAM:
        return CaseFilter(team_ids=actor.team_ids)
    return CaseFilter(centre_id=actor.centre_id)


def narrowed(ctx: Context, asked: Mapping[str, Any]) -> CaseFilter:
    """What a list was asked for, within the actor's reach. Raises Invalid("case_code", "code") for no such number."""
    code = asked["code"]
    number = code.rpartition("-")[2].strip() if code else ""
    if code and not (number.isascii() and number.isdecimal() and len(number) < _LONGEST_NUMBER):
        raise Invalid("case_code", "code")
    within = reach(ctx)
    return replace(
        within,
        status=None if asked["status"] == "all" or code else asked["status"],
        risk_level=asked["risk_level"], step=asked["step"], unassigned=asked["unassigned"],
        closing_asked=asked["closing_asked"], province_id=asked["province_id"], call_id=asked["call_id"],
        late_at=ctx.now if asked["late"] else None,
        assignment_late_at=ctx.now if asked["assignment_late"] else None,
        response_late_at=ctx.now if asked["response_late"] else None, number=int(number) if number else None,
        team_ids=(asked["team_id"],) if asked["team_id"] else within.team_ids,
        caseworker_id=ctx.actor.id if asked["mine"] else asked["caseworker_id"],
    )  # fmt: skip


def get_origin(call_id: uuid.UUID, child_id: uuid.UUID) -> Origin:
    """Raises NotFound("call") for a call out of sight, or for a child that it does not concern."""
    row = db.session.execute(
        select(
            Call.centre_id, Centre.code.label("centre_code"), Centre.risk_clocks, Call.team_id, Call.risk_level,
            Call.risk_reasons, Call.place_id, Call.province_id, Place.path.label("place_path"), Call.voided_at,
            Call.erased_at, Person.age, Person.gender,
        )
        .join(CallChild, CallChild.call_id == Call.id)
        .join(Person, Person.id == CallChild.person_id)
        .join(Centre, Centre.id == Call.centre_id)
        .outerjoin(Place, Place.id == Call.place_id)
        .where(Call.id == call_id, CallChild.person_id == child_id)
    ).first()  # fmt: skip
    if row is None:
        raise NotFound("call", call_id)
    return Origin(**row._asdict())


def team_for(chosen: uuid.UUID | None, origin: Origin) -> uuid.UUID:
    """The chosen team, else the one covering the place, else the call's own.

    Raises Invalid("team_unknown" | "team_needed", "team_id").
    """
    if chosen is not None:
        if chosen not in {team.id for team in accounts.list_teams(origin.centre_id) if team.active}:
            raise Invalid("team_unknown", "team_id")
        return chosen
    covering = accounts.team_covering(origin.centre_id, origin.place_path) if origin.place_path else None
    found = covering.id if covering else origin.team_id
    if found is None:
        raise Invalid("team_needed", "team_id")
    return found


def check_closable(centre_id: uuid.UUID, principals: Collection[uuid.UUID], but_not: uuid.UUID) -> None:
    """Raise Invalid("closed_to_unknown") unless all are staff or agencies of the centre, and `but_not` none of them."""
    if not principals:
        return
    fit = {user.id for user in accounts.list_users(centre_id)} | set(agencies.names_of([*principals]))
    if but_not in principals or not set(principals) <= fit:
        raise Invalid("closed_to_unknown", "closed_to")


def list_children(call_id: uuid.UUID) -> list[ChildRow]:
    """The children of a call, in their order, with the case each has. Raises NotFound("call") where there is none."""
    same = and_(Case.call_id == CallChild.call_id, Case.child_person_id == CallChild.person_id)
    found = db.session.execute(
        select(Person, Case.id, Case.code)
        .join(CallChild, CallChild.person_id == Person.id)
        .join(Call, Call.id == CallChild.call_id)
        .outerjoin(Case, same)
        .where(CallChild.call_id == call_id)
        .options(undefer(Person.name_sealed), undefer(Person.record_key))
        .order_by(CallChild.position)
    ).all()
    if not found and db.session.scalar(select(Call.id).where(Call.id == call_id)) is None:
        raise NotFound("call", call_id)
    return [
        ChildRow(
            id=child.id, name=child.name, age=child.age, gender=child.gender, case_id=case_id, case_code=code
        )
        for child, case_id, code in found
    ]  # fmt: skip


def find_opened(case_id: uuid.UUID, call_id: uuid.UUID, child_id: uuid.UUID) -> Case | None:
    """The case under this id, else the one this call already has for this child."""
    same = and_(Case.call_id == call_id, Case.child_person_id == child_id)
    found = db.session.scalars(select(Case).where(or_(Case.id == case_id, same))).all()
    return next((case for case in found if case.id == case_id), found[0] if found else None)


def centre_of(case_id: uuid.UUID) -> uuid.UUID:
    """Raises NotFound("case")."""
    found = db.session.scalar(select(Case.centre_id).where(Case.id == case_id))
    if found is None:
        raise NotFound("case", case_id)
    return found


def get_case(case_id: uuid.UUID) -> CaseRow:
    """One case with its sealed words. Raises NotFound("case")."""
    found = db.session.execute(_rows().options(undefer_group("sealed")).where(Case.id == case_id)).first()
    if found is None:
        raise NotFound("case", case_id)
    return _row(found, sealed=True)


def list_cases(wanted: CaseFilter, after: Key | None = None, limit: int = PAGE) -> list[CaseRow]:
    """Newest first, one more than `limit` where there are more."""
    statement = _rows().where(*_conditions(wanted)).order_by(Case.opened_at.desc(), Case.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(Case.opened_at, Case.id) < after)
    return [_row(found) for found in db.session.execute(statement)]


def rows_by_id(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, CaseRow]:
    """These cases, as far as the actor sees them: one statement."""
    if not ids:
        return {}
    return {row.id: row for row in map(_row, db.session.execute(_rows().where(Case.id.in_(ids))))}


def list_by_clock(wanted: CaseFilter, limit: int = PAGE) -> list[CaseRow]:
    """The most pressing first: by when a caseworker, else a first response, is due."""
    due = func.least(Case.assign_by, Case.first_response_by) if wanted.unassigned else Case.first_response_by
    statement = _rows().where(*_conditions(wanted)).order_by(due, Case.id).limit(limit)
    return [_row(found) for found in db.session.execute(statement)]


def count_cases(wanted: CaseFilter) -> int:
    """How many there are; stops counting one beyond COUNTED."""
    some = select(Case.id).where(*_conditions(wanted)).limit(COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def list_related(case_id: uuid.UUID, call_id: uuid.UUID, child_id: uuid.UUID) -> list[CaseRow]:
    """Other cases of the same call (brothers and sisters) or of the same child, as far as the actor sees them."""
    alike = or_(Case.call_id == call_id, Case.child_person_id == child_id)
    statement = _rows().where(alike, Case.id != case_id).order_by(Case.number).limit(PAGE)
    return [_row(found) for found in db.session.execute(statement)]


def case_for_routing(case_id: uuid.UUID) -> RoutingCase:
    """What routing needs. Raises NotFound("case")."""
    found = db.session.execute(
        select(Case, Place.path, Person.language)
        .outerjoin(Place, Place.id == Case.place_id)
        .outerjoin(Person, Person.id == Case.child_person_id)
        .where(Case.id == case_id)
    ).first()
    if found is None:
        raise NotFound("case", case_id)
    case, path, language = found
    up = tuple(reversed(path or ()))
    codes = dict(db.session.execute(select(Place.id, Place.code).where(Place.id.in_(up))).all()) if up else {}
    return RoutingCase(
        id=case.id, centre_id=case.centre_id, team_id=case.team_id, caseworker_id=case.caseworker_id, code=case.code,
        source=case.source, status=case.status, risk_level=case.risk_level, needs=tuple(case.needs),
        consent=case.consent, place_ids=up, place_codes=tuple(codes[place] for place in up), child_age=case.child_age,
        child_gender=case.child_gender, child_language=language,
    )  # fmt: skip


def timeline(
    case_id: uuid.UUID, after: Key | None = None, limit: int = PAGE, *, kind: str | None = None
) -> list[TimelineRow]:
    """What happened, newest first, one more than `limit` where there is more. The notes' words are opened.

    `kind`: only actions of this kind of record ("case", "referral", "followup").
    """
    statement = (
        select(CaseEvent, CaseNote, User.name)
        .options(undefer(CaseNote.body_sealed), undefer(CaseNote.record_key))
        .outerjoin(CaseNote, CaseNote.id == CaseEvent.note_id)
        .outerjoin(User, User.id == CaseEvent.actor_id)
        .where(CaseEvent.case_id == case_id)
        .order_by(CaseEvent.at.desc(), CaseEvent.id.desc())
        .limit(limit + 1)
    )
    if kind is not None:
        statement = statement.where(CaseEvent.action.startswith(f"{kind}.", autoescape=True))
    if after is not None:
        statement = statement.where(tuple_(CaseEvent.at, CaseEvent.id) < after)
    return [
        TimelineRow(
            id=line.id, at=line.at, actor_id=line.actor_id, actor_role=line.actor_role, actor_name=name,
            action=line.action, details=line.details, note_kind=note.kind if note else None,
            body=note.body if note else None,
        )
        for line, note, name in db.session.execute(statement)
    ]  # fmt: skip


def who_looked(case_id: uuid.UUID, since: datetime) -> list[Looks]:
    """Whose pages and answers showed the case, most often first; nothing unless the actor supervises it."""
    looks = func.app.case_looks(case_id, since).table_valued("actor_id", "actor_role", "times")
    statement = (
        select(looks.c.actor_id, looks.c.actor_role, User.name.label("actor_name"), looks.c.times)
        .outerjoin(User, User.id == looks.c.actor_id)
        .order_by(looks.c.times.desc())
    )
    return [Looks(**row._asdict()) for row in db.session.execute(statement)]


def list_obligations(case_id: uuid.UUID) -> Sequence[CaseObligation]:
    """What must be settled before the case can close, soonest due first."""
    return db.session.scalars(
        select(CaseObligation)
        .where(CaseObligation.case_id == case_id, CaseObligation.settled_at.is_(None))
        .order_by(CaseObligation.due_at.nulls_last(), CaseObligation.id)
    ).all()


def count_obligations(case_id: uuid.UUID) -> int:
    open_ones = select(func.count()).where(CaseObligation.case_id == case_id, CaseObligation.settled_at.is_(None))
    return db.session.scalar(open_ones) or 0


def caseload(team_id: uuid.UUID, case_id: uuid.UUID | None = None) -> list[Load]:
    """The team's active caseworkers and their open cases (as far as the actor sees them), fewest first.

    `case_id`: to whom this case is closed are left out.
    """
    shut = grants.shut_out([case_id])[case_id] if case_id else frozenset()
    mine = and_(Case.caseworker_id == User.id, Case.status == CaseStatus.OPEN)
    statement = (
        select(User.id, User.name, func.count(Case.id).label("open_cases"))
        .join(TeamMember, TeamMember.user_id == User.id)
        .outerjoin(Case, mine)
        .where(TeamMember.team_id == team_id, User.role == Role.CASEWORKER, User.status == "active")
        .where(User.id.not_in(shut))
        .group_by(User.id, User.name)
        .order_by(func.count(Case.id), User.name)
    )
    return [Load(**row._asdict()) for row in db.session.execute(statement)]


def _conditions(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    exact = {
        Case.status: wanted.status, Case.centre_id: wanted.centre_id, Case.caseworker_id: wanted.caseworker_id,
        Case.opened_by: wanted.opened_by, Case.step: wanted.step,
        Case.province_id: wanted.province_id, Case.number: wanted.number, Case.call_id: wanted.call_id,
    }  # fmt: skip
    conditions: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value is not None]
    if wanted.risk_level is not None:
        conditions.append(Case.risk_level.in_(risk_levels(wanted.risk_level)))
    if wanted.given_to is not None:
        conditions.append(or_(Case.caseworker_id == wanted.given_to, Case.opened_by == wanted.given_to))
    if wanted.team_ids:
        conditions.append(Case.team_id.in_(wanted.team_ids))
    if wanted.unassigned:
        conditions.append(Case.caseworker_id.is_(None))
    if wanted.assigned:
        conditions.append(Case.caseworker_id.is_not(None))
    if wanted.closing_asked:
        conditions.append(Case.closing_requested_at.is_not(None))
    if wanted.late_at is not None:
        either = or_(_assignment_late(wanted.late_at), _response_late(wanted.late_at))
        conditions += [Case.status == CaseStatus.OPEN, either]
    if wanted.assignment_late_at is not None:
        conditions += [Case.status == CaseStatus.OPEN, _assignment_late(wanted.assignment_late_at)]
    if wanted.response_late_at is not None:
        conditions += [Case.status == CaseStatus.OPEN, _response_late(wanted.response_late_at)]
    return conditions


def _assignment_late(now: datetime) -> ColumnElement[bool]:
    return and_(Case.caseworker_id.is_(None), Case.assign_by < now)


def _response_late(now: datetime) -> ColumnElement[bool]:
    return and_(Case.first_response_at.is_(None), Case.first_response_by < now)


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(Case, Team.name, User.name, Place.names, Province.names)
        .join(Team, Team.id == Case.team_id)
        .outerjoin(User, User.id == Case.caseworker_id)
        .outerjoin(Place, Place.id == Case.place_id)
        .outerjoin(Province, Province.id == Case.province_id)
    )


def _row(found: Row[*tuple[Any, ...]], *, sealed: bool = False) -> CaseRow:
    case, team_name, caseworker_name, place_names, province_names = found
    joined = {
        "team_name": team_name, "caseworker_name": caseworker_name, "place_names": place_names,
        "province_names": province_names,
    }  # fmt: skip
    if sealed:
        joined |= {"summary": case.summary, "consent_why": case.consent_why}
    return CaseRow(**{name: getattr(case, name) for name in _PLAIN}, **joined)
