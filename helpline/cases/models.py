"""Tables of cases. Row rules: `policy.py`."""

import uuid
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.cases.vocabulary import CaseStatus
from helpline.foundation.crypto.index import blind_index
from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model
from helpline.foundation.errors import Conflict

_OPEN = text("status = 'open'")


def digest_of(*body: Any) -> bytes:
    """Keyed digest of what was posted: a repeat is told by it, and nothing can be read back."""
    return blind_index("case-body", orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode())


class Case(Sealed, Model):
    """The follow-up of one child beyond the call. `code` is the number people say: "HC-2481"."""

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("centre_id", "number"),
        UniqueConstraint("call_id", "child_person_id"),
        CheckConstraint("source IN ('live', 'imported')", name="source"),
        CheckConstraint("risk_level IN ('low', 'medium', 'high', 'immediate')", name="risk_level"),
        CheckConstraint("child_gender IN ('female', 'male', 'other', 'unknown')", name="child_gender"),
        CheckConstraint("step IN ('register', 'assess', 'plan', 'implement', 'follow_up', 'close')", name="step"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint(
            "(status = 'closed') = (closed_at IS NOT NULL AND close_reason IS NOT NULL AND step = 'close')",
            name="closed_whole",
        ),
        CheckConstraint("erased_why IN ('rule', 'request')", name="erased_why"),
        CheckConstraint("(erased_at IS NULL) = (erased_why IS NULL)", name="erased_whole"),
        Index("ix_cases_centre_id", "centre_id", "opened_at", "id"),
        Index("ix_cases_team_id", "team_id", "opened_at", "id"),
        Index("ix_cases_caseworker_id", "caseworker_id", "status", "opened_at", "id"),
        Index("ix_cases_opened_by", "opened_by", "opened_at", "id"),
        Index("ix_cases_child_person_id", "child_person_id"),
        Index(
            "ix_cases_closed", "centre_id", "closed_at", "id",
            postgresql_where=text("closed_at IS NOT NULL AND erased_at IS NULL"),
        ),
        Index("ix_cases_centre_id_risk_level", "centre_id", "risk_level", "opened_at", "id", postgresql_where=_OPEN),
        Index(
            "ix_cases_unassigned",
            "centre_id",
            "assign_by",
            postgresql_where=text("status = 'open' AND caseworker_id IS NULL"),
        ),
        Index(
            "ix_cases_unanswered",
            "centre_id",
            "first_response_by",
            postgresql_where=text("status = 'open' AND first_response_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id"))
    number: Mapped[int] = mapped_column(BigInteger)
    code: Mapped[str]
    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("calls.id"))
    child_person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("persons.id"))
    opened_by: Mapped[uuid.UUID]
    opened_at: Mapped[datetime]
    body_index: Mapped[bytes] = mapped_column(LargeBinary)  # keyed digest of what was posted: a repeat is told by it
    source: Mapped[str]
    risk_level: Mapped[str]
    risk_reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    place_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("places.id"))
    province_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("places.id"))
    child_age: Mapped[int | None]
    child_gender: Mapped[str]
    step: Mapped[str]
    status: Mapped[str]
    caseworker_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    assigned_at: Mapped[datetime | None]
    assign_by: Mapped[datetime]
    first_response_by: Mapped[datetime]
    first_response_at: Mapped[datetime | None]
    needs: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    consent: Mapped[dict[str, Any]] = mapped_column(JSONB)
    closing_requested_at: Mapped[datetime | None]
    closing_requested_by: Mapped[uuid.UUID | None]
    closing_reason: Mapped[str | None]  # the reason asked for, until approved
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    erased_at: Mapped[datetime | None]  # its key is destroyed; what is counted stays
    erased_why: Mapped[str | None]
    version: Mapped[int]
    summary_sealed: Mapped[bytes | None] = sealed_column()
    consent_why_sealed: Mapped[bytes | None] = sealed_column()

    summary = sealed_text("summary_sealed")
    consent_why = sealed_text("consent_why_sealed")

    @property
    def reach(self) -> list[tuple[str, uuid.UUID]]:
        """What grants of the case name: itself, its call, its child."""
        return [("case", self.id), ("call", self.call_id), ("person", self.child_person_id)]

    @property
    def is_open(self) -> bool:
        return self.status == CaseStatus.OPEN

    def expect(self, version: int) -> None:
        """Raise Conflict("stale") if someone has changed the case since `version` was read, Conflict("erased")."""
        if self.erased_at is not None:
            raise Conflict("erased")
        if self.version != version:
            raise Conflict("stale", version=self.version)

    def forget_closing(self) -> None:
        """Drop a request to close."""
        self.closing_requested_at = self.closing_requested_by = self.closing_reason = None


class CaseCounter(Model):
    """The last number given in a centre. Its row stays locked until the opening commits: no gap, no double."""

    __tablename__ = "case_counters"

    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"), primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger)


class CaseNote(Sealed, Model):
    """What somebody wrote about a case; never changed, only added to."""

    __tablename__ = "case_notes"
    __table_args__ = (
        CheckConstraint("kind IN ('note', 'contact', 'visit', 'reason')", name="kind"),
        Index("ix_case_notes_case_id", "case_id", "written_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    author_id: Mapped[uuid.UUID]
    written_at: Mapped[datetime]
    kind: Mapped[str]
    body_index: Mapped[bytes] = mapped_column(LargeBinary)
    body_sealed: Mapped[bytes | None] = sealed_column()

    body = sealed_text("body_sealed")


class CaseEvent(Model):
    """One line of a case's timeline. `details`: ids, enums and numbers; words stand in the note, sealed."""

    __tablename__ = "case_events"
    __table_args__ = (Index("ix_case_events_case_id", "case_id", "at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    at: Mapped[datetime]
    actor_id: Mapped[uuid.UUID]
    actor_role: Mapped[str]
    action: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    note_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("case_notes.id"))


class CaseObligation(Model):
    """Something that must be settled before the case can close; opened and settled by the slice that owns it."""

    __tablename__ = "case_obligations"
    __table_args__ = (
        UniqueConstraint("source_id", "kind"),
        Index("ix_case_obligations_case_id", "case_id", postgresql_where=text("settled_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    kind: Mapped[str]
    source_kind: Mapped[str]
    source_id: Mapped[uuid.UUID]
    due_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
