"""What needs two people: one asks with a written reason, another decides, and it is done by the database, once.

Neither of the two is whom it is about, if it is about one of the staff. A lost second factor waits besides: whom it is
about is told at once, and they or whoever may decide can stop it until its time has come. What takes records out in
bulk is asked for and done by the slice that does it (`use`), and so is the erasure of a record (`ask_erasure`). A
further kind is a word of the vocabulary, a branch of `app.carry_out`, and a line of `_check`.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from helpline.accounts import queries, rules
from helpline.accounts.commands import Ask, AskErasure
from helpline.accounts.events import ApprovalMoved, FactorChanged
from helpline.accounts.models import Approval, User
from helpline.accounts.services.passwords import invite_again
from helpline.accounts.services.sessions import door
from helpline.accounts.vocabulary import ApprovalKind, ApprovalState, Decision, FactorChange, UserStatus
from helpline.foundation.access.engine import holds, require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.outbox.publisher import publish

BATCH = 50
_SHOWN = (
    "id", "subject_id", "record_id", "detail", "requested_by", "requested_at", "expires_at", "decided_at",
    "not_before", "stopped_at", "spent_at",
)  # fmt: skip
_CARRY_OUT = text("SELECT app.carry_out(:id)")


def ask(ctx: Context, command: Ask) -> Approval:
    """Ask for what needs another person's word. The same again by one id gives the first.

    Raises NotFound("user"), Invalid("required", "reason"), and Conflict: "asked_already", "id_in_use", and why it can't
    be asked for ("not_about_yourself", "admin_already", "account_closed", "factor_none").
    """
    require(ctx, Permission.APPROVAL_ASK, command.subject_id)
    if command.kind is ApprovalKind.ADMIN_ROLE:
        require(ctx, Permission.USER_EDIT, command.subject_id)
    if command.kind is ApprovalKind.BULK_EXPORT:
        require(ctx, Permission.EXPORT_BULK)
    if not command.reason.strip():
        raise Invalid("required", "reason")
    subject = queries.get_user(command.subject_id) if command.subject_id else None
    centre_id = subject.centre_id if subject else ctx.actor.centre_id
    standing = queries.find_approval(command.approval_id)
    if standing is not None:
        same = (standing.requested_by, standing.kind, standing.subject_id)
        other = subject is None and standing.detail != command.detail
        if other or same != (ctx.actor.id, command.kind, command.subject_id):
            raise Conflict("id_in_use")
        return standing
    approval = Approval(
        id=command.approval_id, centre_id=centre_id, kind=command.kind.value, subject_id=command.subject_id,
        detail=_check(ctx, command.kind, subject) if subject else dict(command.detail),
    )  # fmt: skip
    return _asked(ctx, approval, command.reason)


def ask_erasure(ctx: Context, command: AskErasure) -> Approval:
    """Ask that a record be erased; what stands in the way of it is the caller's to look at. The same again is one.

    Raises Invalid("required", "reason"), Conflict("asked_already" | "id_in_use").
    """
    require(ctx, Permission.APPROVAL_ASK, command.record_id)
    if not command.reason.strip():
        raise Invalid("required", "reason")
    standing = queries.find_approval(command.approval_id)
    if standing is not None:
        if (standing.requested_by, standing.record_id) != (ctx.actor.id, command.record_id):
            raise Conflict("id_in_use")
        return standing
    if queries.find_erasure_asked(command.record_id, ctx.now):
        raise Conflict("asked_already")
    approval = Approval(
        id=command.approval_id, centre_id=command.centre_id, kind=ApprovalKind.ERASURE.value,
        record_id=command.record_id, detail=command.detail,
    )  # fmt: skip
    return _asked(ctx, approval, command.reason)


def _asked(ctx: Context, approval: Approval, reason: str) -> Approval:
    approval.requested_by, approval.requested_at = ctx.actor.id, ctx.now
    approval.expires_at, approval.reason = ctx.now + rules.DECIDE_WITHIN, reason.strip()
    db.session.add(approval)
    db.session.flush()
    moved(ctx, approval, ApprovalState.ASKED)
    return approval


def _check(ctx: Context, kind: ApprovalKind, subject: User) -> dict[str, object]:
    """What is kept beside the request, in codes. Raises Conflict where it makes no sense."""
    if subject.id == ctx.actor.id:
        raise Conflict("not_about_yourself")
    if queries.is_asked(kind, subject.id, ctx.now):
        raise Conflict("asked_already")
    credential = queries.find_credential_of(subject.id)
    joined = credential is not None and credential.password_hash is not None
    closed = subject.status == UserStatus.DEACTIVATED
    if kind is ApprovalKind.FACTOR_RESET:
        if closed:
            raise Conflict("account_closed")
        if credential is None or not credential.has_factor:
            raise Conflict("factor_none")
        return {}
    if subject.role == Role.ADMIN:
        raise Conflict("admin_already")
    if closed and joined:
        raise Conflict("account_closed")
    return {"former": subject.role} | ({"invitation": True} if closed else {})


def decide(ctx: Context, approval_id: uuid.UUID, decision: Decision) -> Approval:
    """Approve or decline what somebody else asked for; of two who decide at once, the second is told so.

    Raises NotFound("approval"), Forbidden for one's own or what is about oneself, Conflict("decided_already" |
    "approval_expired"), Conflict("approval_overtaken") where it can't be done any more.
    """
    require(ctx, Permission.APPROVAL_DECIDE, approval_id)
    approval = queries.lock_approval(approval_id)
    if ctx.actor.id in {approval.requested_by, approval.subject_id}:
        raise Forbidden(Permission.APPROVAL_DECIDE.value, approval_id)
    state = state_of(ctx, approval)
    if state is not ApprovalState.ASKED:
        raise Conflict("approval_expired" if state is ApprovalState.EXPIRED else "decided_already")
    approval.decision, approval.decided_by, approval.decided_at = decision.value, ctx.actor.id, ctx.now
    if decision is Decision.APPROVED:
        wait = door.factor_wait if approval.kind == ApprovalKind.FACTOR_RESET else timedelta()
        approval.not_before = ctx.now + wait
    db.session.flush()
    moved(ctx, approval, state_of(ctx, approval))
    at_once = approval.kind == ApprovalKind.ADMIN_ROLE  # the rest is the machine's to do
    if decision is Decision.APPROVED and at_once and not _carry_out(ctx, approval):
        raise Conflict("approval_overtaken")
    return approval


def use(ctx: Context, approval_id: uuid.UUID, kind: ApprovalKind) -> Approval:
    """Use up an approval of one's own, in the unit that does what was approved.

    Raises NotFound("approval") for another's or of another kind, Conflict("approval_unusable") for one that was not
    given, was stopped, was used before, or is too old.
    """
    require(ctx, Permission.APPROVAL_ASK, approval_id)
    approval = queries.lock_approval(approval_id)
    if (approval.kind, approval.requested_by) != (kind, ctx.actor.id):
        raise NotFound("approval", approval_id)
    if not _carry_out(ctx, approval):
        raise Conflict("approval_unusable")
    return approval


def stop(ctx: Context, approval_id: uuid.UUID) -> None:
    """Stop what was not done yet: whom it is about may, and whoever may decide; whoever asked takes it back so.

    Raises NotFound("approval"), Forbidden, Conflict("decided_already").
    """
    require(ctx, Permission.OWN_ACCOUNT)
    approval = queries.lock_approval(approval_id)
    if approval.subject_id != ctx.actor.id:
        require(ctx, Permission.APPROVAL_DECIDE, approval_id)
    if state_of(ctx, approval) not in {ApprovalState.ASKED, ApprovalState.APPROVED}:
        raise Conflict("decided_already")
    approval.stopped_by, approval.stopped_at = ctx.actor.id, ctx.now
    db.session.flush()
    moved(ctx, approval, ApprovalState.STOPPED)


def carry_out_due(ctx: Context) -> int:
    """The keeper's: do what was approved and has waited long enough, a batch. Gives how many were tried."""
    require(ctx, Permission.USER_EDIT)
    due = queries.list_due_approvals(ApprovalKind.FACTOR_RESET, ctx.now, BATCH)
    for approval in due:
        _carry_out(ctx, approval)
    return len(due)


