"""Reminding of what is due and taking to the supervisor what stays undone. Both happen once for each due time."""

import uuid
from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

from helpline.accounts import queries as accounts
from helpline.accounts.vocabulary import UserStatus
from helpline.calls.vocabulary import RiskLevel
from helpline.followups import events, queries, rules
from helpline.followups.models import FollowUp
from helpline.followups.services.planning import QUIET, tell
from helpline.followups.vocabulary import FollowUpKind
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.outbox.publisher import publish
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message, tell_administrators

BATCH = 100


def remind_due(ctx: Context, limit: int = BATCH) -> int:
    """Remind of a batch of what is due, in the app and by mail. Gives how many; less than `limit`: none is left."""
    require(ctx, Permission.FOLLOWUP_REMIND)
    due = queries.take_due(ctx.now, limit, escalation=False)
    shut = grants.shut_out({followup.case_id for followup, *_ in due})
    for followup, case_code, timezone in due:
        followup.reminded_at = ctx.now
        people = _responsible(followup, shut[followup.case_id])
        _send(ctx, followup, "followup_due", people, case_code=case_code, timezone=timezone)
        tell(ctx, followup, "followup.reminded")
        publish(ctx, events.FollowUpReminded(
            followup.id, followup.case_id, followup.centre_id, followup.kind, followup.due_at
        ))  # fmt: skip
    db.session.flush()
    return len(due)


def escalate_due(ctx: Context, limit: int = BATCH) -> int:
    """Take a batch of what stayed undone too long to the team's supervisors. Gives how many, as `remind_due`."""
    require(ctx, Permission.FOLLOWUP_REMIND)
    due = queries.take_due(ctx.now, limit, escalation=True)
    shut = grants.shut_out({followup.case_id for followup, *_ in due})
    for followup, case_code, timezone in due:
        followup.escalated_at = ctx.now
        people = _supervisors(followup, shut[followup.case_id])
        _send(ctx, followup, "followup_escalated", people, case_code=case_code, timezone=timezone)
        tell(ctx, followup, "followup.escalated")
        publish(ctx, events.FollowUpEscalated(
            followup.id, followup.case_id, followup.centre_id, followup.kind, followup.due_at
        ))  # fmt: skip
    db.session.flush()
    return len(due)


def _supervisors(followup: FollowUp, shut: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
    return [user.id for user in accounts.supervisors_for(followup.centre_id, followup.team_id, shut)]


def _responsible(followup: FollowUp, shut: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
    """The caseworker, if there is one at work whom the case is not closed to; else whoever answers for the team."""
    user = accounts.find_user(followup.caseworker_id) if followup.caseworker_id else None
    at_work = user is not None and user.status == UserStatus.ACTIVE and user.id not in shut
    if user is not None and at_work and followup.kind != FollowUpKind.ASSIGNMENT:
        return [user.id]
    return _supervisors(followup, shut)


def _send(
    ctx: Context, followup: FollowUp, template: str, people: Sequence[uuid.UUID], *, case_code: str, timezone: str
) -> None:  # fmt: skip
    params = {
        "case_id": followup.case_id, "case": case_code, "followup_id": followup.id, "kind": followup.kind,
        "due_at": followup.due_at, "risk_level": followup.risk_level,
    }  # fmt: skip
    if not people:
        tell_administrators(ctx, followup.centre_id, followup.id)
    mail_at = rules.mail_at(ctx.now, RiskLevel(followup.risk_level), QUIET, ZoneInfo(timezone))
    for user_id in people:
        key = f"{template}:{followup.id}:{followup.due_at.timestamp():.0f}:{user_id}"
        queue_message(
            ctx, QueueMessage(followup.centre_id, template, key, params, user_id=user_id, due_at=mail_at)
        )  # fmt: skip
