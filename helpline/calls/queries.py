"""Reading calls. Lists never touch sealed columns; their statements do not grow with the number of rows."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Select, any_, bindparam, exists, func, or_, select, tuple_
from sqlalchemy.orm import aliased, undefer_group

from helpline.accounts.models import Centre, User
from helpline.calls.models import Call, CallChild, CallDraft, CallTerm, CallVersion
from helpline.calls.vocabulary import (
    NONE,
    CallDetail,
    CallFilter,
    CallKind,
    CallRow,
    EarlierCall,
    Ground,
    PersonRow,
    ShiftCounts,
    TermRow,
    VersionRow,
    risk_levels,
)
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import phone_index
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.foundation.keyset import COUNTED
from helpline.people.commands import BACKGROUND
from helpline.people.models import Person
from helpline.people.queries import people_by_id
from helpline.reference.models import Place, Taxonomy, TaxonomyTerm
from helpline.reference.queries import places_by_id

PAGE = 50
Province, Group = aliased(Place), aliased(TaxonomyTerm)
Key = tuple[datetime, uuid.UUID]
_JOINED = {"operator_name", "place_names", "province_names", "category", "category_names", "children"}
_PLAIN = [each.name for each in fields(CallRow) if each.name not in _JOINED]
_PERSON = [each.name for each in fields(PersonRow) if each.name not in BACKGROUND]


# Asked for every call that is logged: built once.
_GROUND = (
    select(Centre.country, Place.path)
    .outerjoin(Place, (Place.id == bindparam("place_id")) & (func.lower(Place.country) == func.lower(Centre.country)))
    .where(Centre.id == bindparam("centre_id"))
)
_TERM_IDS = (
    select(TaxonomyTerm.code, TaxonomyTerm.id)
    .join(Taxonomy, Taxonomy.id == TaxonomyTerm.taxonomy_id)
    .where(
        TaxonomyTerm.code.in_(bindparam("codes", expanding=True)),
        or_(Taxonomy.active, TaxonomyTerm.id.in_(bindparam("known", expanding=True))),
    )
)


def find_ground(centre_id: uuid.UUID, place_id: uuid.UUID | None) -> Ground:
    """The centre's country, and the path of a place of that country (empty for none or an unknown one)."""
    row = db.session.execute(_GROUND, {"place_id": place_id, "centre_id": centre_id}).first()
    if row is None:
        raise NotFound("centre", centre_id)
    return Ground(row.country, tuple(row.path or ()))


def term_ids(codes: Collection[str], known: Collection[uuid.UUID] = ()) -> dict[str, uuid.UUID]:
    """Ids of these codes in the active taxonomy, or among `known` terms, which win."""
    rows = db.session.execute(_TERM_IDS, {"codes": list(codes), "known": list(known)})
    found = sorted(rows, key=lambda pair: pair[1] in known)
    return dict(found)


def find_posted(call_id: uuid.UUID) -> Call | None:
    """The call under this id, if the actor may see it; nothing sealed."""
    return db.session.scalars(select(Call).where(Call.id == call_id)).first()


def lock_call(call_id: uuid.UUID) -> Call:
    """With its sealed words, for a change. Raises NotFound("call")."""
    statement = select(Call).where(Call.id == call_id).options(undefer_group("sealed")).with_for_update()
    call = db.session.scalars(statement.execution_options(populate_existing=True)).first()
    if call is None:
        raise NotFound("call", call_id)
    return call


def children_of(call_id: uuid.UUID) -> Sequence[CallChild]:
    return db.session.scalars(select(CallChild).where(CallChild.call_id == call_id).order_by(CallChild.position)).all()


def terms_of(call_id: uuid.UUID) -> list[tuple[uuid.UUID, str]]:
    """Ids and codes of a call's reasons, the main one first."""
    statement = (
        select(TaxonomyTerm.id, TaxonomyTerm.code)
        .join(CallTerm, CallTerm.term_id == TaxonomyTerm.id)
        .where(CallTerm.call_id == call_id)
        .order_by(CallTerm.position)
    )
    return list(db.session.execute(statement))


def find_draft(call_id: uuid.UUID, *, lock: bool = False) -> CallDraft | None:
    """The actor's own draft with what it says, ended or not."""
    statement = select(CallDraft).where(CallDraft.id == call_id).options(undefer_group("sealed"))
    return db.session.scalars(statement.with_for_update() if lock else statement).first()


def list_drafts(user_id: uuid.UUID, limit: int = 10) -> Sequence[CallDraft]:
    """Calls begun and not yet saved, newest first; what they say stays sealed."""
    statement = select(CallDraft).where(CallDraft.user_id == user_id, CallDraft.ended_at.is_(None))
    return db.session.scalars(statement.order_by(CallDraft.saved_at.desc()).limit(limit)).all()


