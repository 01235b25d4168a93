"""Noticing unusual reading and settling what was noticed. Nothing here looks at a sealed value but the note itself."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert

from helpline.accounts import queries as accounts
from helpline.accounts.vocabulary import UserStatus
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.audit.recorder import record
from helpline.foundation.calendar import day_bounds, local_day
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Forbidden, Invalid
from helpline.foundation.ids import new_id
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.oversight import rules
from helpline.oversight.models import ReadingAlert
from helpline.oversight.queries import alerts as queries
from helpline.oversight.queries import tree
from helpline.oversight.queries.alerts import Read
from helpline.oversight.rules import Window
from helpline.oversight.vocabulary import AlertKind

BATCH = 2000
FOLLOWER = "watcher"
TOO_OLD = timedelta(days=2)  # an old audit that is looked through for the first time alarms nobody


def watch(ctx: Context, limit: int = BATCH) -> int:
    """Look through what was sealed since the last time; raise each alert once. Gives how many places were passed."""
    require(ctx, Permission.ALERT_RAISE)
    tree.add_follower(FOLLOWER, ctx.now)
    follower = tree.follower(FOLLOWER, lock=True)
    if follower is None:
        return 0
    start = follower.position
    found, follower.position = queries.readings(start, limit, ctx.now - TOO_OLD)
    follower.moved_at = ctx.now
    db.session.flush()
    zones = {centre.id: ZoneInfo(centre.timezone) for centre in accounts.list_centres()} if found else {}
    windows = {
        (read.user_id, read.role, read.centre_id, window): None
        for read in found if read.outcome == "shown"
        for window in rules.windows(read.role, read.at, zones[read.centre_id])
    }  # fmt: skip
    for user_id, role, centre_id, window in windows:
        opened, listed = queries.count_read(user_id, window)
        if rules.unusual(role, window.kind, opened, listed):
            _raise(ctx, centre_id, user_id, window, listed)
    for read in found:
        _look_at_refusal(ctx, read, zones)
    return follower.position - start


def list_alerts(
    ctx: Context, *, settled: bool, after: tuple[datetime, uuid.UUID] | None = None
) -> Sequence[ReadingAlert]:  # fmt: skip
    """Alerts of the actor's centre, without those about themselves; newest first, one more than a page."""
    require(ctx, Permission.ALERT_READ)
    if ctx.actor.centre_id is None:
        raise Forbidden(Permission.ALERT_READ)
    return queries.list_alerts(ctx.actor.centre_id, settled=settled, after=after)


def settle_alert(ctx: Context, alert_id: uuid.UUID, note: str) -> ReadingAlert:
    """Say what was found out. Raises NotFound("alert"), Invalid("required", "note"), Conflict("already_settled").

    Whom it is about can't: to them it does not exist.
    """
    require(ctx, Permission.ALERT_SETTLE, alert_id)
    if not note.strip():
        raise Invalid("required", "note")
    alert = queries.lock_alert(alert_id)
    if alert.settled_at is not None:
        raise Conflict("already_settled")
    alert.settled_at, alert.settled_by, alert.note = ctx.now, ctx.actor.id, note.strip()
    db.session.flush()
    record(ctx, "alert.settled", "alert", alert_id, centre_id=alert.centre_id)
    return alert


def _look_at_refusal(ctx: Context, read: Read, zones: dict[uuid.UUID, ZoneInfo]) -> None:
    closed = queries.denied_to(read.user_id, read.subject_ids) if read.outcome == "refused" and read.subject_ids else ()
    if closed:
        zone = zones[read.centre_id]
        window = Window(AlertKind.DENIED, *day_bounds(local_day(read.at, zone), zone))
        _raise(ctx, read.centre_id, read.user_id, window, len(closed))


def _raise(ctx: Context, centre_id: uuid.UUID, user_id: uuid.UUID, window: Window, records: int) -> None:
    alert_id = new_id()
    values = {
        "id": alert_id, "centre_id": centre_id, "user_id": user_id, "kind": window.kind, "from_at": window.from_at,
        "until_at": window.until_at, "records": records, "raised_at": ctx.now,
    } | seal_values("reading_alerts", alert_id, {})  # fmt: skip
    made = insert(ReadingAlert).values(values).on_conflict_do_nothing().returning(ReadingAlert.id)
    if db.session.execute(made).first() is None:
        return  # said once already
    record(ctx, "alert.raised", "alert", alert_id, centre_id=centre_id, of=window.kind.value, user_id=user_id)
    for person in _told(centre_id, user_id):
        key = f"reading_alert:{alert_id}:{person}"
        queue_message(ctx, QueueMessage(centre_id, "reading_alert", key, {"alert_id": alert_id}, user_id=person))


def _told(centre_id: uuid.UUID, about: uuid.UUID) -> Iterable[uuid.UUID]:
    """The centre's supervisors, and its auditors; never whom it is about."""
    for user in accounts.list_users(centre_id):
        if user.role in {Role.SUPERVISOR, Role.AUDITOR} and user.status == UserStatus.ACTIVE and user.id != about:
            yield user.id
