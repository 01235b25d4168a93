"""Audit entries: append-only by database privilege; no foreign key to what they speak of."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.db import Model


class AuditEntry(Model):
    """Who did, read or was refused what, when, through which door. No sealed value stands in it."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        CheckConstraint("outcome IN ('done', 'shown', 'refused')", name="outcome"),
        Index("ix_audit_entries_centre_id_at", "centre_id", "at", "id"),
        Index("ix_audit_entries_actor_id_at", "actor_id", "at"),
        Index("ix_audit_entries_subject_ids", "subject_ids", postgresql_using="gin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    centre_id: Mapped[uuid.UUID | None]
    actor_id: Mapped[uuid.UUID]
    actor_role: Mapped[str]
    channel: Mapped[str]
    request_id: Mapped[uuid.UUID]
    cause_id: Mapped[uuid.UUID | None]
    action: Mapped[str]
    outcome: Mapped[str]
    subject_kind: Mapped[str | None]
    subject_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid()))
    field_groups: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