def get_call(call_id: uuid.UUID) -> CallDetail:
    """One call with its words and people. Raises NotFound("call")."""
    found = db.session.execute(_rows().options(undefer_group("sealed")).where(Call.id == call_id)).first()
    if found is None:
        raise NotFound("call", call_id)
    call: Call = found[0]
    child_ids = [child.person_id for child in children_of(call_id)]
    caller_id = call.caller_person_id
    people = people_by_id({*child_ids, *([caller_id] if caller_id else [])})
    shown = {person_id: _person_row(person) for person_id, person in people.items()}
    return CallDetail(
        **_values(found), risk_reasons=call.risk_reasons, risk_reason=call.risk_override, danger=call.danger,
        actions=call.actions, narrative=call.narrative, void_reason=call.void_reason,
        place_label=_place_label(call.place_id), categories=_categories(call_id),
        caller=shown.get(caller_id) if caller_id else None,
        people=[shown[child_id] for child_id in child_ids if child_id in shown],
    )  # fmt: skip


def _person_row(person: Person) -> PersonRow:
    known: dict[str, Any] = {name: getattr(person, name) for name in _PERSON}
    return PersonRow(**known | {name: (person.background or {}).get(name) for name in BACKGROUND})


def _place_label(place_id: uuid.UUID | None) -> dict[str, str]:
    """The whole path in each language, the place itself first."""
    found = places_by_id([place_id] if place_id else [])
    if place_id not in found:
        return {}
    path = [found[step].names for step in reversed(found[place_id].path)]
    return {locale: ", ".join(names.get(locale, "") for names in path) for locale in path[0]}


def _categories(call_id: uuid.UUID) -> list[TermRow]:
    statement = (
        select(TaxonomyTerm.code, TaxonomyTerm.names, Group.names.label("group_names"))
        .join(CallTerm, CallTerm.term_id == TaxonomyTerm.id)
        .outerjoin(Group, Group.id == TaxonomyTerm.parent_id)
        .where(CallTerm.call_id == call_id)
        .order_by(CallTerm.position)
    )
    return [TermRow(*row) for row in db.session.execute(statement)]


def history(call_id: uuid.UUID) -> list[VersionRow]:
    """What the call said before each change, newest first. Raises NotFound("call") for one out of sight."""
    if find_posted(call_id) is None:
        raise NotFound("call", call_id)
    statement = (
        select(CallVersion, User.name)
        .options(undefer_group("sealed"))
        .outerjoin(User, User.id == CallVersion.actor_id)
        .where(CallVersion.call_id == call_id)
        .order_by(CallVersion.version.desc())
        .limit(PAGE)
    )
    return [
        VersionRow(
            version.id, call_id, version.version, version.at, version.actor_id, name, version.action,
            (version.snapshot or {}).get("before", {}), (version.snapshot or {}).get("reason"),
        )
        for version, name in db.session.execute(statement)
    ]  # fmt: skip


def find_before(version_of: uuid.UUID, version: int) -> dict[str, Any] | None:
    """What the call said in this version, if it has been changed since."""
    statement = select(CallVersion).options(undefer_group("sealed"))
    statement = statement.where(CallVersion.call_id == version_of, CallVersion.version == version)
    found = db.session.scalars(statement).first()
    return (found.snapshot or {}).get("before") if found else None


def list_earlier(
    phone: str, region: str, but_not: uuid.UUID | None = None, limit: int = 5
) -> tuple[list[EarlierCall], int]:
    """The last calls from this number, as far as the actor sees them, and how many there are in all (up to 1000)."""
    index = phone_index(phone, region)
    if index is None:
        return [], 0
    same = (
        select(Call.id, Call.number, Call.kind, Call.started_at, Call.ended_at, Call.risk_level)
        .join(Person, Person.id == Call.caller_person_id)
        .where(Person.phone_index == index, Call.voided_at.is_(None), Call.id.is_distinct_from(but_not))
    )
    rows = db.session.execute(same.order_by(Call.started_at.desc(), Call.id.desc()).limit(1000)).all()
    return [EarlierCall(*row) for row in rows[:limit]], len(rows)


def shift(operator_id: uuid.UUID, since: datetime) -> ShiftCounts:
    """How many calls somebody logged since then, how many were counselling, and how many severe."""
    row = db.session.execute(
        select(
            func.count().label("all"),
            func.count().filter(Call.kind == CallKind.COUNSELLING.value).label("counselling"),
            func.count().filter(Call.risk_level.in_(["high", "immediate"])).label("severe"),
        ).where(Call.operator_id == operator_id, Call.started_at >= since, Call.voided_at.is_(None))
    ).one()
    return ShiftCounts(row.all, row.counselling, row.severe)


