"""Reading the audit."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, tuple_

from helpline.foundation.audit.models import AuditEntry
from helpline.foundation.db import db

PAGE = 50
SEARCHED = "search.made"


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries a list shows; None does not narrow. `subject_id`: any record the entry speaks of."""

    centre_id: uuid.UUID
    actor_id: uuid.UUID | None = None
    action: str | None = None
    kind: str | None = None
    outcome: str | None = None
    subject_id: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_entries(wanted: EntryFilter, after: tuple[datetime, uuid.UUID] | None = None) -> Sequence[AuditEntry]:
    """Newest first, one more than a page where there are more."""
    exact = {
        AuditEntry.actor_id: wanted.actor_id, AuditEntry.action: wanted.action,
        AuditEntry.subject_kind: wanted.kind, AuditEntry.outcome: wanted.outcome,
    }  # fmt: skip
    statement = select(AuditEntry).where(AuditEntry.centre_id == wanted.centre_id)
    if wanted.subject_id is None:  # typing on is the same search; whoever follows one record sees each look at it
        statement = statement.where(or_(AuditEntry.action != SEARCHED, ~AuditEntry.details["again"].as_boolean()))
    statement = statement.where(*(column == value for column, value in exact.items() if value is not None))
    if wanted.subject_id is not None:
        statement = statement.where(AuditEntry.subject_ids.contains([wanted.subject_id]))
    if wanted.since is not None:
        statement = statement.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEntry.at < wanted.until)
    if after is not None:
        statement = statement.where(tuple_(AuditEntry.at, AuditEntry.id) < after)
    return db.session.scalars(statement.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(PAGE + 1)).all()
