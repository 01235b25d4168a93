"""Writing grants. Assignment, cover, sharing and closing to named staff all come through here."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert, update

from helpline.foundation.access.models import Grant
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.ids import new_id


def allow(
    ctx: Context,
    principal_id: uuid.UUID,
    records: Iterable[tuple[str, uuid.UUID]],
    *,
    reason: str,
    source_id: uuid.UUID,
    until_at: datetime | None = None,
) -> None:
    """Let `principal_id` see these (kind, id) records because of `reason`, until the source ends it or `until_at`."""
    rows = [
        {
            "id": new_id(), "principal_id": principal_id, "kind": kind, "record_id": record_id, "effect": "allow",
            "reason": reason, "source_id": source_id, "granted_by": ctx.actor.id, "from_at": ctx.now,
            "until_at": until_at,
        }
        for kind, record_id in records
    ]  # fmt: skip
    if rows:
        db.session.execute(insert(Grant), rows)


def end(ctx: Context, *, source_id: uuid.UUID, reason: str, principal_id: uuid.UUID | None = None) -> None:
    """End what came from `source_id` for `reason` (for one principal, or for all)."""
    statement = update(Grant).where(Grant.source_id == source_id, Grant.reason == reason, Grant.ended_at.is_(None))
    if principal_id is not None:
        statement = statement.where(Grant.principal_id == principal_id)
    db.session.execute(statement.values(ended_at=ctx.now))
