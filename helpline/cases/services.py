"""Everything that may be done to a case. Upper slices tell its timeline and its obligations through here."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from helpline.accounts import queries as accounts
from helpline.calls.vocabulary import RiskLevel
from helpline.cases import events, queries, rules
from helpline.cases.commands import AddNote, CloseCase, Consent, OpenCase
from helpline.cases.models import Case, CaseCounter, CaseEvent, CaseNote, CaseObligation, digest_of
from helpline.cases.vocabulary import CaseAction, CaseSource, CaseStatus, CaseStep, CloseReason, NoteKind
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role, Scope
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish

ASSIGNED = "assigned"


def open_case(ctx: Context, command: OpenCase) -> Case:
    """Open a case for one child of one call; the team covering the place gets it unless one is chosen.

    The same person posting the same body again gets the first case. A historic (imported) call may be opened too: a
    case that a person opens is live. Raises NotFound("call"), Invalid("child_not_of_call" | "team_unknown" |
    "team_needed" | "closed_to_unknown" | …), Conflict("call_voided" | "case_exists" | "id_in_use").
    """
    require(ctx, Permission.CASE_OPEN, command.call_id)
    rules.check_consent(command.consent)
    origin = queries.get_origin(command.call_id, command.child_person_id)
    if origin.voided_at is not None:
        raise Conflict("call_voided")
    number = _lock_counter(origin.centre_id) + 1
    digest = digest_of(asdict(command))
    existing = queries.find_opened(command.case_id, command.call_id, command.child_person_id)
    if existing is not None:
        if (existing.id, existing.opened_by, existing.body_index) == (command.case_id, ctx.actor.id, digest):
            return existing
        raise Conflict("id_in_use" if existing.id == command.case_id else "case_exists", case_id=str(existing.id))
    due = rules.clocks(RiskLevel(origin.risk_level), ctx.now, origin.risk_clocks)
    case = Case(
        id=command.case_id, centre_id=origin.centre_id, team_id=queries.team_for(command.team_id, origin),
        number=number, code=f"{origin.centre_code}-{number}", call_id=command.call_id,
        child_person_id=command.child_person_id,
        opened_by=ctx.actor.id, opened_at=ctx.now, body_index=digest, source=CaseSource.LIVE,
        risk_level=origin.risk_level, risk_reasons=origin.risk_reasons, place_id=origin.place_id,
        province_id=origin.province_id, child_age=origin.age, child_gender=origin.gender, step=CaseStep.REGISTER,
        status=CaseStatus.OPEN, assign_by=due.assign_by, first_response_by=due.first_response_by,
        needs=list(rules.added((), command.needs)), consent=command.consent.document(), version=1,
    )  # fmt: skip
    case.summary, case.consent_why = command.summary, command.consent.why
    if ctx.actor.role == Role.CASEWORKER:  # sees what was given to them, and so this until it is given on
        grants.allow(ctx, ctx.actor.id, [("case", case.id)], reason="shared", source_id=case.id)
    _insert_numbered(case)
    close_to(ctx, case, command.closed_to)
    _tell(ctx, case, CaseAction.OPENED, {"call_id": str(case.call_id), "risk_level": case.risk_level})
    publish(ctx, events.CaseOpened(case.id, case.centre_id, case.risk_level, case.source, tuple(case.needs)))
    return case


def assign_caseworker(ctx: Context, case_id: uuid.UUID, version: int, caseworker_id: uuid.UUID) -> Case:
    """Give the case to a caseworker of its team, who sees it and its call from the next request on; the former no more.

    Raises Conflict("stale" | "case_closed"), Invalid("caseworker_not_of_team").
    """
    scope = require(ctx, Permission.CASE_ASSIGN, case_id)
    case = _open_for_change(case_id, version)
    rules.check_team(scope, case.team_id, ctx.actor.team_ids, Permission.CASE_ASSIGN)
    fit = {user.id for user in accounts.users_of_team(case.team_id, Role.CASEWORKER)}
    if caseworker_id not in fit - grants.shut_out([case.id])[case.id]:
        raise Invalid("caseworker_not_of_team", "caseworker_id")
    former = case.caseworker_id
    if former == caseworker_id:
        return case
    for reason in (ASSIGNED, "shared"):
        grants.end(ctx, source_id=case.id, reason=reason)
    grants.allow(ctx, caseworker_id, case.reach, reason=ASSIGNED, source_id=case.id)
    case.caseworker_id, case.assigned_at = caseworker_id, ctx.now
    details = {"caseworker_id": str(caseworker_id), "former_id": str(former) if former else None}
    _change(ctx, case, CaseAction.ASSIGNED, details, fields=("caseworker_id",))
    publish(ctx, events.CaseAssigned(case.id, case.centre_id, caseworker_id))
    return case


def close_to(ctx: Context, case: Case, principals: Sequence[uuid.UUID], reason: str = grants.CLOSED_TO) -> None:
    """Shut staff and agencies out of the case, its call and its child; what one of them has is nobody's again.

    `reason`: `grants.CLOSED_TO` or `grants.PARTY`. Raises Invalid("closed_to_unknown", "closed_to").
    """
    queries.check_closable(case.centre_id, set(principals), ctx.actor.id)
    for principal_id in dict.fromkeys(principals):
        grants.deny(ctx, principal_id, case.reach, reason=reason, source_id=case.id)
        record(ctx, "case.closed_to", "case", case.id, centre_id=case.centre_id, principal_id=principal_id, why=reason)
    if case.caseworker_id in principals:
        _release(ctx, case)


def _release(ctx: Context, case: Case) -> None:
    grants.end(ctx, source_id=case.id, reason=ASSIGNED)
    own = accounts.get_centre(case.centre_id).risk_clocks
    case.assign_by = rules.clocks(RiskLevel(case.risk_level), ctx.now, own).assign_by
    case.caseworker_id = case.assigned_at = None
    _change(ctx, case, CaseAction.RELEASED, {}, fields=("caseworker_id",))
    publish(ctx, events.CaseReleased(case.id, case.centre_id))


def add_note(ctx: Context, command: AddNote) -> CaseNote:
    """Write a note; a contact or visit also counts as a response. The same note posted again gives the first.

    Raises Invalid("required", "body"), Conflict("case_closed" | "id_in_use").
    """
    require(ctx, Permission.CASE_UPDATE, command.case_id)
    if not command.body.strip() or command.kind is NoteKind.REASON:
        raise Invalid("required", "kind" if command.body.strip() else "body")
    case = _lock(command.case_id)
    existing = db.session.get(CaseNote, command.note_id)
    if existing is not None:
        same = (case.id, ctx.actor.id, digest_of(command.kind, command.body))
        if (existing.case_id, existing.author_id, existing.body_index) == same:
            return existing
        raise Conflict("id_in_use")
    rules.check_open(case.status)
    note = _write_note(ctx, case, command.kind, command.body, command.note_id)
    if command.kind is not NoteKind.NOTE:
        _note_contact(ctx, case)
    _tell(ctx, case, CaseAction.NOTED, {"kind": command.kind.value}, note.id)
    return note


def record_contact(ctx: Context, case_id: uuid.UUID) -> None:
    """The child or family was reached (a follow-up says so): settles the clock of the first response."""
    require(ctx, Permission.CASE_UPDATE, case_id)
    _note_contact(ctx, _lock(case_id))


def set_needs(ctx: Context, case_id: uuid.UUID, version: int, needs: Sequence[str]) -> Case:
    """Say which services the child needs; each new one is routed. Raises Conflict("stale" | "case_closed")."""
    require(ctx, Permission.CASE_UPDATE, case_id)
    case = _open_for_change(case_id, version)
    new, case.needs = rules.added(case.needs, needs), list(rules.added((), needs))
    _change(ctx, case, CaseAction.NEEDS_SET, {"needs": case.needs, "added": list(new)}, fields=("needs",))
    if new:
        publish(ctx, events.CaseNeedsAdded(case.id, case.centre_id, new))
    return case


def set_consent(ctx: Context, case_id: uuid.UUID, version: int, consent: Consent) -> Case:
    """Record to what was agreed, by whom, and what stays withheld and why.

    Raises Invalid("consent_basis_needed" | "consent_reason_needed"), Conflict("stale" | "case_closed").
    """
    require(ctx, Permission.CASE_UPDATE, case_id)
    rules.check_consent(consent)
    case = _open_for_change(case_id, version)
    case.consent, case.consent_why = consent.document(), consent.why
    _change(ctx, case, CaseAction.CONSENT_SET, case.consent, fields=("consent", "consent_why"))
    return case


def change_risk(ctx: Context, case_id: uuid.UUID, version: int, risk_level: RiskLevel, reason: str) -> Case:
    """Judge the risk anew, with a reason; clocks that still run move with it.

    Raises Invalid("required", "reason"), Invalid("risk_same"), Conflict("stale" | "case_closed").
    """
    require(ctx, Permission.CASE_UPDATE, case_id)
    case = _open_for_change(case_id, version)
    former = RiskLevel(case.risk_level)
    if former is risk_level:
        raise Invalid("risk_same", "risk_level")
    note = _write_reason(ctx, case, reason)
    running = rules.Clocks(case.assign_by, case.first_response_by)
    own = accounts.get_centre(case.centre_id).risk_clocks
    moved = rules.moved_clocks(running, former, risk_level, opened_at=case.opened_at, now=ctx.now, own=own)
    if case.caseworker_id is None:
        case.assign_by = moved.assign_by
    if case.first_response_at is None:
        case.first_response_by = moved.first_response_by
    case.risk_level, case.risk_reasons = risk_level, [{"code": "judged_anew"}]
    details = {"former": former.value, "risk_level": risk_level.value}
    _change(ctx, case, CaseAction.RISK_CHANGED, details, note.id, fields=("risk_level",))
    publish(ctx, events.CaseRiskChanged(case.id, case.centre_id, former.value, risk_level.value))
    return case


def move_to_step(ctx: Context, case_id: uuid.UUID, version: int, step: CaseStep) -> Case:
    """Go on to the next step, or back to where a review sends it. Raises Conflict("case_step" | "stale" | …)."""
    require(ctx, Permission.CASE_UPDATE, case_id)
    case = _open_for_change(case_id, version)
    former = CaseStep(case.step)
    rules.check_step(former, step)
    case.step = step
    case.forget_closing()
    _change(ctx, case, CaseAction.STEP_CHANGED, {"former": former.value, "step": step.value}, fields=("step",))
    return case


def close_case(ctx: Context, command: CloseCase) -> Case:
    """Close the case; where the actor's reach is only their own cases, ask the supervisor to.

    Raises Invalid("required", "note"), Conflict("case_obligations", count=…) while anything stands open,
    Conflict("closing_asked") for asking twice, Conflict("stale" | "case_closed").
    """
    scope = require(ctx, Permission.CASE_CLOSE, command.case_id)
    case = _open_for_change(command.case_id, command.version)
    rules.check_closing(case.status, queries.count_obligations(case.id))
    needs_approval = scope is Scope.ASSIGNED
    if needs_approval and case.closing_requested_at is not None:
        raise Conflict("closing_asked")
    note = _write_reason(ctx, case, command.note, field="note")
    if not needs_approval:
        return _close(ctx, case, command.reason, note.id)
    case.closing_requested_at, case.closing_requested_by = ctx.now, ctx.actor.id
    case.closing_reason = command.reason
    _change(ctx, case, CaseAction.CLOSING_REQUESTED, {"reason": command.reason.value}, note.id, fields=("closing",))
    return case


def approve_closing(ctx: Context, case_id: uuid.UUID, version: int) -> Case:
    """Close as the caseworker asked. Raises Forbidden for whoever may only ask, Conflict("closing_not_asked" | …)."""
    case = _asked_to_close(ctx, case_id, version)
    rules.check_closing(case.status, queries.count_obligations(case.id))
    return _close(ctx, case, CloseReason(case.closing_reason or ""), None)


def decline_closing(ctx: Context, case_id: uuid.UUID, version: int, reason: str) -> Case:
    """Send it back to the caseworker with a reason. Raises as `approve_closing`, and Invalid("required", "reason")."""
    case = _asked_to_close(ctx, case_id, version)
    note = _write_reason(ctx, case, reason)
    case.forget_closing()
    _change(ctx, case, CaseAction.CLOSING_DECLINED, {}, note.id, fields=("closing",))
    return case


def reopen_case(ctx: Context, case_id: uuid.UUID, version: int, reason: str) -> Case:
    """Take a closed case up again, at its assessment. Raises Conflict("case_open" | "stale"), Invalid("required")."""
    require(ctx, Permission.CASE_CLOSE, case_id)
    case = _lock(case_id)
    case.expect(version)
    if case.is_open:
        raise Conflict("case_open")
    note = _write_reason(ctx, case, reason)
    case.status, case.step, case.closed_at, case.close_reason = CaseStatus.OPEN, rules.REOPENED_AT, None, None
    _change(ctx, case, CaseAction.REOPENED, {"step": case.step}, note.id, fields=("status", "step"))
    publish(ctx, events.CaseReopened(case.id, case.centre_id, case.risk_level))
    return case


def add_event(
    ctx: Context,
    case_id: uuid.UUID,
    action: str,
    details: dict[str, Any] | None = None,
    *,
    centre_id: uuid.UUID | None = None,
) -> None:
    """Add a line to the timeline: `referral.asked`, with ids, enums and times in `details`.

    Give `centre_id` where the case was just read. Raises NotFound("case").
    """
    require(ctx, Permission.CASE_READ, case_id)
    centre_id = centre_id or queries.centre_of(case_id)
    _add_line(ctx, case_id, centre_id, action=action, details=details or {})


def open_obligation(
    ctx: Context, case_id: uuid.UUID, kind: str, source: tuple[str, uuid.UUID], due_at: datetime | None = None
) -> None:
    """Note that the case can't close until this is settled; again for the same source and kind changes nothing.

    `source`: the kind and id of the record that it stands for: `("referral", referral.id)`.
    Locks the case, so that a closing under way comes first. Raises NotFound("case"), Conflict("case_closed").
    """
    require(ctx, Permission.CASE_READ, case_id)
    case = _lock(case_id)
    rules.check_open(case.status)
    values = {
        "id": new_id(), "case_id": case.id, "centre_id": case.centre_id, "kind": kind, "source_kind": source[0],
        "source_id": source[1], "due_at": due_at, "opened_at": ctx.now,
    }  # fmt: skip
    db.session.execute(upsert(CaseObligation).values(values).on_conflict_do_nothing())


def settle_obligation(ctx: Context, source_id: uuid.UUID, kind: str | None = None) -> None:
    """It is done, given up or no longer needed. Settling twice changes nothing."""
    require(ctx, Permission.CASE_READ)
    settled = update(CaseObligation).where(CaseObligation.source_id == source_id, CaseObligation.settled_at.is_(None))
    if kind is not None:
        settled = settled.where(CaseObligation.kind == kind)
    db.session.execute(settled.values(settled_at=ctx.now))


def _lock(case_id: uuid.UUID) -> Case:
    statement = select(Case).where(Case.id == case_id).with_for_update().execution_options(populate_existing=True)
    case = db.session.scalars(statement).first()
    if case is None:
        raise NotFound("case", case_id)
    return case


def _open_for_change(case_id: uuid.UUID, version: int) -> Case:
    case = _lock(case_id)
    case.expect(version)
    rules.check_open(case.status)
    return case


def _asked_to_close(ctx: Context, case_id: uuid.UUID, version: int) -> Case:
    if require(ctx, Permission.CASE_CLOSE, case_id) is Scope.ASSIGNED:
        raise Forbidden(Permission.CASE_CLOSE, case_id)
    case = _open_for_change(case_id, version)
    if case.closing_requested_at is None:
        raise Conflict("closing_not_asked")
    return case


def _close(ctx: Context, case: Case, reason: CloseReason, note_id: uuid.UUID | None) -> Case:
    case.status, case.step, case.closed_at, case.close_reason = CaseStatus.CLOSED, CaseStep.CLOSE, ctx.now, reason
    case.forget_closing()
    _change(ctx, case, CaseAction.CLOSED, {"reason": reason.value}, note_id, fields=("status", "step", "close_reason"))
    publish(ctx, events.CaseClosed(case.id, case.centre_id, reason.value))
    return case


def _lock_counter(centre_id: uuid.UUID) -> int:
    """The centre's last number; whoever else opens a case in it waits until this unit ends."""
    first = upsert(CaseCounter).values(centre_id=centre_id, last_number=0)
    held = first.on_conflict_do_update(
        index_elements=[CaseCounter.centre_id], set_={"last_number": CaseCounter.last_number}
    )
    return db.session.execute(held.returning(CaseCounter.last_number)).scalar_one()


