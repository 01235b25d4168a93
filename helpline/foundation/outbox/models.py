"""The outbox: what happened and must reach its handlers, written in the transaction in which it happened."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.db import Model


class OutboxEvent(Model):
    """One event. Payloads hold ids, enums and times; never text about a child."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        Index("ix_outbox_events_open", "next_attempt_at", "id", postgresql_where=text("settled_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[uuid.UUID]
    created_at: Mapped[datetime]
    # Machine time, not business time: the relay's retries must not jump with a test's clock.
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0")
    settled_at: Mapped[datetime | None]


class HandledEvent(Model):
    """This handler has done its work for this event; written in the transaction of that work."""

    __tablename__ = "handled_events"

    event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    handler: Mapped[str] = mapped_column(primary_key=True)
    handled_at: Mapped[datetime]
