"""Tables of referrals. Row rules: `policy.py`."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model
from helpline.foundation.errors import Conflict
from helpline.referrals.rules import check_transition
from helpline.referrals.vocabulary import ReferralState


class Referral(Model):
    """One service sought for one case."""

    __tablename__ = "referrals"
    __table_args__ = (
        CheckConstraint(
            "state IN ('requested', 'asked', 'accepted', 'exhausted', 'withdrawn', 'service_started', 'delivered',"
            " 'not_delivered')",
            name="state",
        ),
        CheckConstraint("urgency IN ('immediate', 'urgent', 'routine')", name="urgency"),
        CheckConstraint("(state = 'withdrawn') = (withdraw_reason IS NOT NULL)", name="withdrawn_why"),
        Index("ix_referrals_case_id", "case_id", "requested_at"),
        Index("ix_referrals_centre_id", "centre_id", "requested_at", "id"),
        Index("ix_referrals_centre_id_state", "centre_id", "state", "requested_at", "id"),
        # A need is sought once at a time, however often it is asked for.
        Index(
            "uq_referrals_sought",
            "case_id",
            "service",
            unique=True,
            postgresql_where=text("state IN ('requested', 'asked', 'accepted', 'exhausted', 'service_started')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    service: Mapped[str]
    urgency: Mapped[str]
    state: Mapped[str]
    withdraw_reason: Mapped[str | None]
    requested_by: Mapped[uuid.UUID]
    requested_at: Mapped[datetime]
    current_ask_id: Mapped[uuid.UUID | None]
    decided_at: Mapped[datetime | None]  # when it was accepted, exhausted or withdrawn
    service_started_at: Mapped[datetime | None]
    service_ended_at: Mapped[datetime | None]
    excluded: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # at the last search: agency_id, code
    version: Mapped[int]

    def expect(self, version: int) -> None:
        """Raise Conflict("stale") if someone has changed the referral since `version` was read."""
        if self.version != version:
            raise Conflict("stale", version=self.version)

    def move(self, state: ReferralState) -> None:
        """Go to `state`. Raises Conflict("referral_transition")."""
        check_transition(ReferralState(self.state), state)
        self.state, self.version = state, self.version + 1


class ReferralAsk(Sealed, Model):
    """One asking of one agency. The version stands in its link: raising it ends the link."""

    __tablename__ = "referral_asks"
    __table_args__ = (
        UniqueConstraint("referral_id", "position"),
        CheckConstraint("state IN ('asked', 'accepted', 'declined', 'expired', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name="declined_why"),
        # However things race, one agency is asked at a time, and one at most holds the child.
        Index(
            "uq_referral_asks_open",
            "referral_id",
            unique=True,
            postgresql_where=text("state IN ('asked', 'accepted')"),
        ),
        Index("ix_referral_asks_due", "answer_by", postgresql_where=text("state = 'asked'")),
        Index("ix_referral_asks_agency_id", "agency_id", "asked_at"),
        Index("ix_referral_asks_case_id", "case_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    referral_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("referrals.id"))
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    agency_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agencies.id"))
    position: Mapped[int]
    by_hand: Mapped[bool]
    asked_at: Mapped[datetime]
    answer_by: Mapped[datetime]
    link_until: Mapped[datetime]
    state: Mapped[str]
    opened_at: Mapped[datetime | None]  # the agency first looked
    answered_at: Mapped[datetime | None]
    decline_reason: Mapped[str | None]
    decline_note_sealed: Mapped[bytes | None] = sealed_column()
    score: Mapped[int]
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # code, value
    excluded: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # agency_id, code
    version: Mapped[int]

    decline_note = sealed_text("decline_note_sealed")
