"""Logging a call: once, however often it is posted."""

import uuid
from typing import cast

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.calls import queries
from helpline.calls.commands import CallContent, LogCall
from helpline.calls.events import CallLogged
from helpline.calls.models import Call, CallChild, CallTerm
from helpline.calls.rules import check_times
from helpline.calls.services import content as told
from helpline.calls.services.drafts import end_draft
from helpline.calls.vocabulary import CallChannel, CallKind, CallSource, Logged
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import add_rows, db
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish
from helpline.people.commands import NewPerson
from helpline.people.services import add_people

_LOG = upsert(cast("Table", Call.__table__)).on_conflict_do_nothing().returning(Call.number)  # built once


def log_call(ctx: Context, command: LogCall) -> Logged:
    """Write a call down. The same person posting the same body again gets the first one.

    Raises Invalid("in_future" | "ends_before_start" | "place_unknown" | "category_unknown" | "risk_reason_needed" | …),
    Conflict("id_in_use") for anything else under this id, whoever's it is.
    """
    require(ctx, Permission.CALL_LOG)
    content = command.content
    told.check(content)
    started = content.started_at or ctx.now
    ended = content.ended_at or max(ctx.now, started)
    check_times(started, ended, ctx.now)
    resolved = told.resolve(ctx, content)
    children = tuple(NewPerson(new_id(), child.details) for child in told.children_of(content))
    caller = told.caller_of(content, children)
    body = told.digest(content)
    values = told.plain_values(content, resolved) | {
        "id": command.call_id, "centre_id": ctx.actor.centre_id, "operator_id": ctx.actor.id,
        "team_id": ctx.actor.team_ids[0] if ctx.actor.team_ids else None, "started_at": started, "ended_at": ended,
        "logged_at": ctx.now, "caller_person_id": caller.id if caller else None, "source": CallSource.LIVE.value,
        "body_digest": body, "version": 1,
        **seal_values("calls", command.call_id, told.sealed_values(content)),
    }  # fmt: skip
    # The id decides who was first, also between two postings at one moment: the later one waits, then adds nothing.
    number = db.session.scalar(_LOG, values)
    if number is None:
        return _first_posting(ctx, command.call_id, body)
    people = [*children, *([caller] if caller and caller not in children else [])]
    add_people(ctx, people, resolved.region)
    if children:
        add_rows(CallChild, told.child_rows(command.call_id, ctx.actor.centre_id, children))
    if resolved.term_ids:
        add_rows(CallTerm, told.term_rows(command.call_id, ctx.actor.centre_id, resolved.term_ids))
    end_draft(ctx, command.call_id)
    record(ctx, "call.logged", "call", command.call_id, of=content.kind.value, risk_level=values["risk_level"])
    centre_id = ctx.actor.centre_id
    if centre_id is None:
        raise Invalid("centre_needed")
    publish(ctx, CallLogged(command.call_id, centre_id, values["risk_level"], CallSource.LIVE.value))
    return Logged(command.call_id, number, values["risk_level"], first=True)


def log_quick_call(
    ctx: Context, kind: CallKind, call_id: uuid.UUID, channel: CallChannel = CallChannel.PHONE
) -> Logged:
    """A contact that was no counselling, by one key. Raises Invalid("kind") for counselling."""
    if kind is CallKind.COUNSELLING:
        raise Invalid("kind", "kind")
    return log_call(ctx, LogCall(call_id, CallContent(kind=kind, channel=channel)))


def _first_posting(ctx: Context, call_id: uuid.UUID, body: bytes) -> Logged:
    found = queries.find_posted(call_id)
    if found is None or (found.operator_id, found.body_digest) != (ctx.actor.id, body):
        raise Conflict("id_in_use")
    return Logged(call_id, found.number, found.risk_level, first=False)
