"""Tables of the registers. Row rules: `policy.py`."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_json, sealed_text
from helpline.foundation.db import Model


class DataExport(Sealed, Model):
    """What was taken out for somebody, sealed until it is downloaded, once, or its time is over. `body`: base 64.

    A bulk export has the id of the approval that allows it. `withheld`: why and how often, never what.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("kind IN ('subject', 'bulk')", name="kind"),
        CheckConstraint("num_nulls(team_id, recipient) = CASE kind WHEN 'bulk' THEN 2 ELSE 0 END", name="whole"),
        CheckConstraint("(body_sealed IS NULL) = (gone_at IS NOT NULL)", name="gone"),
        CheckConstraint("downloaded_at IS NULL OR gone_at IS NOT NULL", name="once"),
        CheckConstraint("expires_at <= made_at + interval '7 days'", name="expires"),
        Index("ix_exports_centre_id", "centre_id", "made_at", "id"),
        Index("ix_exports_expires_at", "expires_at", postgresql_where=text("gone_at IS NULL")),
        Index("ix_exports_case_ids", "case_ids", postgresql_using="gin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    team_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("teams.id"))
    kind: Mapped[str]
    case_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid()))
    recipient: Mapped[str | None]
    field_groups: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    items: Mapped[int]
    withheld: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    body_index: Mapped[bytes | None] = mapped_column(LargeBinary)  # of what was asked for: a repeat is told by it
    requested_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    downloaded_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
    reason_sealed: Mapped[bytes | None] = sealed_column()
    recipient_sealed: Mapped[bytes | None] = sealed_column()
    body_sealed: Mapped[bytes | None] = sealed_column()

    reason = sealed_text("reason_sealed")
    recipient_name = sealed_text("recipient_sealed")
    body = sealed_text("body_sealed")


class Disclosure(Sealed, Model):
    """Something of a child was told or given by hand; only ever added to. A correction is an entry of its own."""

    __tablename__ = "disclosures"
    __table_args__ = (
        CheckConstraint("given_at <= recorded_at", name="given_before"),
        CheckConstraint("corrects_id <> id", name="corrects_another"),
        Index("ix_disclosures_case_id", "case_id", "given_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cases.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    corrects_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("disclosures.id"), unique=True)
    given_at: Mapped[datetime]
    recipient_kind: Mapped[str]
    means: Mapped[str]
    basis: Mapped[str]
    field_groups: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    recorded_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime]
    recipient_sealed: Mapped[bytes | None] = sealed_column()
    what_sealed: Mapped[bytes | None] = sealed_column()

    recipient = sealed_text("recipient_sealed")
    what = sealed_text("what_sealed")


class Demand(Sealed, Model):
    """An authority demanded to be told; only ever added to. `words`: who exactly, which paper, what, what was given."""

    __tablename__ = "compelled_disclosures"
    __table_args__ = (
        CheckConstraint("received_at <= recorded_at", name="received_before"),
        CheckConstraint("corrects_id <> id", name="corrects_another"),
        Index("ix_compelled_disclosures_centre_id", "centre_id", "received_at", "id"),
        Index("ix_compelled_disclosures_case_ids", "case_ids", postgresql_using="gin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    corrects_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("compelled_disclosures.id"), unique=True)
    received_at: Mapped[datetime]
    authority: Mapped[str]
    basis: Mapped[str]
    outcome: Mapped[str]
    subjects_told: Mapped[str]
    case_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid()))
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    recorded_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime]
    words_sealed: Mapped[bytes | None] = sealed_column()

    words = sealed_json("words_sealed")


class Breach(Sealed, Model):
    """Data got out or was lost. The authority is to be told within 72 hours of when it was noticed."""

    __tablename__ = "breaches"
    __table_args__ = (
        CheckConstraint("notify_by = noticed_at + interval '72 hours'", name="clock"),
        CheckConstraint("people >= 0 AND records >= 0", name="numbers"),
        Index("ix_breaches_centre_id", "centre_id", "noticed_at", "id"),
        Index("ix_breaches_remind_at", "remind_at", postgresql_where=text("remind_at IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    noticed_at: Mapped[datetime]
    notify_by: Mapped[datetime]
    remind_at: Mapped[datetime | None]
    opened_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    people: Mapped[int | None]
    records: Mapped[int | None]
    authority_told_at: Mapped[datetime | None]
    subjects_told_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    what_sealed: Mapped[bytes | None] = sealed_column()
    version: Mapped[int] = mapped_column(server_default="1")

    what = sealed_text("what_sealed")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's name


class BreachEntry(Sealed, Model):
    """One entry of a breach's log; only ever added to."""

    __tablename__ = "breach_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('note', 'measure', 'authority_told', 'subjects_told', 'closed')", name="kind"),
        Index("ix_breach_entries_breach_id", "breach_id", "recorded_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    breach_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("breaches.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    kind: Mapped[str]
    at: Mapped[datetime]
    recorded_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime]
    words_sealed: Mapped[bytes | None] = sealed_column()

    words = sealed_text("words_sealed")
