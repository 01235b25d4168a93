"""Alerts about unusual reading."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model


class ReadingAlert(Sealed, Model):
    """Somebody's reading between two instants was unusual; a supervisor or auditor settles it with a note."""

    __tablename__ = "reading_alerts"
    __table_args__ = (
        CheckConstraint("kind IN ('many_in_hour', 'many_in_day', 'at_night', 'denied')", name="kind"),
        UniqueConstraint("user_id", "kind", "from_at"),
        Index("ix_reading_alerts_open", "centre_id", postgresql_where=text("settled_at IS NULL")),
        Index("ix_reading_alerts_centre_id", "centre_id", "raised_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str]
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    records: Mapped[int]
    raised_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[uuid.UUID | None]
    note_sealed: Mapped[bytes | None] = sealed_column()
    note = sealed_text("note_sealed")
