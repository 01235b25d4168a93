"""Reading messages."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select, tuple_

from helpline.foundation.db import db
from helpline.notifications.models import Message
from helpline.notifications.vocabulary import MessageChannel, MessageState

PAGE = 50
EXCEPTIONS = (MessageState.UNKNOWN, MessageState.FAILED, MessageState.NOT_SENT)


def list_inbox(user_id: uuid.UUID, after: tuple[datetime, uuid.UUID] | None = None) -> Sequence[Message]:
    """A user's in-app messages, newest first; one more than a page tells that there are more."""
    statement = select(Message).where(Message.recipient_id == user_id, Message.channel == MessageChannel.IN_APP)
    return _page(statement, after)


def list_exceptions(centre_id: uuid.UUID, after: tuple[datetime, uuid.UUID] | None = None) -> Sequence[Message]:
    """Mail that may not have arrived, newest first."""
    statement = select(Message).where(Message.centre_id == centre_id, Message.state.in_(EXCEPTIONS))
    return _page(statement, after)


def list_mail(ids: Sequence[uuid.UUID], centre_id: uuid.UUID | None, *, stories: bool) -> Sequence[uuid.UUID]:
    """Which of these messages are a centre's own mail, newest first; without `stories`, no mail to an agency."""
    statement = select(Message.id).where(Message.id.in_(ids), Message.centre_id == centre_id)
    if not stories:
        statement = statement.where(Message.recipient_id.is_not(None))
    return db.session.scalars(statement.order_by(Message.id.desc()).limit(PAGE)).all()


def count_unread(user_id: uuid.UUID) -> int:
    """How many in-app messages a user has not opened; stops counting at 100."""
    unread = select(Message.id).where(
        Message.recipient_id == user_id, Message.channel == MessageChannel.IN_APP, Message.read_at.is_(None)
    )
    return db.session.scalar(select(func.count()).select_from(unread.limit(100).subquery())) or 0


def _page(statement: Select[Message], after: tuple[datetime, uuid.UUID] | None) -> Sequence[Message]:
    if after is not None:
        statement = statement.where(tuple_(Message.created_at, Message.id) < after)
    return db.session.scalars(statement.order_by(Message.created_at.desc(), Message.id.desc()).limit(PAGE + 1)).all()
