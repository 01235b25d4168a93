"""Messages and where their delivery stands."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model


class Message(Sealed, Model):
    """One message to one recipient by one channel. `params` hold ids, enums, times and an agency's name, no child."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("channel IN ('in_app', 'mail')", name="channel"),
        CheckConstraint("state IN ('queued', 'sending', 'sent', 'failed', 'unknown', 'not_sent')", name="state"),
        CheckConstraint("num_nonnulls(recipient_id, address_sealed) = 1", name="recipient"),
        Index("uq_messages_dedupe_key", "dedupe_key", "channel", unique=True),
        Index("ix_messages_inbox", "recipient_id", "created_at", "id", postgresql_where=text("channel = 'in_app'")),
        Index("ix_messages_unread", "recipient_id", postgresql_where=text("channel = 'in_app' AND read_at IS NULL")),
        Index("ix_messages_due", "due_at", postgresql_where=text("state IN ('queued', 'sending')")),
        Index("ix_messages_exceptions", "centre_id", "created_at", "id",
              postgresql_where=text("state IN ('unknown', 'failed', 'not_sent')")),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID]
    recipient_id: Mapped[uuid.UUID | None]
    address_sealed: Mapped[bytes | None] = sealed_column()
    address = sealed_text("address_sealed")
    locale: Mapped[str | None]
    template: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    channel: Mapped[str]
    state: Mapped[str]
    dedupe_key: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    resolved_by: Mapped[uuid.UUID | None]
