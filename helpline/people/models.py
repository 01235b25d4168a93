"""People: children, callers and carers. Identity stands here, apart from the story."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_json, sealed_text
from helpline.foundation.db import Model


class Person(Sealed, Model):
    """A person as one call told of them. `canonical_person_id` carries merges and can be undone."""

    __tablename__ = "persons"
    __table_args__ = (
        CheckConstraint("role IN ('child', 'caller', 'carer')", name="role"),
        CheckConstraint("gender IN ('female', 'male', 'other', 'unknown')", name="gender"),
        CheckConstraint("age_known IN ('exact', 'about', 'unknown')", name="age_known"),
        CheckConstraint("age BETWEEN -1 AND 120", name="age"),
        CheckConstraint("language ~ '^[a-z]{2,3}$'", name="language"),
        CheckConstraint("disability IN ('yes', 'no', 'unknown')", name="disability"),
        CheckConstraint("erased_why IN ('rule', 'request')", name="erased_why"),
        CheckConstraint("(erased_at IS NULL) = (erased_why IS NULL)", name="erased_whole"),
        Index(
            "ix_persons_canonical_person_id", "canonical_person_id",
            postgresql_where=text("canonical_person_id IS NOT NULL"),
        ),
        Index("ix_persons_changed_in", "changed_in"),
        Index("ix_persons_phone_index", "phone_index", postgresql_where=text("phone_index IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID]
    role: Mapped[str]
    canonical_person_id: Mapped[uuid.UUID | None]
    name_sealed: Mapped[bytes | None] = sealed_column()
    name = sealed_text("name_sealed")
    phone_sealed: Mapped[bytes | None] = sealed_column()
    phone = sealed_text("phone_sealed")
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    age: Mapped[int | None] = mapped_column(SmallInteger)
    age_known: Mapped[str]
    gender: Mapped[str]
    language: Mapped[str | None]  # a code (ISO 639): routing looks for an agency that speaks it
    background_sealed: Mapped[bytes | None] = sealed_column()
    background = sealed_json("background_sealed")  # the fields of BACKGROUND that are known
    disability: Mapped[str] = mapped_column(server_default="unknown")
    added_by: Mapped[uuid.UUID]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]  # its key is destroyed; what is counted stays
    erased_why: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1")
    # the transaction that last wrote the row: by it the process that knows names follows changes (workers/searcher.py)
    changed_in: Mapped[int | None] = mapped_column(
        BigInteger, server_default=text("pg_current_xact_id()::text::bigint"), deferred=True
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's name
