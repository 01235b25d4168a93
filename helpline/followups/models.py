"""The table of follow-ups. Row rule: `policy.py`."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpline.followups.vocabulary import FollowUpState
from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model
from helpline.foundation.errors import Conflict


class FollowUp(Sealed, Model):
    """One dated thing that somebody must do for a case. `risk_level` and `team_id` follow the case."""

    __tablename__ = "followups"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('assignment', 'first_response', 'contact', 'review', 'visit', 'call', 'other')", name="kind"
        ),
        CheckConstraint("state IN ('planned', 'done', 'cancelled')", name="state"),
        CheckConstraint("risk_level IN ('low', 'medium', 'high', 'immediate')", name="risk_level"),
        CheckConstraint("outcome IN ('reached', 'not_reached', 'refused', 'done')", name="outcome"),
        CheckConstraint("(state = 'done') = (done_at IS NOT NULL AND outcome IS NOT NULL)", name="done_whole"),
        # What the service plans stands open once in a case, whoever plans it again.
        Index("uq_followups_planned", "case_id", "kind", unique=True,
              postgresql_where=text(
                  "state = 'planned' AND kind IN ('assignment', 'first_response', 'contact', 'review')")),
        Index("ix_followups_case_id", "case_id", "due_at", "id"),
        Index("ix_followups_remind", "remind_at", postgresql_where=text("state = 'planned' AND reminded_at IS NULL")),
        Index("ix_followups_escalate", "escalate_at",
              postgresql_where=text("state = 'planned' AND escalated_at IS NULL")),
        Index("ix_followups_open", "centre_id", "due_at", "id", postgresql_where=text("state = 'planned'")),
        Index("ix_followups_team", "team_id", "due_at", "id", postgresql_where=text("state = 'planned'")),
        Index("ix_followups_mine", "caseworker_id", "due_at", "id", postgresql_where=text("state = 'planned'")),
        Index("ix_followups_centre_id", "centre_id", "due_at", "id"),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id"))
    caseworker_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str]
    risk_level: Mapped[str]
    due_at: Mapped[datetime]
    remind_at: Mapped[datetime]
    escalate_at: Mapped[datetime]
    state: Mapped[str]
    reminded_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    done_by: Mapped[uuid.UUID | None]
    outcome: Mapped[str | None]
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID]
    version: Mapped[int]
    task_sealed: Mapped[bytes | None] = sealed_column()
    note_sealed: Mapped[bytes | None] = sealed_column()
    reason_sealed: Mapped[bytes | None] = sealed_column()

    task = sealed_text("task_sealed")
    note = sealed_text("note_sealed")
    reason = sealed_text("reason_sealed")

    def expect(self, version: int) -> None:
        """Raise Conflict("stale") if someone has changed it since, Conflict("followup_settled") if it is over."""
        if self.version != version:
            raise Conflict("stale", version=self.version)
        if self.state != FollowUpState.PLANNED:
            raise Conflict("followup_settled")
