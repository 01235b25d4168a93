"""Imports of old call logs: the file, its rows while they wait, and who is who ever after."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_json, sealed_text, wrapped_key_column
from helpline.foundation.db import Model


class CallImport(Sealed, Model):
    """One file on its way in. `report` holds what a person must look at: it quotes cells, so it is sealed."""

    __tablename__ = "call_imports"
    __table_args__ = (
        CheckConstraint("state IN ('uploaded', 'checking', 'checked', 'importing', 'done', 'failed')", name="state"),
        Index("ix_call_imports_centre_id", "centre_id", "created_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    requested_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    state: Mapped[str]
    file_name_sealed: Mapped[bytes | None] = sealed_column()
    file_name = sealed_text("file_name_sealed")
    headers_sealed: Mapped[bytes | None] = sealed_column()
    headers = sealed_json("headers_sealed")
    report_sealed: Mapped[bytes | None] = sealed_column()
    report = sealed_json("report_sealed")
    options_sealed: Mapped[bytes | None] = sealed_column()
    options = sealed_json("options_sealed")  # what its bringer knew of the file
    size_bytes: Mapped[int]
    encoding: Mapped[str]
    mapping: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    rows_total: Mapped[int] = mapped_column(server_default="0")
    rows_read: Mapped[int] = mapped_column(server_default="0")
    rows_rejected: Mapped[int] = mapped_column(server_default="0")
    rows_repeated: Mapped[int] = mapped_column(server_default="0")
    rows_known: Mapped[int] = mapped_column(server_default="0")
    calls_added: Mapped[int] = mapped_column(server_default="0")
    error_code: Mapped[str | None]
    leased_until: Mapped[datetime | None]  # machine time: until when a process has it
    lease: Mapped[uuid.UUID | None]  # which one: whoever took it last
    by_command: Mapped[bool] = mapped_column(server_default="false")  # belongs to the process that brought it
    discarded: Mapped[bool] = mapped_column(server_default="false")  # stopped by its user: whoever has it clears it
    finished_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's name


class ImportChunk(Sealed, Model):
    """A piece of the uploaded file."""

    __tablename__ = "call_import_chunks"
    __table_args__ = (UniqueConstraint("import_id", "position"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("call_imports.id", ondelete="CASCADE"))
    position: Mapped[int]
    body_sealed: Mapped[bytes | None] = sealed_column()
    body = sealed_text("body_sealed")


class ImportFinding(Sealed, Model):
    """A piece of what a check found: rows not taken, values not understood, or lines that repeat an earlier one."""

    __tablename__ = "call_import_findings"
    __table_args__ = (
        UniqueConstraint("import_id", "kind", "position"),
        CheckConstraint("kind IN ('rejects', 'unknown', 'repeated')", name="kind"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("call_imports.id", ondelete="CASCADE"))
    kind: Mapped[str]
    position: Mapped[int]
    body_sealed: Mapped[bytes | None] = sealed_column()
    body = sealed_json("body_sealed")


class ImportRow(Model):
    """A checked row, sealed already as the call it will be. `body` holds what a call's own row shows in the clear."""

    __tablename__ = "call_import_rows"

    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("call_imports.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[uuid.UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    occurrence: Mapped[int]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    call_key: Mapped[bytes] = wrapped_key_column()
    original: Mapped[bytes] = mapped_column(LargeBinary)
    narrative: Mapped[bytes | None] = mapped_column(LargeBinary)
    child_id: Mapped[uuid.UUID | None]
    child_key: Mapped[bytes | None] = wrapped_key_column(nullable=True)
    child_name: Mapped[bytes | None] = mapped_column(LargeBinary)
    child_background: Mapped[bytes | None] = mapped_column(LargeBinary)
    caller_id: Mapped[uuid.UUID | None]
    caller_key: Mapped[bytes | None] = wrapped_key_column(nullable=True)
    caller_name: Mapped[bytes | None] = mapped_column(LargeBinary)
    caller_phone: Mapped[bytes | None] = mapped_column(LargeBinary)
    caller_phone_index: Mapped[bytes | None] = mapped_column(LargeBinary)


class CallIdentity(Model):
    """Which row of which log became which call: a keyed digest of its content, and its occurrence."""

    __tablename__ = "call_identities"

    centre_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    occurrence: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("calls.id"))


class SavedMapping(Model):
    """A mapping document that a centre keeps under a name."""

    __tablename__ = "call_import_mappings"
    __table_args__ = (UniqueConstraint("centre_id", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    name: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    saved_at: Mapped[datetime]
    saved_by: Mapped[uuid.UUID]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
