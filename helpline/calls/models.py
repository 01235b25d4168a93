"""Tables of calls. Row rules: `policy.py`."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_json, sealed_text
from helpline.foundation.db import Model


class Call(Sealed, Model):
    """One contact with the helpline. `number` is what people say: "C-90331"."""

    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint(
            "channel IN ('phone', 'sms', 'web_chat', 'messenger', 'email', 'letter', 'walk_in', 'social')",
            name="channel",
        ),
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
        CheckConstraint(
            "kind IN ('counselling', 'silent', 'hang_up', 'abusive', 'thanks', 'wrong_number', 'test', 'information',"
            " 'other')",
            name="kind",
        ),
        CheckConstraint("risk_level IN ('low', 'medium', 'high', 'immediate')", name="risk_level"),
        CheckConstraint("source IN ('live', 'imported')", name="source"),
        CheckConstraint("ended_at >= started_at", name="ends_after_it_starts"),
        CheckConstraint("erased_why IN ('rule', 'request')", name="erased_why"),
        CheckConstraint("(erased_at IS NULL) = (erased_why IS NULL)", name="erased_whole"),
        Index("ix_calls_centre_id_started_at", "centre_id", "started_at", "id"),
        Index("ix_calls_team_id_started_at", "team_id", "started_at", "id"),
        Index("ix_calls_operator_id_started_at", "operator_id", "started_at", "id"),
        Index("ix_calls_caller_person_id", "caller_person_id", postgresql_where=text("caller_person_id IS NOT NULL")),
        Index("ix_calls_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    team_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("teams.id"))
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    channel: Mapped[str]
    direction: Mapped[str]
    kind: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    logged_at: Mapped[datetime]
    caller_relation: Mapped[str]
    # Deferred: the call is written first, so that a second posting of it adds nobody.
    caller_person_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("persons.id", deferrable=True, initially="DEFERRED")
    )
    place_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("places.id"))
    province_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("places.id"))
    risk_level: Mapped[str]
    risk_reasons: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")
    risk_override_sealed: Mapped[bytes | None] = sealed_column()
    risk_override = sealed_text("risk_override_sealed")
    danger: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    actions: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default="{}")
    primary_term_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("taxonomy_terms.id"))
    narrative_sealed: Mapped[bytes | None] = sealed_column()
    narrative = sealed_text("narrative_sealed")
    source: Mapped[str]
    import_id: Mapped[uuid.UUID | None]
    original_sealed: Mapped[bytes | None] = sealed_column()
    original = sealed_json("original_sealed")
    voided_at: Mapped[datetime | None]
    void_reason_sealed: Mapped[bytes | None] = sealed_column()
    void_reason = sealed_text("void_reason_sealed")
    body_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    erased_at: Mapped[datetime | None]  # its key is destroyed; what is counted stays
    erased_why: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's name


class CallChild(Model):
    """A child whom a call concerns; age and gender as statistics count them."""

    __tablename__ = "call_children"
    __table_args__ = (Index("ix_call_children_person_id", "person_id"),)

    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    centre_id: Mapped[uuid.UUID]
    position: Mapped[int] = mapped_column(SmallInteger)
    age_band: Mapped[str]
    gender: Mapped[str]


class CallTerm(Model):
    """A reason for the call; one of them is primary (position 0)."""

    __tablename__ = "call_terms"
    __table_args__ = (Index("ix_call_terms_term_id", "term_id", "call_id"),)

    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    term_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("taxonomy_terms.id"), primary_key=True)
    centre_id: Mapped[uuid.UUID]
    position: Mapped[int] = mapped_column(SmallInteger)


class CallVersion(Sealed, Model):
    """What a call said before a correction or voiding."""

    __tablename__ = "call_versions"
    __table_args__ = (Index("uq_call_versions_version", "call_id", "version", unique=True),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("calls.id"))
    centre_id: Mapped[uuid.UUID]
    version: Mapped[int]
    at: Mapped[datetime]
    actor_id: Mapped[uuid.UUID]
    action: Mapped[str]
    snapshot_sealed: Mapped[bytes | None] = sealed_column()
    snapshot = sealed_json("snapshot_sealed")


class CallDraft(Sealed, Model):
    """A form not yet posted: only its writer sees it. Its id is the id of the call it will become."""

    __tablename__ = "call_drafts"
    __table_args__ = (
        Index("ix_call_drafts_user_id", "user_id", "saved_at", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    centre_id: Mapped[uuid.UUID]
    body_sealed: Mapped[bytes | None] = sealed_column()
    body = sealed_json("body_sealed")
    saved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")