def state_of(ctx: Context, approval: Approval) -> ApprovalState:
    """How far it has come."""
    return rules.approval_state(
        approval.decision, approval.expires_at, approval.stopped_at, approval.spent_at, ctx.now
    )  # fmt: skip


def see(ctx: Context, approval_id: uuid.UUID) -> dict[str, Any]:
    """One of them as schemas show it; its reason for whoever may decide. Raises NotFound("approval")."""
    require(ctx, Permission.APPROVAL_READ, approval_id)
    approval = queries.find_approval(approval_id)
    if approval is None:
        raise NotFound("approval", approval_id)
    reason = approval.reason if holds(ctx.actor, Permission.APPROVAL_DECIDE) else None
    return _told(ctx, [approval])[0] | {"reason": reason}


def see_all(ctx: Context) -> list[dict[str, Any]]:
    """The newest of the actor's centre: what waits for a decision first."""
    require(ctx, Permission.APPROVAL_READ)
    told = _told(ctx, queries.list_approvals(ctx.actor.centre_id)) if ctx.actor.centre_id else []
    return sorted(told, key=lambda each: each["state"] != ApprovalState.ASKED)


def see_own(ctx: Context) -> list[dict[str, Any]]:
    """What is asked or approved about the actor, and not done yet."""
    require(ctx, Permission.OWN_ACCOUNT)
    return _told(ctx, queries.list_approvals_about(ctx.actor.id, ctx.now))


