"""Correcting and voiding: what a call said before stays in its versions, sealed."""

import uuid
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm.attributes import flag_modified

from helpline.calls import queries
from helpline.calls.commands import CallContent, CorrectCall
from helpline.calls.events import CallCorrected, CallVoided
from helpline.calls.models import Call, CallChild, CallTerm, CallVersion
from helpline.calls.rules import changed, check_times
from helpline.calls.services import content as told
from helpline.calls.vocabulary import CallChange, CallDetail, PersonRow
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish
from helpline.people.commands import NewPerson
from helpline.people.models import Person
from helpline.people.queries import people_by_id
from helpline.people.services import add_people, change_person


def correct_call(ctx: Context, command: CorrectCall) -> Call:
    """Make the call say this. Times left out stay as they were.

    Raises NotFound("call"), Conflict("stale" | "call_voided" | "erased"), Invalid("required", "reason") and what
    `log_call` does.
    """
    require(ctx, Permission.CALL_CORRECT, command.call_id)
    content = command.content
    told.check(content)
    if not command.reason.strip():
        raise Invalid("required", "reason")
    call = _open_for_change(command.call_id, command.version)
    before = snapshot(queries.get_call(call.id))
    known = [term_id for term_id, _code in queries.terms_of(call.id)]
    content = replace(
        content, started_at=content.started_at or call.started_at, ended_at=content.ended_at or call.ended_at
    )
    started, ended = content.started_at or call.started_at, content.ended_at or content.started_at or call.started_at
    check_times(started, ended, ctx.now)
    resolved = told.resolve(ctx, content, known)
    children, caller_id = _change_people(ctx, call, content, resolved.region)
    for name, value in told.plain_values(content, resolved).items():
        setattr(call, name, value)
    call.started_at, call.ended_at, call.caller_person_id = started, ended, caller_id
    call.narrative, call.risk_override = content.narrative, content.risk_reason
    db.session.execute(delete(CallTerm).where(CallTerm.call_id == call.id))
    _link_children(call, children)
    if resolved.term_ids:
        db.session.execute(insert(CallTerm).values(told.term_rows(call.id, call.centre_id, resolved.term_ids)))
    kept = _keep(ctx, call, CallChange.CORRECTED, before, command.reason)
    fields = changed(before, snapshot(queries.get_call(call.id)))
    record(ctx, "call.corrected", "call", call.id, fields=fields, centre_id=call.centre_id, version_id=kept)
    publish(ctx, CallCorrected(call.id, call.centre_id, call.risk_level))
    return call


def void_call(ctx: Context, call_id: uuid.UUID, version: int, reason: str) -> Call:
    """Take the call out of lists and figures; it stays in its history with the reason.

    Raises NotFound("call"), Conflict("stale" | "call_voided" | "erased"), Invalid("required", "reason").
    """
    require(ctx, Permission.CALL_VOID, call_id)
    if not reason.strip():
        raise Invalid("required", "reason")
    call = _open_for_change(call_id, version)
    before = snapshot(queries.get_call(call.id))
    call.voided_at, call.void_reason = ctx.now, reason
    kept = _keep(ctx, call, CallChange.VOIDED, before, reason)
    record(ctx, "call.voided", "call", call.id, centre_id=call.centre_id, version_id=kept)
    publish(ctx, CallVoided(call.id, call.centre_id))
    return call


def _open_for_change(call_id: uuid.UUID, version: int) -> Call:
    call = queries.lock_call(call_id)
    if call.version != version:
        raise Conflict("stale")
    if call.voided_at is not None or call.erased_at is not None:
        raise Conflict("erased" if call.erased_at else "call_voided")
    return call


def _keep(ctx: Context, call: Call, action: CallChange, before: dict[str, Any], reason: str) -> uuid.UUID:
    """Keep what stood before, with the reason; the audit names it by this id."""
    kept = CallVersion(
        id=new_id(), call_id=call.id, centre_id=call.centre_id, version=call.version, at=ctx.now,
        actor_id=ctx.actor.id, action=action.value,
    )  # fmt: skip
    kept.snapshot = {"before": before, "reason": reason}
    db.session.add(kept)
    flag_modified(call, "voided_at")  # the version moves even where only people or reasons changed
    db.session.flush()
    return kept.id


def _link_children(call: Call, children: tuple[NewPerson, ...]) -> None:
    """Those who stay keep their link: by it their row is seen, and nobody links whom they can't see."""
    stay = [child.id for child in children]
    db.session.execute(delete(CallChild).where(CallChild.call_id == call.id, CallChild.person_id.not_in(stay)))
    if children:
        link = upsert(CallChild).values(told.child_rows(call.id, call.centre_id, children))
        changed = {name: link.excluded[name] for name in ("position", "age_band", "gender")}
        db.session.execute(link.on_conflict_do_update(index_elements=["call_id", "person_id"], set_=changed))


def _change_people(
    ctx: Context, call: Call, content: CallContent, region: str
) -> tuple[tuple[NewPerson, ...], uuid.UUID | None]:
    """Children named by their id are changed, others added; whoever the call no longer names stays for their case."""
    named = {child.person_id for child in queries.children_of(call.id)}
    told_children = told.children_of(content)
    if any(child.person_id and child.person_id not in named for child in told_children):
        raise Invalid("child_not_of_call", "children")
    children = tuple(NewPerson(child.person_id or new_id(), child.details) for child in told_children)
    caller = told.caller_of(content, children)
    if caller is not None and caller not in children and call.caller_person_id and call.caller_person_id not in named:
        caller = NewPerson(call.caller_person_id, caller.details)
    people = {person.id: person for person in (*children, *([caller] if caller else []))}
    known: dict[uuid.UUID, Person] = people_by_id(people.keys())
    for person_id, person in known.items():
        change_person(person, people[person_id].details, region)
    add_people(ctx, [person for person_id, person in people.items() if person_id not in known], region)
    return children, caller.id if caller else None


def snapshot(call: CallDetail) -> dict[str, Any]:
    """What a call says, as its history keeps it: codes, times and words."""
    return {
        "kind": call.kind, "channel": call.channel, "direction": call.direction,
        "started_at": call.started_at.isoformat(), "ended_at": call.ended_at.isoformat() if call.ended_at else None,
        "relation": call.caller_relation, "caller": _person(call.caller),
        "children": [_person(person) for person in call.people],
        "place_id": str(call.place_id) if call.place_id else None, "place": call.place_label,
        "categories": [term.code for term in call.categories], "danger": call.danger, "risk_level": call.risk_level,
        "risk_reason": call.risk_reason, "actions": call.actions, "narrative": call.narrative,
    }  # fmt: skip


def _person(person: PersonRow | None) -> dict[str, Any] | None:
    if person is None:
        return None
    return {name: getattr(person, name) for name in person.__slots__ if name != "id"}
