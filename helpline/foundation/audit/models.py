"""Audit entries and the hash tree over them: append-only by privilege; no foreign key to what they speak of."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Text, Uuid
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


class AuditPending(Model):
    """Entries that stand in no tree yet: a trigger adds each in the transaction that wrote it, the notary takes it."""

    __tablename__ = "audit_pending"

    entry_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class AuditLeaf(Model):
    """An entry's place in the hash tree, from 0 without gaps, and its hash there."""

    __tablename__ = "audit_leaves"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[uuid.UUID] = mapped_column(unique=True)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCheckpoint(Model):
    """A signed note over the tree, its peaks, and the proof that it grew out of the one before."""

    __tablename__ = "audit_checkpoints"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str]
    peaks: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    proof: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))


class AuditFollower(Model):
    """Who follows the audit, and how far they are: a witness by checkpoint, the watcher by leaf."""

    __tablename__ = "audit_followers"

    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    moved_at: Mapped[datetime | None]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")
    error_code: Mapped[str | None]