def reach(ctx: Context) -> CallFilter:
    """The actor's own reach as a filter, so that lists use an index; row security stands behind it."""
    actor, scope = ctx.actor, scope_held(ctx.actor, Permission.CALL_READ)
    own = CallFilter(zone=ctx.timezone)
    if scope is Scope.OWN:
        return replace(own, operator_id=actor.id)
    if scope is Scope.ASSIGNED:
        return replace(own, granted=True)
    if scope is Scope.TEAM:
        return replace(own, team_ids=actor.team_ids)
    return replace(own, centre_id=actor.centre_id)


def list_calls(wanted: CallFilter, after: Key | None = None, limit: int = PAGE) -> list[CallRow]:
    """Newest first, one more than `limit` where there are more."""
    statement = _rows().where(*conditions(wanted)).order_by(Call.started_at.desc(), Call.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(tuple_(Call.started_at, Call.id) < after)
    return [CallRow(**_values(row)) for row in db.session.execute(statement)]


def count_calls(wanted: CallFilter) -> int:
    """How many there are; stops counting one beyond COUNTED."""
    some = select(Call.id).where(*conditions(wanted)).limit(COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL on `calls`: the same for lists and for the figures that link to them."""
    exact = {
        Call.centre_id: wanted.centre_id, Call.operator_id: wanted.operator_id, Call.kind: wanted.kind,
        Call.channel: wanted.channel, Call.source: wanted.source,
    }  # fmt: skip
    found: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value is not None]
    found.append(Call.voided_at.is_not(None) if wanted.voided else Call.voided_at.is_(None))
    if wanted.province is not None:
        found.append(Call.province_id == (None if wanted.province == NONE else wanted.province))
    if wanted.risk is not None:
        found += [Call.kind == CallKind.COUNSELLING.value, Call.risk_level.in_(risk_levels(wanted.risk))]
    if wanted.team_ids is not None:
        found.append(Call.team_id.in_(wanted.team_ids))
    if wanted.granted:
        found.append(Call.id == any_(func.app.granted("call")))
    return [*found, *_of_reasons(wanted), *_of_children(wanted), *_of_times(wanted)]


def _of_reasons(wanted: CallFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.category == NONE:
        found.append(Call.primary_term_id.is_(None))
    elif wanted.category:
        found.append(Call.primary_term_id.in_(_terms_under(wanted.category)))
    if wanted.any_category:
        under = CallTerm.term_id.in_(_terms_under(wanted.any_category))
        found.append(exists().where(CallTerm.call_id == Call.id, under))
    return found


def _terms_under(code: str) -> Select[uuid.UUID]:
    """A code of any version of the taxonomy, and all below it."""
    below = TaxonomyTerm.code.startswith(f"{code}.", autoescape=True)
    return select(TaxonomyTerm.id).where(or_(TaxonomyTerm.code == code, below))


def _of_children(wanted: CallFilter) -> list[ColumnElement[bool]]:
    """Age band and gender together mean one child who is both."""
    asked: list[ColumnElement[bool]] = []
    if wanted.gender:
        asked.append(CallChild.gender == wanted.gender)
    if wanted.age_band:
        asked.append(CallChild.age_band == wanted.age_band)
    return [exists().where(CallChild.call_id == Call.id, *asked)] if asked else []


def _of_times(wanted: CallFilter) -> list[ColumnElement[bool]]:
    zone, local = ZoneInfo(wanted.zone), func.timezone(wanted.zone, Call.started_at)
    found: list[ColumnElement[bool]] = []
    if wanted.first:
        found.append(Call.started_at >= datetime.combine(wanted.first, time(), zone).astimezone(UTC))
    if wanted.last:
        found.append(Call.started_at < datetime.combine(wanted.last + timedelta(days=1), time(), zone).astimezone(UTC))
    if wanted.hour is not None:
        found.append(func.extract("hour", local) == wanted.hour)
    if wanted.weekday is not None:
        found.append(func.extract("isodow", local) == wanted.weekday)
    return found


def _rows() -> Select[*tuple[Any, ...]]:
    children = (
        select(func.jsonb_agg(func.jsonb_build_object("gender", CallChild.gender, "age_band", CallChild.age_band)))
        .where(CallChild.call_id == Call.id)
        .correlate(Call)
        .scalar_subquery()
    )
    return (
        select(Call, User.name, Place.names, Province.names, TaxonomyTerm.code, TaxonomyTerm.names, children)
        .outerjoin(User, User.id == Call.operator_id)
        .outerjoin(Place, Place.id == Call.place_id)
        .outerjoin(Province, Province.id == Call.province_id)
        .outerjoin(TaxonomyTerm, TaxonomyTerm.id == Call.primary_term_id)
    )


def _values(found: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    call, operator, place, province, code, names, children = found
    judged = call.risk_level if call.kind == CallKind.COUNSELLING else None
    return {name: getattr(call, name) for name in _PLAIN} | {
        "risk_level": judged,
        "operator_name": operator, "place_names": place, "province_names": province, "category": code,
        "category_names": names, "children": children or [],
    }  # fmt: skip