def _insert_numbered(case: Case) -> None:
    db.session.add(case)
    try:
        db.session.flush()
    except IntegrityError as error:  # an id in use where this actor can't look
        raise Conflict("id_in_use") from error
    taken = update(CaseCounter).where(CaseCounter.centre_id == case.centre_id)
    db.session.execute(taken.values(last_number=case.number))


def _note_contact(ctx: Context, case: Case) -> None:
    first = case.first_response_at is None
    if first:
        case.first_response_at = ctx.now
        db.session.flush()
    publish(ctx, events.CaseContacted(case.id, case.centre_id, first))


def _write_reason(ctx: Context, case: Case, words: str, field: str = "reason") -> CaseNote:
    if not words.strip():
        raise Invalid("required", field)
    return _write_note(ctx, case, NoteKind.REASON, words, new_id())


def _write_note(ctx: Context, case: Case, kind: NoteKind, body: str, note_id: uuid.UUID) -> CaseNote:
    note = CaseNote(
        id=note_id, case_id=case.id, centre_id=case.centre_id, author_id=ctx.actor.id, written_at=ctx.now, kind=kind,
        body_index=digest_of(kind, body),
    )  # fmt: skip
    note.body = body.strip()
    db.session.add(note)
    db.session.flush()
    return note


def _change(
    ctx: Context, case: Case, action: CaseAction, details: dict[str, Any], note_id: uuid.UUID | None = None, *,
    fields: Sequence[str] = (),
) -> None:  # fmt: skip
    case.version += 1
    db.session.flush()
    _tell(ctx, case, action, details, note_id, fields=fields)


def _tell(
    ctx: Context, case: Case, action: CaseAction, details: dict[str, Any], note_id: uuid.UUID | None = None, *,
    fields: Sequence[str] = (),
) -> None:  # fmt: skip
    """The same deed for the timeline and for the audit, which names the note that says why."""
    _add_line(ctx, case.id, case.centre_id, action=action, details=details, note_id=note_id)
    why = {"note_id": note_id} if note_id else {}
    record(ctx, action.value, "case", case.id, fields=fields, centre_id=case.centre_id, **why)


def _add_line(ctx: Context, case_id: uuid.UUID, centre_id: uuid.UUID, **line: Any) -> None:
    actor = {"at": ctx.now, "actor_id": ctx.actor.id, "actor_role": ctx.actor.role}
    db.session.execute(insert(CaseEvent).values(id=new_id(), case_id=case_id, centre_id=centre_id, **actor, **line))
