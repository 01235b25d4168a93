"""What an erasure reaches, by ids alone.

Asked as whoever looks at a preview and, in the eraser's role, when it is done: it names only columns that both may
read.
"""

import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, Uuid, and_, cast, exists, func, literal, null, or_, select, union, union_all
from sqlalchemy.orm import aliased

from helpline.calls.models import Call, CallChild
from helpline.cases.models import Case
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.people.models import Person
from helpline.retention.models import LegalHold
from helpline.retention.vocabulary import Hindrance, Reach, RecordKind

Ids = Collection[uuid.UUID]
TABLES = {RecordKind.CALL: Call, RecordKind.CASE: Case, RecordKind.PERSON: Person}
CALL_CODE = func.concat("C-", Call.number)


def reach_of(kind: RecordKind, record_id: uuid.UUID) -> Reach:
    """What goes with this record. A call or person that something else still tells of stays, and is counted."""
    if kind is RecordKind.PERSON:
        return _reach_of_person(record_id)
    if kind is RecordKind.CASE:
        found = db.session.execute(select(Case.call_id, Case.child_person_id).where(Case.id == record_id)).first()
        if found is None:
            raise NotFound("case", record_id)
        return _with_people({record_id}, _free_calls({found.call_id}, {record_id}), {found.call_id})
    return _with_people(set(), _free_calls({record_id}, set()), {record_id})


def _reach_of_person(person_id: uuid.UUID) -> Reach:
    """Somebody with all rows that are said to be the same person, their cases, and the calls about nobody else."""
    same = _same_people({person_id})
    cases = ids_of(select(Case.id).where(Case.child_person_id.in_(same), Case.erased_at.is_(None)))
    about = ids_of(select(CallChild.call_id).where(CallChild.person_id.in_(same)))
    about |= ids_of(select(Call.id).where(Call.caller_person_id.in_(same)))
    with_others = ids_of(
        select(CallChild.call_id).where(CallChild.call_id.in_(about), CallChild.person_id.not_in(same))
    )
    reach = _with_people(cases, _free_calls(about - with_others, cases), about)
    gone, told = {*reach.persons, *same}, {*reach.told_of, *same}
    return replace(reach, persons=_tuple(gone), told_of=_tuple(told))


def _same_people(people: Ids) -> set[uuid.UUID]:
    """All who are joined with one of these, up and down, and these themselves."""
    start = select(Person.id, Person.canonical_person_id).where(Person.id.in_(people)).cte("same", recursive=True)
    other = aliased(Person)
    joined = start.union(
        select(other.id, other.canonical_person_id).join(
            start, or_(other.id == start.c.canonical_person_id, other.canonical_person_id == start.c.id)
        )
    )
    return ids_of(select(joined.c.id))


def _free_calls(calls: Ids, cases: Ids) -> set[uuid.UUID]:
    """Of these calls, those that no other case hangs on."""
    other = exists(select(Case.id).where(Case.call_id == Call.id, Case.id.not_in(cases), Case.erased_at.is_(None)))
    return ids_of(select(Call.id).where(Call.id.in_(calls), Call.erased_at.is_(None), ~other))


def _with_people(cases: Ids, calls: Ids, linked_calls: Ids) -> Reach:
    """These, and the people of whom nothing else tells."""
    people = ids_of(union(
        select(CallChild.person_id).where(CallChild.call_id.in_(calls)),
        select(Call.caller_person_id).where(Call.id.in_(calls)),
        select(Case.child_person_id).where(Case.id.in_(cases)),
    ))  # fmt: skip
    told: Any = union(
        select(CallChild.person_id)
        .join(Call, Call.id == CallChild.call_id)
        .where(CallChild.person_id.in_(people), Call.id.not_in({*calls, *linked_calls}), Call.erased_at.is_(None)),
        select(Call.caller_person_id).where(
            Call.caller_person_id.in_(people), Call.id.not_in(calls), Call.erased_at.is_(None)
        ),
        select(Case.child_person_id).where(
            Case.child_person_id.in_(people), Case.id.not_in(cases), Case.erased_at.is_(None)
        ),
    )
    stay = ids_of(told)
    gone = ids_of(select(Person.id).where(Person.id.in_(people - stay), Person.erased_at.is_(None)))
    stands = ids_of(select(Call.id).where(Call.id.in_(set(linked_calls) - set(calls)), Call.erased_at.is_(None)))
    return Reach(_tuple(calls), _tuple(cases), _tuple(gone), _tuple(people), len(stands))


