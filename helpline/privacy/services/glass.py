"""Break-glass: one case, a written reason, half an hour; told at once, and reviewed by another within a day."""

import uuid
from collections.abc import Sequence

from sqlalchemy import text

from helpline.accounts import queries as accounts
from helpline.cases.services import hooks
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.outbox.publisher import publish
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message, tell_administrators
from helpline.privacy import events, queries, rules
from helpline.privacy.commands import BreakGlass, Review
from helpline.privacy.models import Override
from helpline.privacy.vocabulary import OverrideRow

BATCH = 50
_BREAK = text("SELECT app.break_glass(:id, :given, :reason_sealed, :record_key)")


def break_glass(ctx: Context, command: BreakGlass) -> Override:
    """Let the actor see one case of their centre until half an hour from now. The same again gives the first.

    Raises NotFound("case") alike for a code that leads nowhere, a case of elsewhere, and one that is closed to the
    actor; Conflict("glass_not_needed", case_id=…) for one they see anyway, Conflict("glass_lasts") while another
    override lasts; Invalid("required", "reason").
    """
    require(ctx, Permission.GLASS_BREAK)
    if not command.reason.strip():
        raise Invalid("required", "reason")
    standing = queries.find_override(command.override_id)
    if standing is not None and standing.user_id == ctx.actor.id:
        return standing
    given = command.case.strip()
    if given.isdecimal() and ctx.actor.centre_id is not None:  # people say the digits alone, in either script
        given = f"{accounts.get_centre(ctx.actor.centre_id).code}-{int(given)}"
    seen = queries.find_visible(ctx.actor.centre_id, given)
    if seen is not None:
        raise Conflict("glass_not_needed", case_id=str(seen))
    if queries.find_lasting(ctx.actor.id, ctx.now) is not None:
        raise Conflict("glass_lasts")
    sealed = seal_values("glass_overrides", command.override_id, {"reason_sealed": command.reason.strip()})
    case_id = db.session.scalar(_BREAK, {"id": command.override_id, "given": given} | sealed)
    if case_id is None:
        raise NotFound("case")
    override = queries.find_override(command.override_id)
    assert override is not None  # whoever broke the glass sees that they did
    _tell(ctx, override, "case.glass_broken")
    publish(ctx, events.GlassBroken(
        override.id, override.case_id, override.centre_id, override.user_id, override.until_at
    ))  # fmt: skip
    return override


def end_override(ctx: Context, override_id: uuid.UUID) -> None:
    """End one's own override before its time. Ending it twice, or after its time, is no error. Raises NotFound."""
    require(ctx, Permission.GLASS_BREAK, override_id)
    override = queries.find_override(override_id)
    if override is None or override.user_id != ctx.actor.id:
        raise NotFound("glass", override_id)
    if override.ended_at is not None or override.until_at <= ctx.now:
        return
    _tell(ctx, override, "case.glass_ended")
    override.ended_at = ctx.now
    db.session.flush()
    grants.end(ctx, source_id=override.id, reason=grants.BREAK_GLASS)  # last: from here on the case is out of sight


def see_override(ctx: Context, override_id: uuid.UUID) -> OverrideRow:
    """Raises NotFound("glass")."""
    require(ctx, Permission.GLASS_READ, override_id)
    return queries.get_override(override_id)


def review(ctx: Context, command: Review) -> None:
    """Say what came of looking into it: once, and never one's own.

    Raises NotFound("glass"), Forbidden, Conflict("reviewed_already"), Invalid("required", "note").
    """
    require(ctx, Permission.GLASS_REVIEW, command.override_id)
    override = queries.find_override(command.override_id)
    if override is None:
        raise NotFound("glass", command.override_id)
    rules.check_review(override.user_id, ctx.actor.id, override.reviewed_at, Permission.GLASS_REVIEW)
    if not command.note.strip():
        raise Invalid("required", "note")
    override = queries.find_override(command.override_id, lock=True)
    if override is None:  # somebody else was first
        raise Conflict("reviewed_already")
    override.reviewed_at, override.reviewed_by, override.outcome = ctx.now, ctx.actor.id, command.outcome
    override.note = command.note.strip()
    db.session.flush()
    record(ctx, "glass.reviewed", "glass", override.id, outcome=command.outcome.value, case_id=override.case_id)


def tell_broken(ctx: Context, override_id: uuid.UUID) -> None:
    """The supervisors of the case hear of it now, in the app and by mail."""
    require(ctx, Permission.GLASS_READ, override_id)
    override = queries.find_override(override_id, words=False)
    if override is not None:
        _ask(ctx, override, "glass_broken")


def remind_reviews(ctx: Context, limit: int = BATCH) -> int:
    """Ask again for a batch of reviews that stand open. Gives how many; less than `limit`: none is left."""
    require(ctx, Permission.GLASS_READ)
    due = queries.take_unreviewed(ctx.now, limit)
    for override in due:
        override.remind_at = ctx.now + rules.REMIND_EVERY
        _ask(ctx, override, "glass_review")
    db.session.flush()
    return len(due)


def _ask(ctx: Context, override: Override, template: str) -> None:
    people = _reviewers(override)
    if not people:
        tell_administrators(ctx, override.centre_id, override.id)
    params = {"override_id": override.id, "case_id": override.case_id, "case": override.case_code,
              "review_by": override.review_by}  # fmt: skip
    for user_id in people:
        key = f"{template}:{override.id}:{ctx.now.timestamp():.0f}:{user_id}"
        queue_message(ctx, QueueMessage(override.centre_id, template, key, params, user_id=user_id))


def _reviewers(override: Override) -> Sequence[uuid.UUID]:
    """Never whoever broke the glass, nor whom the case is closed to."""
    shut = grants.shut_out([override.case_id])[override.case_id] | {override.user_id}
    return [user.id for user in accounts.supervisors_for(override.centre_id, override.team_id, shut)]


def _tell(ctx: Context, override: Override, action: str) -> None:
    """The same deed for the case's timeline and for the audit."""
    line = {"override_id": str(override.id), "until_at": override.until_at.isoformat()}
    hooks.add_event(ctx, override.case_id, action, line, centre_id=override.centre_id)
    record(ctx, action, "case", override.case_id, override_id=override.id)
