"""Erasing: the keys of a record and of all that hangs on it are destroyed, and what could name somebody is blanked.

What is counted stays: dates, codes, age band, gender, province. One erasure is one unit of work. The ledger is written
before it commits, so that a process killed anywhere leaves either nothing, or a line whose erasure is done at the next
try with just the records the line names; a restored database is brought after it the same way (`ledger.replay`).
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import CursorResult, text

from helpline.accounts import queries as accounts
from helpline.accounts.models import Approval
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalKind, ApprovalState
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context, system_context
from helpline.foundation.crypto.keyring import ring
from helpline.foundation.crypto.records import DESTROYED
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.failpoints import failpoint
from helpline.foundation.log import get_logger
from helpline.foundation.outbox.publisher import publish
from helpline.retention.events import RecordErased
from helpline.retention.queries import reaching
from helpline.retention.rules import FATES, Fate
from helpline.retention.services import port
from helpline.retention.vocabulary import LedgerEntry, RecordKind, Why

log = get_logger(__name__)
BATCH = 50
DEEDS = {RecordKind.CALL: "call.erased", RecordKind.CASE: "case.erased", RecordKind.PERSON: "person.erased"}
ROOTS = ("calls", "cases", "persons")
# What goes whole: a decision about what is no more, and messages that name it.
_FORGET = "DELETE FROM retention_reviews WHERE record_id = ANY (:all)"
_UNSAY = (
    "DELETE FROM messages WHERE params ->> 'case_id' = ANY (:cases)"
    " OR params ->> 'ask_id' IN (SELECT id::text FROM referral_asks WHERE case_id::text = ANY (:cases))"
)
# A file about the case that lies ready is destroyed like the rest; one that was fetched is gone already.
_WITHDRAW = (
    "UPDATE exports SET record_key = :key, body_index = NULL, body_sealed = NULL, reason_sealed = NULL,"
    " recipient_sealed = NULL, gone_at = coalesce(gone_at, :at) WHERE case_ids && :cases"
)
# Refusals stay: to whom a case is closed it stays closed.
_END_GRANTS = (
    "UPDATE grants SET ended_at = :at WHERE effect = 'allow' AND ended_at IS NULL AND (record_id = ANY (:all)"
    " OR record_id = ANY (ARRAY(SELECT referral_id FROM referral_asks WHERE case_id = ANY (:cases))))"
)
_FINISH = (
    "UPDATE erasures SET finished_at = :at, counts = CAST(:counts AS jsonb), master_version = :version WHERE id = :id"
)


def carry_out_due() -> int:
    """The eraser's: do what two people agreed, each in a unit of its own. Gives how many were done."""
    with unit_of_work(system_context(SystemActor.ERASER)) as ctx:
        require(ctx, Permission.ERASURE_CARRY)
        due = [each.id for each in accounts.list_due_approvals(ApprovalKind.ERASURE, ctx.now, BATCH)]
    return sum(_carry_out(approval_id) for approval_id in due)


def _carry_out(approval_id: uuid.UUID) -> bool:
    with unit_of_work(system_context(SystemActor.ERASER)) as ctx:
        approval = accounts.find_approval(approval_id)
        if approval is None or not _erase(ctx, approval):
            return False
        failpoint("retention.erase.before_commit")
    failpoint("retention.erase.after_commit")
    return True


def _erase(ctx: Context, approval: Approval) -> bool:
    """False, and nothing, where something stands in the way, or it was stopped or done meanwhile."""
    kind, why, record_id = RecordKind(approval.detail["kind"]), Why(approval.detail["why"]), approval.record_id
    assert record_id is not None
    reach = reaching.reach_of(kind, record_id)
    reaching.lock(reach)
    in_the_way = reaching.hindrances(kind, record_id, reach)
    if in_the_way or not approvals.carry_out(approval.id):
        log.info("erasing.left", reason=in_the_way[0].value if in_the_way else "stopped")
        return False
    entry = port.ledger().append(LedgerEntry(0, approval.id, approval.centre_id, kind, record_id, why, ctx.now, reach))
    destroy(entry, ctx.now)
    note(ctx, entry)
    approvals.moved(ctx, approval, ApprovalState.DONE)
    return True


def destroy(entry: LedgerEntry, at: datetime) -> None:
    """Destroy what the entry names, and note how much it was. Doing it again changes nothing."""
    reach = entry.reach
    ids: dict[str, Any] = {"calls": reach.calls, "cases": reach.cases, "persons": reach.persons, "all": reach.ids}
    columns = sealed_columns(db.metadata)
    counts = {}
    for table, fate in FATES.items():
        marks = {"erased_at": entry.at, "erased_why": entry.why.value} if table in ROOTS else {}
        counts[table] = _run(
            _blanking(table, fate, columns[table], marks), key=DESTROYED, ids=list(ids[fate.of]), **marks
        ).rowcount  # fmt: skip
    _run(_FORGET, all=list(reach.ids))
    if reach.cases:
        _run(_UNSAY, cases=[str(case_id) for case_id in reach.cases])
        _run(_WITHDRAW, key=DESTROYED, cases=list(reach.cases), at=at)
    _run(_END_GRANTS, all=list(reach.ids), cases=list(reach.cases), at=at)
    done = {table: count for table, count in counts.items() if count}
    _run(_FINISH, id=entry.erasure_id, at=at, counts=orjson.dumps(done).decode(), version=ring().current_version)


def note(ctx: Context, entry: LedgerEntry) -> None:
    """On record, and told."""
    reach = entry.reach
    record(
        ctx, DEEDS[entry.kind], entry.kind.value, entry.record_id, centre_id=entry.centre_id,
        why=entry.why.value, calls=len(reach.calls), cases=len(reach.cases), persons=len(reach.persons),
    )  # fmt: skip
    publish(ctx, RecordErased(entry.erasure_id, entry.centre_id, entry.kind.value, entry.record_id, entry.at))


def _blanking(table: str, fate: Fate, sealed: set[str], marks: Mapping[str, Any]) -> str:
    """The names are those of our own tables and columns."""
    sets = ["record_key = :key", *(f"{column} = NULL" for column in sorted(sealed))]
    sets += [f"{column} = {value}" for column, value in fate.blank.items()]
    sets += [f"{column} = :{column}" for column in marks]
    once = " AND erased_at IS NULL" if marks else ""
    return f"UPDATE {table} SET {', '.join(sets)} WHERE {fate.link} = ANY (:ids){once}"  # noqa: S608


def _run(statement: str, **values: Any) -> CursorResult[Any]:
    return db.session.execute(text(statement), values)  # type: ignore[return-value]
