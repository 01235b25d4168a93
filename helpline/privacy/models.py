"""Tables of who is shut out and why, and of overrides. Row rules: `policy.py`."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model


class CaseClosing(Sealed, Model):
    """A decision about somebody and a case, with its reason; only ever added to. What counts is the grant it made."""

    __tablename__ = "case_closings"
    __table_args__ = (
        CheckConstraint("kind IN ('closed_to', 'party', 'lifted')", name="kind"),
        CheckConstraint("relation IN ('self', 'household')", name="relation"),
        CheckConstraint("(kind = 'party') = (relation IS NOT NULL)", name="party_whole"),
        Index("ix_case_closings_case_id", "case_id", "recorded_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    principal_id: Mapped[uuid.UUID]  # a user or an agency
    kind: Mapped[str]
    relation: Mapped[str | None]
    recorded_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime]
    reason_sealed: Mapped[bytes | None] = sealed_column()

    reason = sealed_text("reason_sealed")


class Override(Sealed, Model):
    """One breaking of the glass. Its row and its grants come from `app.break_glass` alone."""

    __tablename__ = "glass_overrides"
    __table_args__ = (
        CheckConstraint("outcome IN ('justified', 'not_justified', 'follow_up')", name="outcome"),
        CheckConstraint("num_nulls(reviewed_at, reviewed_by, outcome) IN (0, 3)", name="reviewed_whole"),
        CheckConstraint("reviewed_by <> user_id", name="reviewed_by_another"),
        CheckConstraint("until_at <= opened_at + interval '30 minutes'", name="short"),
        Index("ix_glass_overrides_centre_id", "centre_id", "opened_at", "id"),
        Index("ix_glass_overrides_user_id", "user_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_glass_overrides_remind_at", "remind_at", postgresql_where=text("reviewed_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    case_code: Mapped[str]  # an auditor reads it without reaching the case
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id"))  # the case's, when the glass was broken
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime]
    until_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reason_sealed: Mapped[bytes | None] = sealed_column()
    review_by: Mapped[datetime]
    remind_at: Mapped[datetime]
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    outcome: Mapped[str | None]
    note_sealed: Mapped[bytes | None] = sealed_column()

    reason = sealed_text("reason_sealed")
    note = sealed_text("note_sealed")
