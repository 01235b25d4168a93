"""Writing grants. Assignment, cover, sharing, closing to named staff and break-glass all come through here.

A deny beats every allow. CLOSED_TO: a case is closed to somebody, or to an agency. PARTY: they or their household are
part of the story. The only grants written elsewhere are those of an override, by the database's own function.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import insert, select, update

from helpline.foundation.access.models import Grant
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.ids import new_id

CLOSED_TO, PARTY, BREAK_GLASS = "closed_to", "party", "break_glass"
Records = Iterable[tuple[str, uuid.UUID]]


def allow(
    ctx: Context,
    principal_id: uuid.UUID,
    records: Records,
    *,
    reason: str,
    source_id: uuid.UUID,
    until_at: datetime | None = None,
) -> None:
    """Let `principal_id` see these (kind, id) records because of `reason`, until the source ends it or `until_at`."""
    _add(ctx, principal_id, records, effect="allow", reason=reason, source_id=source_id, until_at=until_at)


def deny(
    ctx: Context, principal_id: uuid.UUID, records: Records, *, reason: str, source_id: uuid.UUID
) -> None:  # fmt: skip
    """Shut `principal_id` out of these (kind, id) records, whatever else allows them, until the source ends it."""
    _add(ctx, principal_id, records, effect="deny", reason=reason, source_id=source_id, until_at=None)


def _add(ctx: Context, principal_id: uuid.UUID, records: Records, **common: object) -> None:
    rows = [
        {"id": new_id(), "principal_id": principal_id, "kind": kind, "record_id": record_id, "from_at": ctx.now}
        | {"granted_by": ctx.actor.id} | common
        for kind, record_id in records
    ]  # fmt: skip
    if rows:
        db.session.execute(insert(Grant), rows)


def shut_out(case_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    """Who (users and agencies) is shut out of each of these cases, in one statement.

    Only who may close cases, and the machines that pick recipients, see denies at all; nobody sees their own.
    """
    found: defaultdict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    statement = select(Grant.record_id, Grant.principal_id).where(
        Grant.record_id.in_(case_ids), Grant.kind == "case", Grant.effect == "deny", Grant.ended_at.is_(None)
    )
    for case_id, principal_id in db.session.execute(statement):
        found[case_id].add(principal_id)
    return {case_id: frozenset(found[case_id]) for case_id in case_ids}


def end(ctx: Context, *, source_id: uuid.UUID, reason: str, principal_id: uuid.UUID | None = None) -> None:
    """End what came from `source_id` for `reason` (for one principal, or for all)."""
    statement = update(Grant).where(Grant.source_id == source_id, Grant.reason == reason, Grant.ended_at.is_(None))
    if principal_id is not None:
        statement = statement.where(Grant.principal_id == principal_id)
    db.session.execute(statement.values(ended_at=ctx.now))
