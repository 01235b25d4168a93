"""Recording who did and read what, inside the unit of work that does it.

Entries are gathered while the unit runs and written in one statement just before it commits, so that a request costs
one audit insert and a reading is on record before its answer leaves.
"""

import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from helpline.foundation import db as database
from helpline.foundation.audit.models import AuditEntry
from helpline.foundation.context import Context, current_context
from helpline.foundation.db import add_rows, db
from helpline.foundation.errors import Forbidden, NotFound
from helpline.foundation.ids import new_id


@dataclass
class _Gathered:
    entries: list[dict[str, Any]] = field(default_factory=list)
    shown: dict[str, tuple[dict[uuid.UUID, None], set[str]]] = field(default_factory=dict)


_gathered: ContextVar[_Gathered | None] = ContextVar("helpline_audit", default=None)


def _gather() -> _Gathered:
    gathered = _gathered.get()
    if gathered is None:
        gathered = _Gathered()
        _gathered.set(gathered)
    return gathered


def _entry(ctx: Context, action: str, outcome: str, kind: str | None, ids: Iterable[uuid.UUID]) -> dict[str, Any]:
    return {
        "id": new_id(), "at": ctx.now, "centre_id": ctx.actor.centre_id, "actor_id": ctx.actor.id,
        "actor_role": ctx.actor.role, "channel": ctx.channel.value, "request_id": ctx.request_id,
        "cause_id": ctx.cause_id, "action": action, "outcome": outcome, "subject_kind": kind,
        "subject_ids": list(ids), "field_groups": [], "details": {},
    }  # fmt: skip


def record(
    ctx: Context,
    action: str,
    kind: str,
    *ids: uuid.UUID,
    fields: Iterable[str] = (),
    centre_id: uuid.UUID | None = None,
    **details: Any,
) -> None:
    """Note that `action` (`call.logged`) was done to these records.

    `fields`: names of the fields changed. `centre_id`: the record's centre, needed where a system actor acts.
    `details`: ids, enums, numbers only, never a sealed value.
    """
    entry = _entry(ctx, action, "done", kind, ids)
    entry["centre_id"] = centre_id or entry["centre_id"]
    entry["field_groups"] = sorted(fields)
    entry["details"] = {key: str(value) if isinstance(value, uuid.UUID) else value for key, value in details.items()}
    _gather().entries.append(entry)


def showed(kind: str, record_id: uuid.UUID, groups: Iterable[str]) -> None:
    """Note that this record's fields of these groups go out in the answer: one entry per kind and request."""
    ids, shown = _gather().shown.setdefault(kind, ({}, set()))
    ids[record_id] = None
    shown.update(groups)


def _write() -> None:
    gathered, ctx = _gathered.get(), current_context()
    if gathered is None or ctx is None:
        return
    entries = gathered.entries
    for kind, (ids, groups) in gathered.shown.items():
        entry = _entry(ctx, f"{kind}.shown", "shown", kind, ids)
        entry["field_groups"] = sorted(groups)
        entries.append(entry)
    if entries:
        db.session.flush()
        add_rows(AuditEntry, entries)


def _note_refusal(ctx: Context, refusal: Forbidden | NotFound) -> None:
    if isinstance(refusal, Forbidden):
        action, kind = refusal.permission, refusal.permission.partition(":")[0]
    else:
        action, kind = f"{refusal.kind}:read", refusal.kind
    ids = [refusal.record_id] if isinstance(refusal.record_id, uuid.UUID) else []
    entry = _entry(ctx, action, "refused", kind, ids) | {"details": {"code": refusal.code}}
    add_rows(AuditEntry, [entry])


def _forget() -> None:
    _gathered.set(None)


database.before_commit.append(_write)
database.after_refusal.append(_note_refusal)
database.after_unit.append(_forget)
