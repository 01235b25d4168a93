"""Reading demands and breaches."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, select, tuple_
from sqlalchemy.orm import aliased, undefer_group

from helpline.accounts.models import User
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.registers.models import Breach, BreachEntry, Demand
from helpline.registers.rules import breach_state
from helpline.registers.vocabulary import BreachRow, DemandRow, EntryRow

PAGE = 50
Key = tuple[datetime, uuid.UUID]
Decider, Later = aliased(User), aliased(Demand)
_DEMAND = (
    "id", "corrects_id", "received_at", "authority", "basis", "outcome", "subjects_told", "case_ids", "decided_by",
    "recorded_at",
)  # fmt: skip
_BREACH = (
    "id", "version", "noticed_at", "notify_by", "categories", "people", "records", "authority_told_at",
    "subjects_told_at", "closed_at",
)  # fmt: skip


def find_demand(demand_id: uuid.UUID) -> Demand | None:
    return db.session.get(Demand, demand_id)


def get_demand(demand_id: uuid.UUID) -> DemandRow:
    """As it stands, with its words and what was entered before. Raises NotFound("demand")."""
    chain: list[DemandRow] = []
    wanted: uuid.UUID | None = demand_id
    while wanted is not None:
        found = db.session.execute(_demands().where(Demand.id == wanted).options(undefer_group("sealed"))).first()
        if found is None:
            raise NotFound("demand", demand_id)
        chain.append(_demand(*found, words=True))
        wanted = chain[-1].corrects_id
    return DemandRow(**{name: getattr(chain[0], name) for name in DemandRow.__slots__} | {"before": tuple(chain[1:])})


def list_demands(after: Key | None = None) -> list[DemandRow]:
    """As they stand now, newest first, one more than a page where there are more; no words."""
    statement = _demands().where(~exists().where(Later.corrects_id == Demand.id))
    statement = statement.order_by(Demand.received_at.desc(), Demand.id.desc()).limit(PAGE + 1)
    if after is not None:
        statement = statement.where(tuple_(Demand.received_at, Demand.id) < after)
    return [_demand(*found) for found in db.session.execute(statement)]


def find_breach(breach_id: uuid.UUID) -> Breach | None:
    return db.session.get(Breach, breach_id)


def find_open_breach(breach_id: uuid.UUID) -> Breach | None:
    """Held until the end; None for one that is closed."""
    statement = select(Breach).where(Breach.id == breach_id, Breach.closed_at.is_(None)).with_for_update()
    return db.session.scalars(statement.execution_options(populate_existing=True)).first()


def find_entry(entry_id: uuid.UUID) -> BreachEntry | None:
    return db.session.get(BreachEntry, entry_id)


def get_breach(breach_id: uuid.UUID, now: datetime) -> BreachRow:
    """With its words and its log, oldest entry first. Raises NotFound("breach")."""
    found = db.session.execute(_breaches().where(Breach.id == breach_id).options(undefer_group("sealed"))).first()
    if found is None:
        raise NotFound("breach", breach_id)
    return _breach(*found, now=now, what=found[0].what, entries=tuple(_entries(breach_id)))


def list_breaches(now: datetime, after: Key | None = None) -> list[BreachRow]:
    """Newest first, one more than a page where there are more; no words."""
    statement = _breaches().order_by(Breach.noticed_at.desc(), Breach.id.desc()).limit(PAGE + 1)
    if after is not None:
        statement = statement.where(tuple_(Breach.noticed_at, Breach.id) < after)
    return [_breach(*found, now=now) for found in db.session.execute(statement)]


def take_reminded(now: datetime, limit: int) -> Sequence[Breach]:
    """Breaches whose next reminder is due, locked; what another worker holds is left to it."""
    statement = select(Breach).where(Breach.remind_at <= now, Breach.closed_at.is_(None))
    return db.session.scalars(
        statement.order_by(Breach.remind_at).limit(limit).with_for_update(skip_locked=True)
    ).all()  # fmt: skip


def _entries(breach_id: uuid.UUID) -> list[EntryRow]:
    statement = (
        select(BreachEntry, User.name)
        .outerjoin(User, User.id == BreachEntry.recorded_by)
        .where(BreachEntry.breach_id == breach_id)
        .options(undefer_group("sealed"))
        .order_by(BreachEntry.recorded_at, BreachEntry.id)
    )
    return [
        EntryRow(entry.id, entry.kind, entry.at, entry.recorded_at, name, entry.words)
        for entry, name in db.session.execute(statement)
    ]


def _demands() -> Select[*tuple[Any, ...]]:
    corrected = exists().where(Later.corrects_id == Demand.id)
    return (
        select(Demand, User.name, Decider.name, corrected)
        .outerjoin(User, User.id == Demand.recorded_by)
        .outerjoin(Decider, Decider.id == Demand.decided_by)
    )


def _demand(row: Demand, name: str | None, decider: str | None, corrected: bool, *, words: bool = False) -> DemandRow:
    return DemandRow(
        **{each: getattr(row, each) for each in _DEMAND}, recorded_by_name=name, decided_by_name=decider,
        corrected=corrected, words=row.words if words else None,
    )  # fmt: skip


def _breaches() -> Select[*tuple[Any, ...]]:
    return select(Breach, User.name).outerjoin(User, User.id == Breach.opened_by)


def _breach(row: Breach, name: str | None, *, now: datetime, **words: Any) -> BreachRow:
    state = breach_state(row.notify_by, row.authority_told_at, row.closed_at, now)
    return BreachRow(**{each: getattr(row, each) for each in _BREACH}, opened_by_name=name, state=state, **words)
