"""Reading what left the house about a child, and who read of it: by functions of the database."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import column, func, select
from sqlalchemy.orm import undefer_group

from helpline.foundation.db import db
from helpline.registers.models import Disclosure
from helpline.registers.vocabulary import LedgerLine

_LINE = ("case_id", "case_code", "at", "kind", "source_id", "names", "field_groups", "details")


class Reading(NamedTuple):
    """One answer that showed something of the child."""

    at: datetime
    actor_role: str
    record: str
    field_groups: list[str]


def list_disclosures(case_id: uuid.UUID) -> list[LedgerLine]:
    """What left the house about the child of this case, newest first; nothing for a case out of reach.

    Words of entries by hand are there for whoever reaches their case.
    """
    told = func.app.disclosures_of(case_id).table_valued(*_LINE)
    rows = db.session.execute(select(*(told.c[name] for name in _LINE)).order_by(told.c.at.desc())).all()
    words = _words_of([row.source_id for row in rows if row.kind == "by_hand"])
    found = []
    for row in rows:
        entry = words.get(row.source_id)
        said: dict[str, Any] = {"recipient": entry.recipient, "what": entry.what} if entry else {}
        found.append(LedgerLine(**row._asdict(), **said))
    return found


def list_readings(case_id: uuid.UUID) -> list[Reading]:
    """Who (by role) was shown what of the child of this case, oldest first."""
    told = func.app.readings_of(case_id).table_valued(*map(column, Reading._fields))
    return [Reading(*row) for row in db.session.execute(select(*(told.c[name] for name in Reading._fields)))]


def find_case(number: str) -> uuid.UUID | None:
    """The case of the actor's centre by the number people say, for who keeps a register."""
    found: uuid.UUID | None = db.session.scalar(select(func.app.case_named(number)))
    return found


def find_disclosure(disclosure_id: uuid.UUID) -> Disclosure | None:
    """One entry by hand with its words."""
    statement = select(Disclosure).where(Disclosure.id == disclosure_id).options(undefer_group("sealed"))
    return db.session.scalars(statement).first()


def _words_of(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Disclosure]:
    if not ids:
        return {}
    statement = select(Disclosure).where(Disclosure.id.in_(ids)).options(undefer_group("sealed"))
    found: Sequence[Disclosure] = db.session.scalars(statement).all()
    return {entry.id: entry for entry in found}


def is_corrected(disclosure_id: uuid.UUID) -> bool:
    """Whether a later entry puts this one right."""
    return db.session.scalar(select(Disclosure.id).where(Disclosure.corrects_id == disclosure_id)) is not None
