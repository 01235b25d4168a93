"""Finding what is due, a bounded batch at a time; and throwing leftovers away.

A sweep goes through what is older than the rule says, oldest first, and begins anew every day: so what was held, kept
or brought in meanwhile comes up too. A batch and how far it came are one unit of work. Nothing of a child's record is
erased by itself: it is put on a list.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import CursorResult, text, update
from sqlalchemy.dialects.postgresql import insert

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context, system_context
from helpline.foundation.crypto.records import DESTROYED, new_record_key
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.failpoints import failpoint
from helpline.foundation.ids import new_id
from helpline.retention.models import RetentionReview, RetentionSweep
from helpline.retention.queries import listing, reaching
from helpline.retention.rules import SWEEP_EVERY, months_before
from helpline.retention.vocabulary import LEFTOVERS, REVIEWED, RecordKind, RuleKind

BATCH = 500
_OLD_IMPORTS = (
    "SELECT id FROM call_imports WHERE centre_id = :centre AND created_at < :before"
    " AND state IN ('done', 'failed', 'uploaded', 'checked')"
)
_WITHOUT_WORDS = (
    "UPDATE call_imports SET record_key = :key, file_name_sealed = NULL, headers_sealed = NULL, report_sealed = NULL,"  # noqa: S608
    f" options_sealed = NULL WHERE record_key <> :key AND id IN ({_OLD_IMPORTS} LIMIT :batch)"
)


def _rows_of_imports(table: str) -> str:
    return f"DELETE FROM {table} WHERE import_id IN ({_OLD_IMPORTS})"  # noqa: S608  # our own names


def _old(table: str, which: str) -> str:
    return f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {which} LIMIT :batch)"  # noqa: S608


_TO_COME = "('queued', 'sending', 'unknown')"  # messages of which something is still to come
# Leftovers by kind: statements of a batch each, run until they find nothing; the rows of an old log go with their file,
# whose size has a limit.
THROWN: Mapping[RuleKind, tuple[str, ...]] = {
    RuleKind.DRAFT: (_old("call_drafts", "centre_id = :centre AND saved_at < :before"),),
    RuleKind.MESSAGE: (
        _old("messages", "centre_id = :centre AND created_at < :before AND state NOT IN " + _TO_COME),
    ),
    RuleKind.SESSION: (
        _old("user_sessions", "created_at < :before AND user_id IN (SELECT id FROM users WHERE centre_id = :centre)"),
    ),
    RuleKind.IMPORT_FILE: (
        _rows_of_imports("call_import_chunks"), _rows_of_imports("call_import_rows"),
        _rows_of_imports("call_import_findings"),
        _WITHOUT_WORDS,
    ),
}  # fmt: skip


def sweep() -> None:
    """The eraser's: put on the list what is due, and throw away leftovers, until everything was looked at today."""
    with unit_of_work(system_context(SystemActor.ERASER)) as ctx:
        require(ctx, Permission.ERASURE_CARRY)
        centres = listing.list_centre_ids()
    for centre_id in centres:
        for kind in REVIEWED:
            while step(centre_id, kind):
                pass
        for kind in LEFTOVERS:
            while throw_away(centre_id, kind):
                pass


def step(centre_id: uuid.UUID, kind: RuleKind) -> bool:
    """One batch; False where today's sweep is through."""
    with unit_of_work(system_context(SystemActor.ERASER)) as ctx:
        found = _look(ctx, centre_id, kind)
        if found:
            record(ctx, "retention.found", "retention", centre_id=centre_id, what=kind.value, records=len(found))
        failpoint("retention.sweep.before_commit")
    return found is not None


def _look(ctx: Context, centre_id: uuid.UUID, kind: RuleKind) -> list[uuid.UUID] | None:
    """What came on the list; None where there is nothing more to look at."""
    at = listing.find_sweep(centre_id, kind)
    if at is not None and at.after_at is None and at.swept_at is not None and at.swept_at > ctx.now - SWEEP_EVERY:
        return None
    after = (at.after_at, at.after_id) if at is not None and at.after_at is not None else None
    before = months_before(ctx.now, listing.months_of(centre_id, kind))
    aged = listing.list_aged(centre_id, kind, before, after, BATCH)
    ids = {row.id for row in aged}
    eligible = (ids if kind is RuleKind.CASE else reaching.without_case(ids)) - reaching.held_among(
        RecordKind(kind.value), ids
    )
    _over(ctx.now, ids)
    found = _list(centre_id, kind, {row.id: row.began for row in aged if row.id in eligible})
    more = len(aged) == BATCH
    _move(centre_id, kind, {
        "after_at": aged[-1].began if more else None, "after_id": aged[-1].id if more else None,
        "swept_at": None if more else ctx.now,
    })  # fmt: skip
    return found


def _over(now: datetime, ids: set[uuid.UUID]) -> None:
    """What was kept until now comes up again."""
    kept = update(RetentionReview).where(RetentionReview.record_id.in_(ids), RetentionReview.keep_until <= now)
    db.session.execute(kept.values(keep_until=None).execution_options(synchronize_session=False))


def _list(centre_id: uuid.UUID, kind: RuleKind, began: Mapping[uuid.UUID, datetime]) -> list[uuid.UUID]:
    rows = []
    for record_id, at in began.items():
        review_id = new_id()
        rows.append({
            "id": review_id, "record_key": new_record_key("retention_reviews", review_id), "centre_id": centre_id,
            "record_kind": kind.value, "record_id": record_id, "began_at": at,
        })  # fmt: skip
    if not rows:
        return []
    added = insert(RetentionReview).values(rows).on_conflict_do_nothing(index_elements=[RetentionReview.record_id])
    return list(db.session.scalars(added.returning(RetentionReview.record_id)))


def _move(centre_id: uuid.UUID, kind: RuleKind, values: Mapping[str, object]) -> None:
    first = insert(RetentionSweep).values(centre_id=centre_id, kind=kind.value, **values)
    key = [RetentionSweep.centre_id, RetentionSweep.kind]
    db.session.execute(first.on_conflict_do_update(index_elements=key, set_=dict(values)))


def throw_away(centre_id: uuid.UUID, kind: RuleKind) -> int:
    """A batch of leftovers of this kind that are older than the rule; how many went."""
    with unit_of_work(system_context(SystemActor.ERASER)) as ctx:
        before = months_before(ctx.now, listing.months_of(centre_id, kind))
        values = {"centre": centre_id, "before": before, "batch": BATCH, "key": DESTROYED}
        gone = 0
        for statement in THROWN[kind]:
            told = {name: value for name, value in values.items() if f":{name}" in statement}
            result: CursorResult[object] = db.session.execute(text(statement), told)  # type: ignore[assignment]
            gone += result.rowcount
        if gone:
            record(ctx, "retention.thrown_away", "retention", centre_id=centre_id, what=kind.value, records=gone)
    return gone