def _told(ctx: Context, approvals: Sequence[Approval]) -> list[dict[str, Any]]:
    people = ("subject_id", "requested_by", "decided_by", "stopped_by")
    names = queries.user_names({getattr(each, who) for each in approvals for who in people} - {None})
    return [
        {name: getattr(each, name) for name in _SHOWN}
        | {f"{who.removesuffix('_id')}_name": names.get(getattr(each, who)) for who in people}
        | {"what": each.kind, "state": state_of(ctx, each)}
        for each in approvals
    ]


def carry_out(approval_id: uuid.UUID) -> bool:
    """Let the database do what was approved, once. False where there is nothing to do: stopped or done meanwhile."""
    return bool(db.session.scalar(_CARRY_OUT, {"id": approval_id}))


def _carry_out(ctx: Context, approval: Approval) -> bool:
    """False where the database finds nothing to do: stopped or done meanwhile."""
    if not carry_out(approval.id):
        return False
    db.session.expire_all()
    subject_id, centre_id = approval.subject_id, approval.centre_id
    if approval.kind == ApprovalKind.ADMIN_ROLE:
        assert subject_id is not None
        record(
            ctx, "user.changed", "user", subject_id, centre_id=centre_id, fields=["role"],
            before=approval.detail["former"], role=Role.ADMIN.value,
        )  # fmt: skip
        if "invitation" in approval.detail:
            invite_again(ctx, subject_id, centre_id)
    elif approval.kind == ApprovalKind.FACTOR_RESET:
        assert subject_id is not None
        record(ctx, "factor.all_removed", "user", subject_id, centre_id=centre_id)
        publish(ctx, FactorChanged(subject_id, centre_id, FactorChange.ALL_REMOVED.value))
    moved(ctx, approval, ApprovalState.DONE)
    return True


def moved(ctx: Context, approval: Approval, state: ApprovalState) -> None:
    """Note how far it has come: on record, and on its way to those whom it concerns."""
    about = {"user_id": approval.subject_id} if approval.subject_id else {"record_id": approval.record_id}
    record(
        ctx, f"approval.{state.value}", "approval", approval.id, centre_id=approval.centre_id, what=approval.kind,
        **about,
    )  # fmt: skip
    publish(ctx, ApprovalMoved(
        approval.id, approval.centre_id, approval.kind, approval.subject_id, approval.requested_by, state.value,
        approval.not_before,
    ))  # fmt: skip
