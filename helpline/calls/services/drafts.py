"""Calls not yet saved: kept sealed while they are written, seen by their writer alone."""

import uuid
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, update
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.calls import queries
from helpline.calls.commands import SaveDraft
from helpline.calls.models import CallDraft
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, NotFound

# For every call that is logged: built once.
_END = (
    update(cast("Table", CallDraft.__table__))
    .where(CallDraft.id == bindparam("draft_id"), CallDraft.user_id == bindparam("me"))
    .values(ended_at=bindparam("at"), body_sealed=None)
)


def stamp(at: datetime) -> str:
    """The instant as the browser keeps it: compared as text, so always the same form."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def save_draft(ctx: Context, command: SaveDraft) -> datetime:
    """Keep what is typed so far; gives when. Sending the same again changes nothing.

    Raises Conflict("draft_changed") where it was changed elsewhere since `base`, Conflict("draft_ended") where the
    call was saved, or the draft thrown away, meanwhile.
    """
    require(ctx, Permission.CALL_LOG)
    draft = queries.find_draft(command.call_id, lock=True)
    if draft is None:
        if queries.find_posted(command.call_id) is not None:
            raise Conflict("draft_ended")
        _begin(ctx, command)
        return ctx.now
    if draft.ended_at is not None:
        raise Conflict("draft_ended")
    before: dict[str, Any] = draft.body or {}
    if before.get("fields") == command.fields:
        return draft.saved_at
    if command.base != stamp(draft.saved_at):
        raise Conflict("draft_changed")
    draft.body = {"fields": command.fields}
    draft.saved_at = ctx.now
    draft.version += 1
    return draft.saved_at


def _begin(ctx: Context, command: SaveDraft) -> None:
    values = {"user_id": ctx.actor.id, "centre_id": ctx.actor.centre_id, "saved_at": ctx.now, "version": 1}
    sealed = seal_values("call_drafts", command.call_id, {"body_sealed": {"fields": command.fields}})
    statement = upsert(CallDraft).values(id=command.call_id, **values, **sealed).on_conflict_do_nothing()
    if db.session.execute(statement.returning(CallDraft.id)).first() is None:
        raise Conflict("draft_changed")
    record(ctx, "call_draft.begun", "call_draft", command.call_id)


def discard_draft(ctx: Context, call_id: uuid.UUID) -> None:
    """Throw a parked call away: what it said is gone at once. Raises NotFound("call_draft")."""
    require(ctx, Permission.CALL_LOG)
    draft = queries.find_draft(call_id, lock=True)
    if draft is None or draft.ended_at is not None:
        raise NotFound("call_draft", call_id)
    end_draft(ctx, call_id)
    record(ctx, "call_draft.discarded", "call_draft", call_id)


def end_draft(ctx: Context, call_id: uuid.UUID) -> None:
    """The call is saved or thrown away: nothing of the draft stays but that it was there."""
    db.session.execute(_END, {"draft_id": call_id, "me": ctx.actor.id, "at": ctx.now})
