"""The one table of grants: who may see which record beyond their role's reach, or may not."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.db import Model


class Grant(Model):
    """A principal (user, agency, referral link, system actor), a record, an effect, a time and a reason."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
        CheckConstraint(
            "reason IN ('assigned', 'shared', 'cover', 'closed_to', 'referral', 'party', 'break_glass')", name="reason"
        ),
        CheckConstraint("(effect = 'deny') = (reason IN ('closed_to', 'party'))", name="deny"),
        CheckConstraint("reason <> 'break_glass' OR until_at IS NOT NULL", name="ends"),
        Index("ix_grants_principal", "principal_id", "kind", postgresql_where=text("ended_at IS NULL")),
        Index("ix_grants_source", "source_id"),
        Index("ix_grants_denied", "record_id", postgresql_where=text("effect = 'deny' AND ended_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    principal_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    record_id: Mapped[uuid.UUID]
    effect: Mapped[str]
    reason: Mapped[str]
    source_id: Mapped[uuid.UUID]  # the case, closing, override or referral it comes from
    granted_by: Mapped[uuid.UUID]
    from_at: Mapped[datetime]
    until_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
