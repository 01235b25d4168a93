"""Queueing messages and recording what became of them.

Delivery is three steps: claim (commit), send with no transaction open, record the receipt (commit). A message that may
have been accepted is never sent again by itself: one left in `sending` becomes `unknown`, which a late receipt or a
human resolves.
"""

import uuid
from datetime import timedelta

import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from helpline.accounts import queries as accounts
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, NotFound
from helpline.foundation.ids import new_id
from helpline.notifications.commands import Outgoing, QueueMessage
from helpline.notifications.models import Message
from helpline.notifications.vocabulary import MessageChannel, MessageState

SEND_WITHIN = timedelta(minutes=5)  # a claim older than this belonged to a process that died
ATTEMPTS = 6
_FIRST_RETRY = timedelta(seconds=30)


def queue_message(ctx: Context, command: QueueMessage) -> None:
    """Queue the message once for each channel. In-app messages are there at once; mail waits for the messenger."""
    rows = []
    for channel in command.channels if command.user_id else (MessageChannel.MAIL,):
        message_id = new_id()
        rows.append(
            {
                "id": message_id, "centre_id": command.centre_id, "recipient_id": command.user_id,
                "locale": command.locale, "template": command.template, "channel": channel,
                "params": orjson.loads(orjson.dumps(command.params)), "dedupe_key": command.dedupe_key,
                "state": MessageState.SENT if channel is MessageChannel.IN_APP else MessageState.QUEUED,
                "created_at": ctx.now, "due_at": command.due_at or ctx.now,
                "sent_at": ctx.now if channel is MessageChannel.IN_APP else None,
            } | seal_values("messages", message_id, {"address_sealed": command.address})
        )  # fmt: skip
    statement = insert(Message).values(rows)
    db.session.execute(statement.on_conflict_do_nothing())


def tell_administrators(ctx: Context, centre_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Something waits, and nobody is left who may be told of it: the centre's administrators hear that, no more."""
    for admin in accounts.active_of(centre_id, Role.ADMIN):
        queue_message(ctx, QueueMessage(
            centre_id, "nobody_left", f"nobody_left:{source_id}:{admin.id}", user_id=admin.id
        ))  # fmt: skip


def claim_next(ctx: Context) -> Outgoing | None:
    """Claim the mail that has waited longest, or None. Committed before it is sent.

    What speaks of a case that was closed to its recipient meanwhile is kept as not sent.
    """
    require(ctx, Permission.MESSAGE_SEND)
    message = db.session.scalars(
        select(Message)
        .where(Message.channel == MessageChannel.MAIL, Message.state == MessageState.QUEUED, Message.due_at <= ctx.now)
        .order_by(Message.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if message is None:
        return None
    if _is_closed_to(message):
        message.state, message.error_code = MessageState.NOT_SENT, "closed_to_them"
        db.session.flush()
        return claim_next(ctx)
    message.state, message.claimed_at, message.attempts = MessageState.SENDING, ctx.now, message.attempts + 1
    user = accounts.find_user(message.recipient_id) if message.recipient_id else None
    centre = accounts.get_centre(message.centre_id)
    address = user.email if user else message.address
    db.session.flush()
    return Outgoing(
        id=message.id, centre_id=message.centre_id, template=message.template, params=message.params,
        address=address or "", locale=message.locale or (user.locale if user else None) or centre.languages[0],
        timezone=centre.timezone,
    )  # fmt: skip


def record_sent(ctx: Context, message_id: uuid.UUID) -> None:
    """The server accepted it. Also settles one that was thought lost."""
    _record(ctx, message_id, MessageState.SENT, None)


def record_failed(ctx: Context, message_id: uuid.UUID, error_code: str, *, again: bool) -> None:
    """The server certainly did not accept it. `again`: worth another try, later and later, until tries run out."""
    message = _open_message(message_id)
    if again and message.attempts < ATTEMPTS:
        message.state, message.error_code = MessageState.QUEUED, error_code
        message.due_at = ctx.now + _FIRST_RETRY * 2 ** (message.attempts - 1)
        db.session.flush()
    else:
        _record(ctx, message_id, MessageState.FAILED, error_code)


def record_not_sent(ctx: Context, message_id: uuid.UUID, error_code: str) -> None:
    """There is no way to send it (no mail server is set, no address): kept, and shown as not sent."""
    _record(ctx, message_id, MessageState.NOT_SENT, error_code)


def record_unknown(ctx: Context, message_id: uuid.UUID, error_code: str) -> None:
    """The line broke when it may have been accepted already."""
    _record(ctx, message_id, MessageState.UNKNOWN, error_code)


def mark_lost_claims(ctx: Context) -> int:
    """Make `unknown` of what was claimed by a process that never recorded an end. Gives how many."""
    require(ctx, Permission.MESSAGE_SEND)
    lost = db.session.scalars(
        update(Message)
        .where(Message.state == MessageState.SENDING, Message.claimed_at < ctx.now - SEND_WITHIN)
        .values(state=MessageState.UNKNOWN, error_code="process_lost")
        .returning(Message.id)
    ).all()
    if lost:
        record(ctx, "message.unknown", "message", *lost)
    return len(lost)


def resolve_unknown(ctx: Context, message_id: uuid.UUID, *, arrived: bool) -> None:
    """A human found out: it arrived, or it did not and is sent again. Raises Conflict if it is no longer unknown."""
    require(ctx, Permission.DELIVERY_RESOLVE, message_id)
    message = _open_message(message_id)
    if message.state not in {MessageState.UNKNOWN, MessageState.FAILED, MessageState.NOT_SENT}:
        raise Conflict("already_resolved")
    message.state = MessageState.SENT if arrived else MessageState.QUEUED
    message.resolved_by, message.due_at = ctx.actor.id, ctx.now
    message.sent_at = ctx.now if arrived else None
    db.session.flush()
    record(ctx, "message.resolved", "message", message_id, arrived=arrived)


def open_message(ctx: Context, message_id: uuid.UUID) -> Message:
    """The recipient opens it in their inbox. Raises NotFound("message") for anybody else."""
    require(ctx, Permission.MESSAGE_READ, message_id)
    message = _open_message(message_id)
    if message.recipient_id != ctx.actor.id:
        raise NotFound("message", message_id)
    message.read_at = message.read_at or ctx.now
    db.session.flush()
    return message


def mark_all_read(ctx: Context) -> None:
    """Everything in the actor's inbox counts as read."""
    require(ctx, Permission.MESSAGE_READ)
    unread = (Message.recipient_id == ctx.actor.id, Message.read_at.is_(None))
    db.session.execute(update(Message).where(*unread).values(read_at=ctx.now))


def _is_closed_to(message: Message) -> bool:
    case_id = message.params.get("case_id")
    if case_id is None or message.recipient_id is None:
        return False
    return message.recipient_id in grants.shut_out([uuid.UUID(case_id)])[uuid.UUID(case_id)]


def _open_message(message_id: uuid.UUID) -> Message:
    message = db.session.scalars(select(Message).where(Message.id == message_id).with_for_update()).first()
    if message is None:
        raise NotFound("message", message_id)
    return message


def _record(ctx: Context, message_id: uuid.UUID, state: MessageState, error_code: str | None) -> None:
    require(ctx, Permission.MESSAGE_SEND, message_id)
    message = _open_message(message_id)
    if message.state not in {MessageState.SENDING, MessageState.UNKNOWN}:
        return
    message.state, message.error_code = state, error_code
    message.sent_at = ctx.now if state is MessageState.SENT else None
    db.session.flush()
    record(ctx, f"message.{state.value}", "message", message_id, centre_id=message.centre_id, template=message.template)
