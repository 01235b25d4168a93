"""Reading alerts, and the entries they rest on."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import undefer_group

from helpline.foundation.access.models import Grant
from helpline.foundation.access.permissions import Role
from helpline.foundation.audit.models import AuditEntry, AuditLeaf
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.oversight.models import ReadingAlert
from helpline.oversight.rules import FEW, TELLING, Window

PAGE = 50
_PEOPLE = [role.value for role in Role if role is not Role.PARTNER]


@dataclass(frozen=True, slots=True)
class Read:
    """A reading, or a refusal, by a person."""

    user_id: uuid.UUID
    role: str
    centre_id: uuid.UUID
    at: datetime
    outcome: str
    subject_ids: Sequence[uuid.UUID]


def readings(start: int, limit: int, since: datetime) -> tuple[list[Read], int]:
    """What people read or were refused among the next `limit` leaves from `start`, not older than `since`; and where
    to go on. Places follow one another without gaps, so none is missed, however late it committed.
    """
    stop = db.session.scalar(
        select(func.max(AuditLeaf.seq)).where(AuditLeaf.seq >= start, AuditLeaf.seq < start + limit)
    )
    if stop is None:
        return [], start
    entry = AuditEntry
    statement = select(
        entry.actor_id, entry.actor_role, entry.centre_id, entry.at, entry.outcome, entry.subject_ids
    ).join(AuditLeaf, AuditLeaf.entry_id == entry.id)
    rows = db.session.execute(
        statement.where(
            AuditLeaf.seq >= start,
            AuditLeaf.seq <= stop,
            entry.outcome.in_(["shown", "refused"]),
            entry.at >= since,
            entry.actor_role.in_(_PEOPLE),
        )
    )
    return [Read(r[0], r[1], r[2], r[3], r[4], r[5]) for r in rows if r[2]], stop + 1


def count_read(user_id: uuid.UUID, window: Window) -> tuple[int, int]:
    """How many different records somebody opened in this window, and how many they saw in all."""
    each = func.unnest(AuditEntry.subject_ids).label("record_id")
    few = (func.cardinality(AuditEntry.subject_ids) <= FEW).label("few")
    shown = select(each, few).where(
        AuditEntry.actor_id == user_id, AuditEntry.at >= window.from_at, AuditEntry.at < window.until_at,
        AuditEntry.outcome == "shown", AuditEntry.field_groups.overlap(list(TELLING)),
    ).subquery()  # fmt: skip
    record = shown.c.record_id.distinct()
    row = db.session.execute(select(func.count(record).filter(shown.c.few), func.count(record))).one()
    return row[0], row[1]


def denied_to(user_id: uuid.UUID, record_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these records are closed to this person by name."""
    statement = select(Grant.record_id).where(
        Grant.principal_id == user_id, Grant.effect == "deny", Grant.ended_at.is_(None), Grant.record_id.in_(record_ids)
    )
    return set(db.session.scalars(statement))


def list_alerts(
    centre_id: uuid.UUID, *, settled: bool, after: tuple[datetime, uuid.UUID] | None = None
) -> Sequence[ReadingAlert]:  # fmt: skip
    """Alerts of a centre, newest first, one more than a page where there are more."""
    statement = select(ReadingAlert).where(ReadingAlert.centre_id == centre_id)
    open_ = ReadingAlert.settled_at.is_(None)
    statement = statement.where(~open_ if settled else open_)
    if after is not None:
        statement = statement.where(tuple_(ReadingAlert.raised_at, ReadingAlert.id) < after)
    ordered = statement.order_by(ReadingAlert.raised_at.desc(), ReadingAlert.id.desc())
    return db.session.scalars(ordered.limit(PAGE + 1).options(undefer_group("sealed"))).all()


def lock_alert(alert_id: uuid.UUID) -> ReadingAlert:
    """The alert, for a change. Raises NotFound("alert")."""
    found = db.session.scalars(select(ReadingAlert).where(ReadingAlert.id == alert_id).with_for_update()).first()
    if found is None:
        raise NotFound("alert", alert_id)
    return found
