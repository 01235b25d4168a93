"""Reading the audit."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import TextualSelect, Uuid, bindparam, or_, select, text, tuple_

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.models import AuditEntry
from helpline.foundation.context import system_actor
from helpline.foundation.db import db

PAGE = 50
_SUBJECT = bindparam("subject", type_=Uuid)
_ABOUT = text("SELECT app.audit_about(ARRAY[:subject])").bindparams(_SUBJECT)
_ABOUT_CHILD = text("SELECT app.audit_about(array(SELECT app.records_about(:subject)) || :subject)").bindparams(
    _SUBJECT
)

SEARCHED = "search.made"


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries a list shows; None does not narrow.

    `centre_id` None: what belongs to no centre (refused at the door, done by the service for all). `subject_id`: any
    record the entry speaks of; with `whole_child`, any record about the same child.
    """

    centre_id: uuid.UUID | None
    actor_id: uuid.UUID | None = None
    action: str | None = None
    kind: str | None = None
    outcome: str | None = None
    subject_id: uuid.UUID | None = None
    whole_child: bool = False
    group: str | None = None
    channel: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_entries(wanted: EntryFilter, after: tuple[datetime, uuid.UUID] | None = None) -> Sequence[AuditEntry]:
    """Newest first, one more than a page where there are more."""
    exact = {
        AuditEntry.actor_id: wanted.actor_id, AuditEntry.action: wanted.action,
        AuditEntry.subject_kind: wanted.kind, AuditEntry.outcome: wanted.outcome, AuditEntry.channel: wanted.channel,
    }  # fmt: skip
    statement = select(AuditEntry).where(AuditEntry.centre_id == wanted.centre_id)
    statement = statement.where(*(column == value for column, value in exact.items() if value is not None))
    if wanted.subject_id is None:  # typing on is the same search; whoever follows one record sees each look at it
        statement = statement.where(or_(AuditEntry.action != SEARCHED, ~AuditEntry.details["again"].as_boolean()))
    else:
        statement = statement.where(AuditEntry.id.in_(_about(wanted.subject_id, whole_child=wanted.whole_child)))
    if wanted.group is not None:
        statement = statement.where(AuditEntry.field_groups.contains([wanted.group]))
    if wanted.since is not None:
        statement = statement.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEntry.at < wanted.until)
    if after is not None:
        statement = statement.where(tuple_(AuditEntry.at, AuditEntry.id) < after)
    return db.session.scalars(statement.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(PAGE + 1)).all()


def last_verification() -> AuditEntry | None:
    """The end of the last verification of the hash tree, by the service or by command."""
    notary = system_actor(SystemActor.NOTARY).id
    statement = select(AuditEntry).where(AuditEntry.actor_id == notary, AuditEntry.action == "audit.verified")
    return db.session.scalars(statement.order_by(AuditEntry.at.desc()).limit(1)).first()


def _about(subject_id: uuid.UUID, *, whole_child: bool) -> TextualSelect:
    """Ids of the entries about a record, or about every record of the child it is about."""
    statement = _ABOUT_CHILD if whole_child else _ABOUT
    return statement.bindparams(subject=subject_id).columns(id=Uuid)
