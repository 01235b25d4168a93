"""Tables of keeping and erasing. Row rules: `policy.py`."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model

_KINDS = "record_kind IN ('call', 'case', 'person')"


class RetentionRule(Model):
    """How long a centre keeps a kind, where it differs from what ships."""

    __tablename__ = "retention_rules"
    __table_args__ = (
        CheckConstraint("kind IN ('call', 'case', 'draft', 'import_file', 'message', 'session')", name="kind"),
        CheckConstraint("months BETWEEN 1 AND 1200", name="months"),
    )

    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    months: Mapped[int]
    changed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's name


class RetentionSweep(Model):
    """How far the looking for what is due has come, and when it last was through."""

    __tablename__ = "retention_sweeps"
    __table_args__ = (CheckConstraint("kind IN ('call', 'case')", name="kind"),)

    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    after_at: Mapped[datetime | None]
    after_id: Mapped[uuid.UUID | None]
    swept_at: Mapped[datetime | None]


class LegalHold(Sealed, Model):
    """A record that is kept whatever the rules say, until somebody lifts it."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint(_KINDS, name="record_kind"),
        CheckConstraint("num_nulls(lifted_by, lifted_at) IN (0, 2)", name="lifted_whole"),
        Index("ix_legal_holds_centre_id", "centre_id", "set_at", "id"),
        Index("uq_legal_holds_record_id", "record_id", unique=True, postgresql_where=text("lifted_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    record_kind: Mapped[str]
    record_id: Mapped[uuid.UUID]
    reason_sealed: Mapped[bytes | None] = sealed_column()
    set_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    set_at: Mapped[datetime]
    lifted_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    lifted_at: Mapped[datetime | None]

    reason = sealed_text("reason_sealed")


class RetentionReview(Sealed, Model):
    """A record whose time has come. With `keep_until` somebody decided to keep it; then it comes up again."""

    __tablename__ = "retention_reviews"
    __table_args__ = (
        UniqueConstraint("record_id"),
        CheckConstraint("record_kind IN ('call', 'case')", name="record_kind"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_whole"),
        CheckConstraint("keep_until IS NULL OR decided_at IS NOT NULL", name="kept_whole"),
        Index("ix_retention_reviews_due", "centre_id", "began_at", "id", postgresql_where=text("keep_until IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    record_kind: Mapped[str]
    record_id: Mapped[uuid.UUID]
    began_at: Mapped[datetime]  # from when its age counts: the call, the closing of the case
    keep_until: Mapped[datetime | None]
    reason_sealed: Mapped[bytes | None] = sealed_column()
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]

    reason = sealed_text("reason_sealed")


class Erasure(Model):
    """What was erased. Its row comes from `app.carry_out`, or from the ledger by the owner's hand."""

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint(_KINDS, name="record_kind"),
        CheckConstraint("why IN ('rule', 'request')", name="why"),
        Index("ix_erasures_centre_id", "centre_id", "erased_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)  # the approval's
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    record_kind: Mapped[str]
    record_id: Mapped[uuid.UUID]
    why: Mapped[str]
    erased_at: Mapped[datetime]
    master_version: Mapped[int | None]  # the newest that can have wrapped what was destroyed
    counts: Mapped[dict[str, int]] = mapped_column(JSONB, server_default="{}")
    finished_at: Mapped[datetime | None]


class ErasureLedgerState(Model):
    """One row: how the ledger and this database compared when last looked at."""

    __tablename__ = "erasure_ledger_states"
    __table_args__ = (
        CheckConstraint("one", name="one"),
        CheckConstraint("problem IN ('missing', 'damaged')", name="problem"),
    )

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    entries: Mapped[int]
    unknown_here: Mapped[int]
    unknown_there: Mapped[int]
    problem: Mapped[str | None]
    checked_at: Mapped[datetime]
