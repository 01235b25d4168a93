"""What people decide: rules, holds, what to keep longer, what to ask to be erased."""

import uuid
from datetime import timedelta

from helpline.accounts import queries as accounts
from helpline.accounts.commands import AskErasure
from helpline.accounts.models import Approval
from helpline.accounts.services import approvals
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.retention.commands import Keep, Propose, SetHold, SetRule
from helpline.retention.models import LegalHold, RetentionRule
from helpline.retention.queries import listing, reaching
from helpline.retention.rules import DEFAULTS, MOST_MONTHS
from helpline.retention.vocabulary import Hindrance, Reach, RecordKind, RecordView, Rule

LONGEST_KEPT = timedelta(days=3660)


def centre_of(ctx: Context) -> uuid.UUID:
    """The actor's own. Raises NotFound("centre") for whoever has none."""
    if ctx.actor.centre_id is None:
        raise NotFound("centre")
    return ctx.actor.centre_id


def set_rule(ctx: Context, command: SetRule) -> Rule:
    """Keep this kind so many months from now on. Raises Invalid("out_of_range", "months"), Conflict("stale")."""
    require(ctx, Permission.RETENTION_EDIT)
    if not 1 <= command.months <= MOST_MONTHS:
        raise Invalid("out_of_range", "months")
    centre_id = centre_of(ctx)
    rule = listing.find_rule(centre_id, command.kind)
    if command.version != (rule.version if rule else 0):
        raise Conflict("stale")
    before = rule.months if rule else DEFAULTS[command.kind]
    if rule is None:
        rule = RetentionRule(centre_id=centre_id, kind=command.kind.value)
        db.session.add(rule)
    rule.months, rule.changed_by, rule.changed_at = command.months, ctx.actor.id, ctx.now
    db.session.flush()
    record(ctx, "retention.rule_changed", "retention", what=command.kind.value, before=before, months=command.months)
    return Rule(command.kind, rule.months, rule.version, rule.changed_at)


def set_hold(ctx: Context, command: SetHold) -> LegalHold:
    """Keep this record, what tells of it and what hangs on it until somebody lifts the hold; the same again is one.

    What was asked or agreed about it is stopped. Raises NotFound, Invalid("required", "reason"),
    Conflict("erased" | "held" | "id_in_use").
    """
    require(ctx, Permission.HOLD_SET, command.record_id)
    if not command.reason.strip():
        raise Invalid("required", "reason")
    found = reaching.find_record(command.record_id)
    standing = listing.find_hold(command.hold_id)
    if standing is not None:
        if (standing.record_id, standing.set_by) != (command.record_id, ctx.actor.id):
            raise Conflict("id_in_use")
        return standing
    if found.erased_at is not None or listing.find_hold_row(command.record_id) is not None:
        raise Conflict("erased" if found.erased_at else "held")
    hold = LegalHold(
        id=command.hold_id, centre_id=found.centre_id, record_kind=found.kind, record_id=command.record_id,
        set_by=ctx.actor.id, set_at=ctx.now,
    )  # fmt: skip
    hold.reason = command.reason.strip()
    db.session.add(hold)
    db.session.flush()
    record(ctx, "hold.set", found.kind, command.record_id, centre_id=found.centre_id, hold_id=hold.id)
    _stop_what_is_held(ctx)
    return hold


def _stop_what_is_held(ctx: Context) -> None:
    for approval in listing.list_erasures_asked(centre_of(ctx), ctx.now):
        kind, record_id = RecordKind(approval.detail["kind"]), uuid.UUID(str(approval.record_id))
        reach = reaching.reach_of(kind, record_id)
        if Hindrance.HELD in reaching.hindrances(kind, record_id, reach):
            approvals.stop(ctx, approval.id)