def ids_of(statement: Any) -> set[uuid.UUID]:
    return set(db.session.scalars(statement)) - {None}


def _tuple(ids: Ids) -> tuple[uuid.UUID, ...]:
    return tuple(sorted(ids))


def hindrances(kind: RecordKind, record_id: uuid.UUID, reach: Reach) -> list[Hindrance]:
    """What stands in the way of erasing it, besides that it is asked for already.

    A hold on somebody holds what tells of them, and those said to be the same person.
    """
    table: Any = TABLES[kind]
    concerned = {*reach.ids, record_id, *_same_people(reach.told_of)}
    if kind is RecordKind.CALL:
        in_the_way, open_code = Case.call_id == record_id, Hindrance.CASE
    else:
        in_the_way, open_code = and_(Case.id.in_(reach.cases), Case.closed_at.is_(None)), Hindrance.OPEN
    found = {
        Hindrance.ERASED: select(table.id).where(table.id == record_id, table.erased_at.is_not(None)),
        open_code: select(Case.id).where(in_the_way, Case.erased_at.is_(None)),
        Hindrance.HELD: select(LegalHold.id).where(LegalHold.record_id.in_(concerned), LegalHold.lifted_at.is_(None)),
    }
    return [code for code, statement in found.items() if ids_of(statement)]


def lock(reach: Reach) -> None:
    """Hold what is to be erased against whoever would change it meanwhile."""
    for table, ids in ((Call, reach.calls), (Case, reach.cases), (Person, reach.persons)):
        if ids:
            db.session.execute(select(table.id).where(table.id.in_(ids)).order_by(table.id).with_for_update())


def find_record(record_id: uuid.UUID) -> Row[Any]:
    """Its kind, centre, number for people, when it was erased, and a case's child. Raises NotFound("retention")."""

    def told(kind: RecordKind, table: Any, code: Any, child: Any) -> Select[Any]:
        columns = literal(kind.value).label("kind"), table.centre_id, code.label("code"), table.erased_at
        return select(*columns, child.label("child_id")).where(table.id == record_id)

    nobody = cast(null(), Uuid)
    found = db.session.execute(union_all(
        told(RecordKind.CALL, Call, CALL_CODE, nobody), told(RecordKind.CASE, Case, Case.code, Case.child_person_id),
        told(RecordKind.PERSON, Person, literal(""), nobody),
    )).first()  # fmt: skip
    if found is None:
        raise NotFound("retention", record_id)
    return found


def not_erased(reach: Reach) -> set[uuid.UUID]:
    """Of these records, those that stand here unerased."""
    found: set[uuid.UUID] = set()
    for table, ids in ((Call, reach.calls), (Case, reach.cases), (Person, reach.persons)):
        if ids:
            found |= ids_of(select(table.id).where(table.id.in_(ids), table.erased_at.is_(None)))
    return found


def without_case(calls: Ids) -> set[uuid.UUID]:
    """Of these calls, those on which no case hangs."""
    hung = exists(select(Case.id).where(Case.call_id == Call.id, Case.erased_at.is_(None)))
    return ids_of(select(Call.id).where(Call.id.in_(calls), ~hung))


def held_among(kind: RecordKind, ids: Ids) -> set[uuid.UUID]:
    """Of these calls or cases, those that a hold of their own, or of somebody they tell of, keeps."""
    held = select(LegalHold.record_id).where(LegalHold.lifted_at.is_(None))
    if kind is RecordKind.CASE:
        by_person = select(Case.id).where(Case.id.in_(ids), or_(Case.child_person_id.in_(held), Case.call_id.in_(held)))
        return ids_of(union(by_person, held.where(LegalHold.record_id.in_(ids))))
    return ids_of(union(
        held.where(LegalHold.record_id.in_(ids)),
        select(Call.id).where(Call.id.in_(ids), Call.caller_person_id.in_(held)),
        select(CallChild.call_id).where(CallChild.call_id.in_(ids), CallChild.person_id.in_(held)),
    ))  # fmt: skip
