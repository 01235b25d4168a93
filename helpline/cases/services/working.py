"""The work on an open case: notes, contacts, needs, consent, risk, steps."""

import uuid
from collections.abc import Sequence

from helpline.accounts import queries as accounts
from helpline.calls.vocabulary import RiskLevel
from helpline.cases import events, rules
from helpline.cases.commands import AddNote, Consent
from helpline.cases.models import Case, CaseNote, digest_of
from helpline.cases.services import changing
from helpline.cases.vocabulary import CaseAction, CaseStep, NoteKind
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.outbox.publisher import publish


def add_note(ctx: Context, command: AddNote) -> CaseNote:
    """Write a note; a contact or visit also counts as a response. The same note posted again gives the first.

    Raises Invalid("required", "body"), Conflict("case_closed" | "id_in_use").
    """
    require(ctx, Permission.CASE_UPDATE, command.case_id)
    if not command.body.strip() or command.kind is NoteKind.REASON:
        raise Invalid("required", "kind" if command.body.strip() else "body")
    case = changing.lock(command.case_id)
    existing = db.session.get(CaseNote, command.note_id)
    if existing is not None:
        same = (case.id, ctx.actor.id, digest_of(command.kind, command.body))
        if (existing.case_id, existing.author_id, existing.body_index) == same:
            return existing
        raise Conflict("id_in_use")
    rules.check_open(case.status)
    note = changing.write_note(ctx, case, command.kind, command.body, command.note_id)
    if command.kind is not NoteKind.NOTE:
        _note_contact(ctx, case)
    changing.tell(ctx, case, CaseAction.NOTED, {"kind": command.kind.value}, note.id)
    return note


def record_contact(ctx: Context, case_id: uuid.UUID) -> None:
    """The child or family was reached (a follow-up says so): settles the clock of the first response."""
    require(ctx, Permission.CASE_UPDATE, case_id)
    _note_contact(ctx, changing.lock(case_id))


def set_needs(ctx: Context, case_id: uuid.UUID, version: int, needs: Sequence[str]) -> Case:
    """Say which services the child needs; each new one is routed. Raises Conflict("stale" | "case_closed")."""
    require(ctx, Permission.CASE_UPDATE, case_id)
    case = changing.open_for_change(case_id, version)
    new, case.needs = rules.added(case.needs, needs), list(rules.added((), needs))
    changing.change(ctx, case, CaseAction.NEEDS_SET, {"needs": case.needs, "added": list(new)}, fields=("needs",))
    if new:
        publish(ctx, events.CaseNeedsAdded(case.id, case.centre_id, new))
    return case


def set_consent(ctx: Context, case_id: uuid.UUID, version: int, consent: Consent) -> Case:
    """Record to what was agreed, by whom, and what stays withheld and why.

    Raises Invalid("consent_basis_needed" | "consent_reason_needed"), Conflict("stale" | "case_closed").
    """
    require(ctx, Permission.CASE_UPDATE, case_id)
    rules.check_consent(consent)
    case = changing.open_for_change(case_id, version)
    case.consent, case.consent_why = consent.document(), consent.why
    changing.change(ctx, case, CaseAction.CONSENT_SET, case.consent, fields=("consent", "consent_why"))
    return case


def change_risk(ctx: Context, case_id: uuid.UUID, version: int, risk_level: RiskLevel, reason: str) -> Case:
    """Judge the risk anew, with a reason; clocks that still run move with it.

    Raises Invalid("required", "reason"), Invalid("risk_same"), Conflict("stale" | "case_closed").
    """
    require(ctx, Permission.CASE_UPDATE, case_id)
    case = changing.open_for_change(case_id, version)
    former = RiskLevel(case.risk_level)
    if former is risk_level:
        raise Invalid("risk_same", "risk_level")
    note = changing.write_reason(ctx, case, reason)
    running = rules.Clocks(case.assign_by, case.first_response_by)
    own = accounts.get_centre(case.centre_id).risk_clocks
    moved = rules.moved_clocks(running, former, risk_level, opened_at=case.opened_at, now=ctx.now, own=own)
    if case.caseworker_id is None:
        case.assign_by = moved.assign_by
    if case.first_response_at is None:
        case.first_response_by = moved.first_response_by
    case.risk_level, case.risk_reasons = risk_level, [{"code": "judged_anew"}]
    details = {"former": former.value, "risk_level": risk_level.value}
    changing.change(ctx, case, CaseAction.RISK_CHANGED, details, note.id, fields=("risk_level",))
    publish(ctx, events.CaseRiskChanged(case.id, case.centre_id, former.value, risk_level.value))
    return case


def move_to_step(ctx: Context, case_id: uuid.UUID, version: int, step: CaseStep) -> Case:
    """Go on to the next step, or back to where a review sends it. Raises Conflict("case_step" | "stale" | …)."""
    require(ctx, Permission.CASE_UPDATE, case_id)
    case = changing.open_for_change(case_id, version)
    former = CaseStep(case.step)
    rules.check_step(former, step)
    case.step = step
    case.forget_closing()
    changing.change(ctx, case, CaseAction.STEP_CHANGED, {"former": former.value, "step": step.value}, fields=("step",))
    return case


def _note_contact(ctx: Context, case: Case) -> None:
    first = case.first_response_at is None
    if first:
        case.first_response_at = ctx.now
        db.session.flush()
    publish(ctx, events.CaseContacted(case.id, case.centre_id, first))