def lift_hold(ctx: Context, hold_id: uuid.UUID) -> LegalHold:
    """Let the rules count for it again. Raises NotFound("hold"), Conflict("lifted_already")."""
    require(ctx, Permission.HOLD_SET, hold_id)
    hold = listing.find_hold(hold_id)
    if hold is None:
        raise NotFound("hold", hold_id)
    if hold.lifted_at is not None:
        raise Conflict("lifted_already")
    hold.lifted_by, hold.lifted_at = ctx.actor.id, ctx.now
    db.session.flush()
    record(ctx, "hold.lifted", hold.record_kind, hold.record_id, centre_id=hold.centre_id, hold_id=hold.id)
    return hold


def keep(ctx: Context, command: Keep) -> None:
    """Keep what is due until then; it comes up again afterwards.

    Raises NotFound("review") for what is not on the list, Invalid("required", "reason"),
    Invalid("keep_until", "until") unless it lies within ten years from now, Conflict("asked_already").
    """
    require(ctx, Permission.RETENTION_REVIEW, command.record_id)
    if not command.reason.strip():
        raise Invalid("required", "reason")
    if not ctx.now < command.until <= ctx.now + LONGEST_KEPT:
        raise Invalid("keep_until", "until")
    review = listing.find_review(command.record_id)
    if review is None:
        raise NotFound("review", command.record_id)
    if accounts.find_erasure_asked(command.record_id, ctx.now) is not None:
        raise Conflict("asked_already")
    review.keep_until, review.decided_by, review.decided_at = command.until, ctx.actor.id, ctx.now
    review.reason = command.reason.strip()
    db.session.flush()
    record(
        ctx, "retention.kept", review.record_kind, review.record_id, centre_id=review.centre_id,
        until=command.until.date().isoformat(),
    )  # fmt: skip


def propose(ctx: Context, command: Propose) -> Approval:
    """Ask that a record be erased; another person decides. Asking twice by one id is asking once.

    Raises NotFound, Invalid("required", "reason"), Conflict with what stands in the way (`Hindrance`), "id_in_use".
    """
    require(ctx, Permission.RETENTION_REVIEW, command.record_id)
    found = reaching.find_record(command.record_id)
    kind = RecordKind(found.kind)
    reach = reaching.reach_of(kind, command.record_id)
    for hindrance in reaching.hindrances(kind, command.record_id, reach):
        raise Conflict(hindrance.value)
    detail = {"kind": kind.value, "why": command.why.value, "code": found.code} | counts_of(reach)
    return approvals.ask_erasure(
        ctx, AskErasure(command.approval_id, found.centre_id, command.record_id, detail, command.reason)
    )


def counts_of(reach: Reach) -> dict[str, int]:
    """What a preview says: how many of each kind go, and how many stay since they are about somebody else too."""
    return {
        "calls": len(reach.calls), "cases": len(reach.cases), "persons": len(reach.persons),
        "calls_stay": reach.calls_stay, "persons_stay": reach.persons_stay,
    }  # fmt: skip


def see_record(ctx: Context, record_id: uuid.UUID) -> RecordView:
    """A record as somebody decides about it: what would go, what stands in the way. Raises NotFound."""
    require(ctx, Permission.RETENTION_REVIEW, record_id)
    found = reaching.find_record(record_id)
    kind = RecordKind(found.kind)
    reach = reaching.reach_of(kind, record_id)
    review, hold = listing.find_review(record_id), listing.find_hold_row(record_id)
    asked = accounts.find_erasure_asked(record_id, ctx.now)
    in_the_way = reaching.hindrances(kind, record_id, reach) + ([Hindrance.ASKED] if asked else [])
    kept = review is not None and review.keep_until is not None
    return RecordView(
        id=record_id, kind=kind, code=found.code, erased_at=found.erased_at, counts=counts_of(reach),
        hindrances=tuple(in_the_way), began_at=review.began_at if review else None,
        keep_until=review.keep_until if review else None, kept_because=review.reason if review and kept else None,
        hold=hold, approval_id=asked.id if asked else None, child_id=found.child_id,
    )  # fmt: skip
